"""One query, a batch, and an index on disk: time beside faiss, USearch, numpy, torch and LanceDB on the same vectors.

Everything takes its vectors as an argument, so the same tables can be made of any embeddings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.clip_retrieval.index.bench_peers import OURS, Contender, contenders
from shared.demo import Run
from shared.evaluation.timing import Timing, paired_timing
from shared.result import Column, Headline, Metric, Table
from shared.seed import generator

K = 10
ONE_BY_ONE = 8  # queries in one timing of the single search
BATCH = 256
CHECKED = 64  # queries whose answers are compared
READ_FLOAT, READ_CODES = "reading the float32 matrix", "reading the int8 codes"


@dataclass(frozen=True)
class Measured:
    """Parts of a Result."""

    headlines: list[Headline]
    metrics: list[Metric]
    tables: list[Table]
    notes: list[str]


def enlarged(vectors: np.ndarray, rows: int, seed: int, spread: float = 0.3) -> np.ndarray:
    """(rows, d) unit vectors: these (n, d), then copies of them moved by noise of norm `spread` and normalised again.

    A stand-in for a larger collection; say so wherever its numbers show. More rows near each query than a real one has:
    harder for approximate indexes, and for a scan that has to tell near rows apart.
    """
    if rows <= len(vectors):
        return np.ascontiguousarray(vectors[:rows])
    draws = generator(seed, "enlarged", rows)
    copies = vectors[np.arange(rows - len(vectors)) % len(vectors)]
    noise = draws.standard_normal(copies.shape, dtype=np.float32) * (spread / np.sqrt(vectors.shape[1]))
    moved = copies + noise.astype(np.float32)
    return np.concatenate([vectors, moved / np.linalg.norm(moved, axis=1, keepdims=True)]).astype(np.float32)


def measure_search(
    vectors: np.ndarray,
    queries: np.ndarray,
    run: Run,
    threads: int,
    repeats: int,
    described: str,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Time one query at a time and a batch of 256 over vectors (n, d), with so many threads for everyone.

    queries: (q, d), at least 8, repeated up to 256 for the batch; repeats: from 3; described: what the vectors are, for
    the captions; clock: `time.process_time` on a machine that others use too, with one thread. Peers that are not
    installed are left out, with a note. Raises ValueError for fewer queries.
    """
    if len(queries) < ONE_BY_ONE:
        raise ValueError(f"needs at least {ONE_BY_ONE} queries, got {len(queries)}")
    size = f"{len(vectors):,} × {vectors.shape[1]}"
    run.say(f"search: {size}, {threads} thread(s)")
    with pinned(threads), contenders(vectors, threads, K) as (present, absent):
        one = _time_one(present, vectors, queries, threads, repeats, clock)
        batch = _time_batch(present, queries, repeats, clock)
        answers = {contender.name: _answers(contender, queries[:CHECKED]) for contender in present}
    truth = _truth(vectors, queries[:CHECKED])
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    kind = "wall time" if clock is time.perf_counter else "processor time"
    where = f"{described} {threads} thread(s) each, {repeats} repeats in turns, {kind}, load of the machine {load:.1f}."
    ours, flat = one[OURS], one["faiss, IndexFlatIP"]
    return Measured(
        headlines=[
            Headline(
                name=f"Search: one query, exact, {size}, {threads} thread(s)",
                value=1000 * ours.median / ONE_BY_ONE,
                unit="ms",
                direction="lower",
                peer="faiss, IndexFlatIP",
                peer_value=1000 * flat.median / ONE_BY_ONE,
                note=described,
            )
        ],
        metrics=[
            Metric(
                name=f"search: one query by {name} over ours, {size}, {threads} thread(s)",
                value=timing.ratio,
                unit="1",
            )
            for name, timing in one.items()
            if name != OURS
        ],
        tables=[_one_table(one, answers, truth, size, where), _batch_table(batch, size, where)],
        notes=[f"Not installed, so not compared: {name}." for name in absent],
    )


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """So many threads for BLAS, OpenMP and torch alike; LanceDB's own pool takes no such setting."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def _time_one(
    present: list[Contender],
    vectors: np.ndarray,
    queries: np.ndarray,
    threads: int,
    repeats: int,
    clock: Callable[[], float],
) -> dict[str, Timing]:
    """Seconds of ONE_BY_ONE single searches, and of reading the same bytes as often."""
    few = queries[:ONE_BY_ONE]

    def each(search: Callable[[np.ndarray], Any]) -> Callable[[], Any]:
        return lambda: [search(query) for query in few]

    functions = {contender.name: each(contender.one) for contender in present}
    codes = np.ones(vectors.shape, np.int8)  # zeros would be one page of memory, mapped again and again
    with ThreadPoolExecutor(threads) as pool:
        functions |= {
            READ_FLOAT: each(_reader(vectors, pool, threads)),
            READ_CODES: each(_reader(codes, pool, threads)),
        }
        return paired_timing(functions, repeats, clock=clock)


def _reader(matrix: np.ndarray, pool: ThreadPoolExecutor, threads: int) -> Callable[[np.ndarray], int]:
    """Reads all bytes of a matrix, a part a thread. A sum of 8-byte integers is bound by memory, not by arithmetic."""
    whole = matrix.reshape(-1).view(np.uint8)
    parts = np.array_split(whole[: len(whole) // 8 * 8].view(np.int64), threads)
    if threads == 1:
        return lambda _: int(parts[0].sum())
    return lambda _: sum(pool.map(lambda part: int(part.sum()), parts))


def _time_batch(
    present: list[Contender], queries: np.ndarray, repeats: int, clock: Callable[[], float]
) -> dict[str, Timing]:
    whole = np.ascontiguousarray(queries[np.arange(BATCH) % len(queries)])

    def at_once(search: Callable[[np.ndarray], Any]) -> Callable[[], Any]:
        return lambda: search(whole)

    functions = {contender.name: at_once(contender.batch) for contender in present if contender.batch}
    return paired_timing(functions, repeats, clock=clock)


def _answers(contender: Contender, queries: np.ndarray) -> np.ndarray:
    return np.array([contender.one(query) for query in queries])


def _truth(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Rows of the K best (q, K) by products in double precision, a block of rows at a time; ties by row."""
    found = []
    blocks = np.array_split(np.arange(len(vectors)), max(1, len(vectors) // 20_000))
    for query in queries.astype(np.float64):
        products = np.concatenate([vectors[block].astype(np.float64) @ query for block in blocks]).astype(np.float32)
        found.append(np.lexsort((np.arange(len(vectors)), -products))[:K])
    return np.array(found)


def _one_table(
    timings: dict[str, Timing], answers: dict[str, np.ndarray], truth: np.ndarray, size: str, where: str
) -> Table:
    floor = np.array(timings[READ_FLOAT].seconds)
    rows: list[list[str | float | None]] = []
    for name, timing in timings.items():
        found = answers.get(name)
        low, _, high = (1000 * second / ONE_BY_ONE for second in timing.quartiles)
        recall = None if found is None else _recall(found, truth)
        same = None if found is None else 100 * float((found == truth).all(axis=1).mean())
        beyond = float(np.median(np.array(timing.seconds) / floor))
        median = 1000 * timing.median / ONE_BY_ONE
        rows.append([name, median, f"{low:.2f} to {high:.2f}", timing.ratio, beyond, recall, same])
    return Table(
        title=f"One query, exact, {size}",
        columns=[
            Column(name="method"),
            Column(name="median", unit="ms", direction="none", digits=2),
            Column(name="quartiles", unit="ms"),
            Column(name="ratio to ours", digits=2),
            Column(name="ratio to reading float32", digits=2),
            Column(name=f"recall@{K}", digits=4),
            Column(name="same rows, same order", unit="%", digits=0),
        ],
        rows=rows,
        caption=f"{where} Truth: products in double precision, {len(truth)} queries. The last two rows are the floor:"
        " the bytes read once with as many threads, from memory or from whichever cache holds them. Ours reads codes"
        " and proves that nothing else can be among the best, so it may pass below the floor of the float32 matrix."
        " LanceDB reads its table and uses threads of its own.",
    )


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(set(own) & set(right)) / K for own, right in zip(found, truth, strict=True)]))


def _batch_table(timings: dict[str, Timing], size: str, where: str) -> Table:
    return Table(
        title=f"{BATCH} queries at once, exact, {size}",
        columns=[
            Column(name="method"),
            Column(name="median", unit="ms", direction="lower", digits=1),
            Column(name="quartiles", unit="ms"),
            Column(name="ratio to ours", digits=2),
        ],
        rows=[
            [
                name,
                1000 * timing.median,
                f"{1000 * timing.quartiles[0]:.0f} to {1000 * timing.quartiles[2]:.0f}",
                timing.ratio,
            ]
            for name, timing in timings.items()
        ],
        caption=f"{where} faiss turns to BLAS only from 128,000 queries as it comes; both settings are shown.",
    )
