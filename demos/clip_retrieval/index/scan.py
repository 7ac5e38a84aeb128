"""Exact nearest neighbours in memory: int8 codes narrow the search down, the vectors decide, and a bound proves it.

One query reads one byte a number instead of four: faiss scores int8 codes of the vectors, and only candidates that
could still be among the k best are scored again, in double precision. What the codes can be wrong by is bounded by
Cauchy-Schwarz, so the answer is proven to be that of the full scan; where the proof fails, the full scan is made. Many
queries at once go through faiss's matrix product on the vectors themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

LEVELS = 127  # int8 without -128, so that a code and its negative both exist
CANDIDATES = 256  # of one part of many rows; measured: 15 to 230 of 100,000 rows decide, and 256 cost what 16 do
MANY = 4096  # where those prove nothing, as inside a narrow cluster; still quicker than the full scan
FEW = 64  # of few rows, where a longer list does cost; 15 to 140 of 4,500 rows decide
AT_ONCE = 20  # queries; from here on one matrix product reads the vectors once for all of them
PADDING = 6  # candidates of the matrix product beyond k, for near-ties within its rounding
ROWS_PER_THREAD = 25_000  # below, handing a part of the codes to another thread costs more than it saves
BLOCK = 16_384  # rows that are coded at once


@dataclass(frozen=True)
class Codes:
    """int8 codes of n vectors x (d numbers each): rotation @ x is about scale * (code - 128).

    code: (n, d) uint8, 1 to 255, as faiss stores signed bytes; rotation: (d, d) orthogonal, float32; scale: one step;
    residual: the largest norm of what the codes leave out of a vector; norm: the largest norm of a code, in steps.
    """

    code: np.ndarray
    rotation: np.ndarray
    scale: float
    residual: float
    norm: float


def encode(vectors: np.ndarray) -> Codes:
    """Codes of vectors (n, d), float32. A random rotation spreads each vector evenly over its d numbers first, so that
    one step fits all of them whatever the data (as in RaBitQ, Gao and Long 2024, doi 10.1145/3654970)."""
    from threadpoolctl import threadpool_limits

    rows, dimension = vectors.shape
    draws = np.random.default_rng(0).standard_normal((dimension, dimension))
    with threadpool_limits(1, "blas"):  # several threads on a busy machine: 2 s instead of 0.04
        rotation = np.linalg.qr(draws)[0].astype(np.float32)
    blocks = [slice(start, start + BLOCK) for start in range(0, rows, BLOCK)]
    largest = max((float(np.abs(vectors[block] @ rotation).max()) for block in blocks), default=0.0)
    scale = largest / LEVELS or 1.0
    code, residual, norm = np.empty((rows, dimension), np.uint8), 0.0, 0.0
    for block in blocks:
        turned = vectors[block] @ rotation
        steps = np.rint(turned / np.float32(scale))
        residual = max(residual, float(np.linalg.norm(turned - steps * scale, axis=1).max()))
        norm = max(norm, float(np.linalg.norm(steps, axis=1).max()))
        code[block] = (steps + 128).astype(np.uint8)
    return Codes(code, rotation, scale, residual, norm)


class ExactScan:
    """The k nearest of n unit vectors by inner product, exactly. Safe to use from several threads.

    A score is the inner product in double precision, rounded to float32; equal scores come in the order of the rows.
    """

    def __init__(self, vectors: np.ndarray, codes: Codes | None = None, threads: int | None = None) -> None:
        """vectors: (n, d) float32, may be memory-mapped; codes: of the same vectors, else made here.

        threads: of one query, at most; as faiss is set up (OMP_NUM_THREADS, else all cores) when not given.
        """
        self.vectors = vectors
        self.codes = codes or encode(vectors)
        self.threads = threads or _faiss().omp_get_max_threads()

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores of the k nearest of each query, best first: two arrays (q, min(k, rows allowed)).

        queries: (q, d) float32; k: from 1; allowed: (n,) bool, which rows may be found, all when not given. Raises
        ValueError when k is below 1.
        """
        if k < 1:
            raise ValueError(f"k must be 1 or more, got {k}")
        every = len(self.vectors) if allowed is None else int(allowed.sum())
        k = min(k, every)
        if k == 0 or not len(queries):
            return np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        if every <= FEW:
            rows = np.arange(len(self.vectors)) if allowed is None else np.flatnonzero(allowed)
            found = [self._best(query, rows, k) for query in queries]
        elif len(queries) >= AT_ONCE and allowed is None and k <= CANDIDATES:
            found = self._many(queries, k)
        else:
            found = [self._one(query, k, allowed) for query in queries]
        return np.stack([rows for rows, _ in found]), np.stack([scores for _, scores in found])

    def _best(self, query: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best of these rows. einsum adds up every row in the same order, so equal vectors get equal scores."""
        exact = np.einsum("nd,d->n", self.vectors[rows].astype(np.float64), query.astype(np.float64))
        scores = exact.astype(np.float32)
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]

    def _one(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """By the codes where they prove the answer, else by the full scan."""
        codes = self.codes
        turned = (query @ codes.rotation) * np.float32(codes.scale)
        # faiss scores signed bytes as integers where the processor can, and would cut off fractions of the query.
        step = max(float(np.abs(turned).max()) / LEVELS, float(np.finfo(np.float32).tiny))
        steps = np.rint(turned / np.float32(step))
        lost = float(np.linalg.norm(turned - steps * step)) * codes.norm
        error = float(np.linalg.norm(query)) * codes.residual + lost + _rounding(len(query))
        for wanted in (FEW,) if len(self.vectors) < ROWS_PER_THREAD else (CANDIDATES, MANY):
            rows, scores, outside = self._candidates(steps, max(wanted, 4 * k), allowed)
            scores = scores * step
            # The k-th best is at least what the k-th best code says less the error; what lies below that is out.
            threshold = float(np.partition(scores, len(scores) - k)[len(scores) - k]) - 2 * error
            best, exact = self._best(query, rows[scores >= threshold], k)
            if outside * step + error < exact[-1]:
                return best, exact
        return self._full(query, k, allowed)

    def _candidates(
        self, steps: np.ndarray, wanted: int, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Rows with the best codes in each part, their scores in steps, and what no other row's code exceeds."""

        def search(part: tuple[int, Any]) -> tuple[np.ndarray, np.ndarray, float]:
            start, index = part
            parameters = None
            if allowed is not None:
                bits = np.packbits(allowed[start : start + index.ntotal], bitorder="little")
                parameters = _faiss().SearchParameters(sel=_faiss().IDSelectorBitmap(bits))
            with _one_thread():
                scores, rows = index.search(steps[None], min(wanted, index.ntotal), params=parameters)
            inside = rows[0] >= 0
            full = bool(inside.all()) and index.ntotal > wanted
            return rows[0][inside] + start, scores[0][inside], float(scores[0][-1]) if full else float("-inf")

        found = (
            [search(part) for part in self._parts] if self._pool is None else list(self._pool.map(search, self._parts))
        )
        rows = np.concatenate([part[0] for part in found])
        scores = np.concatenate([part[1] for part in found])
        return rows, scores, max(part[2] for part in found)

    def _full(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """By the vectors in single precision, then all that come within its rounding in double precision."""
        rows = np.arange(len(self.vectors)) if allowed is None else np.flatnonzero(allowed)
        scores = self.vectors @ query if allowed is None else self.vectors[rows] @ query
        threshold = np.partition(scores, len(rows) - k)[len(rows) - k] - 2 * _rounding(len(query))
        return self._best(query, rows[scores >= threshold], k)

    def _many(self, queries: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """By faiss's blocked matrix product in single precision; where it cannot tell rows apart, by the full scan."""
        wanted = min(k + PADDING, len(self.vectors) // len(self._parts))

        def product(edge: tuple[int, Any]) -> tuple[np.ndarray, np.ndarray]:
            start, index = edge
            # Not OpenMP's threads: they wait for each other at every block, 10 times as long on a busy machine.
            with _one_thread():
                products, rows = matrix_product(queries, self.vectors[start : start + index.ntotal], wanted)
            return products, rows + start

        parts = list(map(product, self._parts) if self._pool is None else self._pool.map(product, self._parts))
        rows = np.concatenate([part[1] for part in parts], axis=1)
        outside = np.max([part[0][:, -1] for part in parts], axis=0)
        near = self.vectors[rows].astype(np.float64)
        scores = np.einsum("qnd,qd->qn", near, queries.astype(np.float64)).astype(np.float32)
        order = np.lexsort((rows, -scores))[:, :k]
        best, exact = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
        proven = outside + _rounding(queries.shape[1]) < exact[:, -1]
        proven |= rows.shape[1] == len(self.vectors)
        return [
            (best[place], exact[place]) if proven[place] else self._full(queries[place], k, None)
            for place in range(len(queries))
        ]

    @cached_property
    def _parts(self) -> list[tuple[int, Any]]:
        """The codes in parts of equal length, one a thread: (first row, faiss index)."""
        count = max(1, min(self.threads, len(self.vectors) // ROWS_PER_THREAD))
        edges = np.linspace(0, len(self.vectors), count + 1).astype(int)
        return [(int(low), _index(self.codes.code[low:high])) for low, high in pairwise(edges)]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor | None:
        return ThreadPoolExecutor(len(self._parts)) if len(self._parts) > 1 else None


def matrix_product(queries: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows (q, k), best first, by faiss; from 20 queries on through BLAS."""
    faiss = _faiss()
    return faiss.knn(np.ascontiguousarray(queries), vectors, k, metric=faiss.METRIC_INNER_PRODUCT)


def _rounding(dimension: int) -> float:
    """What an inner product of two unit vectors in single precision is wrong by at most, twice over: rotation and sum
    (n u in the worst case; Higham 2002, section 3.1)."""
    return 4 * (dimension + 8) * 2.0**-24


def _index(code: np.ndarray) -> Any:
    """A faiss index over codes that are there already; it copies them."""
    faiss = _faiss()
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    index = faiss.IndexScalarQuantizer(code.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(np.ascontiguousarray(code).ravel(), index.codes)
    index.ntotal, index.is_trained = len(code), True
    return index


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenMP would wake all its threads for the one query; the setting is this thread's own."""
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _faiss() -> Any:
    """faiss, set to turn to BLAS from AT_ONCE queries; 1.15 comes with 128,000, where a batch of 256 takes 15 times as
    long."""
    import faiss

    faiss.cvar.distance_compute_blas_threshold = AT_ONCE
    return faiss
