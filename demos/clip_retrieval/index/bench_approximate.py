"""LanceDB's approximate indexes beside the exact scan: time to build, time of a query, and what is found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from demos.clip_retrieval.index.bench_peers import OURS, lance_table
from demos.clip_retrieval.index.scan import ExactScan, matrix_product
from shared.demo import Run
from shared.evaluation.timing import paired_timing
from shared.result import Column, Table

K = 10
TIMED = 8  # queries in one timing
KINDS = ("IVF_FLAT", "IVF_SQ", "IVF_HNSW_SQ")


def measure_approximate(
    vectors: np.ndarray, queries: np.ndarray, run: Run, repeats: int, described: str, kinds: tuple[str, ...] = KINDS
) -> Table:
    """One table over vectors (n, d): the exact scan first, then each kind of index at several settings.

    queries: (q, d), at least 8; repeats: from 3; described: what the vectors are; kinds: of `KINDS`. Both kinds of IVF
    have about sqrt(n) partitions; HNSW lies in one. Quantised kinds read five times k rows and score them again.
    """
    scan = ExactScan(vectors)
    truth = np.sort(matrix_product(queries, vectors, K)[0], axis=1)[:, 0]
    rows: list[list[str | float | None]] = []
    with tempfile.TemporaryDirectory() as folder:
        table = lance_table(vectors, folder)
        for kind in kinds:
            run.say(f"search: building {kind} over {len(vectors):,} vectors")
            start = time.perf_counter()
            table.create_index("vector", config=_config(kind), replace=True)
            built = time.perf_counter() - start
            searches = dict(_settings(table, kind, len(vectors)))
            searches = {OURS: lambda query: scan.search(query[None], K)[0][0], **searches}
            timings = paired_timing(
                {name: _each(search, queries[:TIMED]) for name, search in searches.items()}, repeats
            )
            for name, search in searches.items():
                if name == OURS and rows:
                    continue
                found = np.array([_share(vectors[search(query)] @ query, low) for query, low in _pairs(queries, truth)])
                milliseconds = 1000 * timings[name].median / TIMED
                rows.append(
                    [name, None if name == OURS else built, milliseconds, float(found.mean()), timings[name].ratio]
                )
    return Table(
        title=f"Approximate indexes over {len(vectors):,} × {vectors.shape[1]}",
        columns=[
            Column(name="index"),
            Column(name="built in", unit="s"),
            Column(name="one query", unit="ms", digits=2),
            Column(name=f"recall@{K}", digits=3),
            Column(name="ratio to the exact scan", digits=2),
        ],
        rows=rows,
        caption=f"{described} {len(queries)} queries, one at a time, all cores. The exact scan holds vectors and"
        " codes in memory; the indexes lie on disk.",
    )


def _config(kind: str) -> Any:
    from lancedb.index import HnswSq, IvfFlat, IvfSq

    if kind == "IVF_HNSW_SQ":
        return HnswSq(distance_type="dot", num_partitions=1, m=16, ef_construction=64)
    return IvfFlat(distance_type="dot") if kind == "IVF_FLAT" else IvfSq(distance_type="dot")


def _settings(table: Any, kind: str, rows: int) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    if kind == "IVF_HNSW_SQ":
        for ef in (64, 128, 256):
            yield f"{kind}, ef {ef}", _search(table, nprobes=1, ef=ef, refine_factor=5)
        return
    every = int(np.sqrt(rows)) + 1
    for probes in [probes for probes in (4, 16, 64) if probes < every] + [every]:
        refined = {} if kind == "IVF_FLAT" else {"refine_factor": 5}
        yield f"{kind}, {probes} partitions", _search(table, nprobes=probes, **refined)


def _search(table: Any, **settings: int) -> Callable[[np.ndarray], np.ndarray]:
    """A search of the table's index; settings: methods of LanceDB's query, each with its number."""

    def search(query: np.ndarray) -> np.ndarray:
        wanted = table.search(query).distance_type("dot").limit(K).select(["row", "_distance"])
        for name, value in settings.items():
            wanted = getattr(wanted, name)(value)
        return np.asarray(wanted.to_arrow().column("row").to_numpy())

    return search


def _each(search: Callable[[np.ndarray], Any], queries: np.ndarray) -> Callable[[], Any]:
    return lambda: [search(query) for query in queries]


def _pairs(queries: np.ndarray, least: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    return zip(queries, least.tolist(), strict=True)


def _share(scores: np.ndarray, least: float) -> float:
    """Share of the K best that are found; least: their lowest score. An equal score counts."""
    return float((scores >= least - 1e-6).sum()) / K
