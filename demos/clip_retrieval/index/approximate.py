"""Above what is compared in memory: LanceDB's IVF index on disk, and how much of the exact answer it finds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.clip_retrieval.index.scan import matrix_product
from demos.clip_retrieval.index.snapshot import KEY, VECTOR, as_matrix

if TYPE_CHECKING:
    import pyarrow as pa

PROBES = (4, 8, 16, 32, 64, 128, 256)
SAME = 1e-6  # scores this close are equally right answers


@dataclass(frozen=True)
class Built:
    """nprobes: partitions read for a query; recall: of the k best, 0 to 1, over `queries` queries; seconds: of it."""

    nprobes: int
    recall: float
    queries: int
    seconds: float


def is_built(table: Any) -> bool:
    """Whether the table has an index of its vectors."""
    return any(VECTOR in index.columns for index in table.list_indices())


def build(table: Any, queries: np.ndarray, k: int, recall: float) -> Built:
    """Build IVF_FLAT with about sqrt(n) partitions, and find how many of them a query must read for this recall."""
    from lancedb.index import IvfFlat

    start = time.perf_counter()
    table.create_index(VECTOR, config=IvfFlat(distance_type="dot"), replace=True)
    seconds = time.perf_counter() - start
    least = exact_scores(table, queries, k)
    found, probes = 0.0, PROBES[0]
    for probes in PROBES:
        scores = [search(table, query, k, probes, None)[0] for query in queries]
        found = share_right(scores, least, k)
        if found >= recall:
            break
    return Built(probes, found, len(queries), seconds)


def search(table: Any, query: np.ndarray, k: int, nprobes: int, where: str | None) -> tuple[np.ndarray, pa.Table]:
    """Scores and rows (all columns but the vector) of about the k nearest of one query (d,), best first.

    Raises ValueError for a wrong condition.
    """
    wanted = table.search(query, vector_column_name=VECTOR).distance_type("dot").nprobes(nprobes).limit(k)
    if where is not None:
        wanted = wanted.where(where, prefilter=True)
    # `_distance` is selected by name, or the engine warns at every query.
    rows = wanted.select([*table.schema.names, "_distance"]).to_arrow()
    vectors = as_matrix(rows.column(VECTOR)).astype(np.float64)
    scores = np.einsum("nd,d->n", vectors, query.astype(np.float64)).astype(np.float32)
    keys = rows.column(KEY).to_pylist()
    order = sorted(range(len(keys)), key=lambda place: (-scores[place], keys[place]))
    return scores[order], rows.drop_columns([VECTOR, "_distance"]).take(order)


def exact_scores(table: Any, queries: np.ndarray, k: int) -> np.ndarray:
    """The k-th best score of each query (q,), by reading the whole table once, a batch of rows at a time."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    for batch in table.search().select([VECTOR]).to_batches():
        vectors = as_matrix(_column(batch))
        if len(vectors):
            scores, _ = matrix_product(queries, vectors, min(k, len(vectors)))
            best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :k]
    return best[:, -1]


def share_right(scores: list[np.ndarray], least: np.ndarray, k: int) -> float:
    """Share of the k best that were found, 0 to 1. scores: of each query's answers; least: its k-th best score.

    An answer as good as the k-th best counts, whatever its key.
    """
    return float(np.mean([np.sum(own >= low - SAME) / k for own, low in zip(scores, least, strict=True)]))


def _column(batch: pa.RecordBatch) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([batch.column(VECTOR)])
