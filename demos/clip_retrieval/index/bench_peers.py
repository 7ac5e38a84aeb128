"""Who is timed beside the search of this demo, each at its best exact setting."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.clip_retrieval.index.scan import ExactScan
from demos.clip_retrieval.index.snapshot import as_matrix

OURS = "ours: int8 codes, proven"
AS_INSTALLED = 128_000  # queries from which faiss 1.15 turns to BLAS
BLOCKS = 4_096  # rows of a block in numpy's batch, so that the scores stay in the cache


@dataclass(frozen=True)
class Contender:
    """one: a query (d,) to rows (k,), best first; batch: queries (q, d) to rows (q, k), None where it has none."""

    name: str
    one: Callable[[np.ndarray], np.ndarray]
    batch: Callable[[np.ndarray], np.ndarray] | None = None


@contextmanager
def contenders(vectors: np.ndarray, threads: int, k: int) -> Iterator[tuple[list[Contender], list[str]]]:
    """Ours first, then all peers that are installed, ready to search; and the names of those that are not."""
    scan = ExactScan(vectors, threads=threads)
    ours = Contender(OURS, lambda query: scan.search(query[None], k)[0][0], lambda queries: scan.search(queries, k)[0])
    present, absent = [ours, *_faiss_flat(vectors, k), _numpy(vectors, k), *_torch(vectors, k)], []
    if importlib.util.find_spec("usearch"):
        present.append(_usearch(vectors, threads, k))
    else:
        absent.append("USearch (pip install usearch)")
    with tempfile.TemporaryDirectory() as folder:
        yield [*present, _lance(vectors, folder, k)], absent


def _faiss_flat(vectors: np.ndarray, k: int) -> list[Contender]:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)

    def batch(threshold: int) -> Callable[[np.ndarray], np.ndarray]:
        def search(queries: np.ndarray) -> np.ndarray:
            before = faiss.cvar.distance_compute_blas_threshold
            faiss.cvar.distance_compute_blas_threshold = threshold
            try:
                return np.asarray(index.search(queries, k)[1])
            finally:
                faiss.cvar.distance_compute_blas_threshold = before

        return search

    one = batch(AS_INSTALLED)
    return [
        Contender("faiss, IndexFlatIP", lambda query: one(query[None])[0], batch(20)),
        Contender(
            f"faiss, IndexFlatIP, BLAS from {AS_INSTALLED:,} queries",
            lambda query: one(query[None])[0],
            batch(AS_INSTALLED),
        ),
    ]


def _numpy(vectors: np.ndarray, k: int) -> Contender:
    def one(query: np.ndarray) -> np.ndarray:
        scores = vectors @ query
        best = np.argpartition(scores, len(scores) - k)[-k:]
        return best[np.argsort(-scores[best])]

    def batch(queries: np.ndarray) -> np.ndarray:
        rows, scores = [], []
        for start in range(0, len(vectors), BLOCKS):
            products = queries @ vectors[start : start + BLOCKS].T
            own = min(k, products.shape[1])
            best = np.argpartition(products, products.shape[1] - own, axis=1)[:, -own:]
            rows.append(best + start)
            scores.append(np.take_along_axis(products, best, axis=1))
        every, score = np.concatenate(rows, axis=1), np.concatenate(scores, axis=1)
        return np.asarray(np.take_along_axis(every, np.argsort(-score, axis=1)[:, :k], axis=1))

    return Contender("numpy, product and argpartition", one, batch)


def _torch(vectors: np.ndarray, k: int) -> list[Contender]:
    import torch

    def contender(name: str, dtype: torch.dtype) -> Contender:
        matrix = torch.from_numpy(vectors).to(dtype)

        def search(queries: np.ndarray) -> np.ndarray:
            scores = torch.from_numpy(queries).to(dtype) @ matrix.T
            return np.asarray(torch.topk(scores, k).indices)

        def one(query: np.ndarray) -> np.ndarray:
            return np.asarray(torch.topk(matrix @ torch.from_numpy(query).to(dtype), k).indices)

        return Contender(name, one, search)

    return [
        contender("torch, product and topk", torch.float32),
        contender("torch, bfloat16, product and topk", torch.bfloat16),
    ]


def _usearch(vectors: np.ndarray, threads: int, k: int) -> Contender:
    from usearch.index import search

    def batch(queries: np.ndarray) -> np.ndarray:
        return np.asarray(search(vectors, queries, k, "ip", exact=True, threads=threads).keys)

    return Contender("USearch, exact", lambda query: batch(query[None]).reshape(-1), batch)


def _lance(vectors: np.ndarray, folder: str, k: int) -> Contender:
    table = lance_table(vectors, folder)

    def one(query: np.ndarray) -> np.ndarray:
        wanted = table.search(query).distance_type("dot").limit(k).select(["row", "_distance"])
        return np.asarray(wanted.to_arrow().column("row").to_numpy())

    return Contender("LanceDB, flat", one)


def lance_table(vectors: np.ndarray, folder: str) -> Any:
    """A LanceDB table of vectors (n, d) with their number as `row`."""
    import lancedb
    import pyarrow as pa

    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    data = pa.table({"row": pa.array(np.arange(len(vectors))), "key": _keys(len(vectors)), "vector": lists})
    assert as_matrix(data.column("vector")).shape == vectors.shape
    return lancedb.connect(folder).create_table("vectors", data)


def _keys(rows: int) -> Any:
    import pyarrow as pa

    return pa.array([f"{row:08d}" for row in range(rows)])
