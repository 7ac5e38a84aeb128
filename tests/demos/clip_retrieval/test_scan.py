"""The exact scan: the same rows and scores as the whole product in double precision, ties and all."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.clip_retrieval.index import scan
from demos.clip_retrieval.index.scan import ExactScan, encode, matrix_product
from shared.seed import generator


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(
    rows: int, dimension: int, seed: int = 0, queries: int = 20, spread: float = 0.4
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and queries around 40 common centres; the closer they lie, the harder for a scan by codes."""
    draws = generator(seed, "scan", rows, dimension)
    centres = draws.standard_normal((40, dimension))
    made = centres[draws.integers(0, 40, rows + queries)] + spread * draws.standard_normal((rows + queries, dimension))
    return unit(made[:rows]), unit(made[rows:])


def oracle(
    vectors: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    products = vectors[rows].astype(np.float64) * query.astype(np.float64)
    scores = products.sum(axis=1).astype(np.float32)
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


@given(
    rows=st.integers(1, 400),
    dimension=st.sampled_from([1, 2, 7, 16, 64, 100]),
    k=st.integers(1, 30),
    seed=st.integers(0, 5),
    copies=st.integers(1, 4),
    queries=st.sampled_from([1, 3, 22]),
    share=st.sampled_from([None, 0.0, 0.1, 0.7, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_finds_what_the_whole_product_finds(
    rows: int, dimension: int, k: int, seed: int, copies: int, queries: int, share: float | None
) -> None:
    """Also with every vector there several times, few numbers, filters that leave nothing, and k beyond the rows."""
    distinct, asked = clustered(rows, dimension, seed, queries)
    vectors = np.tile(distinct, (copies, 1))
    allowed = None if share is None else generator(seed, "allowed").random(len(vectors)) < share
    found, scores = ExactScan(vectors, threads=1).search(asked, k, allowed)
    for place, query in enumerate(asked):
        expected, expected_scores = oracle(vectors, query, k, allowed)
        np.testing.assert_array_equal(found[place], expected)
        np.testing.assert_allclose(scores[place], expected_scores, atol=1e-7)


@pytest.mark.parametrize("dimension", [32, 100, 256])
def test_the_same_rows_as_faiss_and_numpy(dimension: int) -> None:
    vectors, queries = clustered(6000, dimension, queries=25)
    one = np.concatenate([ExactScan(vectors, threads=1).search(query[None], 10)[0] for query in queries])
    batch = ExactScan(vectors, threads=1).search(queries, 10)[0]
    flat = faiss.IndexFlatIP(dimension)
    flat.add(vectors)
    by_numpy = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(one, by_numpy)
    np.testing.assert_array_equal(one, batch)
    np.testing.assert_array_equal(one, flat.search(queries, 10)[1])
    np.testing.assert_array_equal(one, matrix_product(queries, vectors, 10)[1])


def test_the_codes_answer_without_the_full_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise there would be no gain; and the answer they give is the right one."""
    vectors, queries = clustered(6000, 256, spread=1.0)
    expected = [oracle(vectors, query, 10)[0] for query in queries]
    monkeypatch.setattr(ExactScan, "_full", lambda *_: pytest.fail("full scan"))
    whole = ExactScan(vectors, threads=1)
    for query, rows in zip(queries, expected, strict=True):
        np.testing.assert_array_equal(whole.search(query[None], 10)[0][0], rows)


def test_more_equal_rows_than_candidates_need_the_full_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = clustered(50, 64, queries=1)
    calls = []
    full = ExactScan._full
    monkeypatch.setattr(ExactScan, "_full", lambda *given: calls.append(1) or full(*given))
    copied = np.tile(vectors, (100, 1))
    found, scores = ExactScan(copied, threads=1).search(queries, 10)
    np.testing.assert_array_equal(found[0], oracle(copied, queries[0], 10)[0])
    assert len(set(scores[0].tolist())) == 1
    assert calls == [1]


def test_the_bound_holds() -> None:
    """What faiss scores is the product of two rows of integers, and differs from the cosine by no more than said."""
    for dimension in (7, 64, 256):
        vectors, queries = clustered(500, dimension)
        codes = encode(vectors)
        steps = codes.code.astype(np.int64) - 128
        assert steps.min() >= -127
        assert steps.max() <= 127
        left = vectors @ codes.rotation - codes.scale * steps
        assert np.linalg.norm(left, axis=1).max() <= codes.residual * (1 + 1e-5)
        assert np.linalg.norm(steps, axis=1).max() <= codes.norm * (1 + 1e-6)
        whole = np.rint(queries * 500).clip(-127, 127).astype(np.float32)
        scores, rows = scan._index(codes.code).search(whole, 20)
        expected = np.take_along_axis(whole.astype(np.int64) @ steps.T, rows, axis=1)
        np.testing.assert_array_equal(scores, expected)


def test_parts_on_several_threads_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "ROWS_PER_THREAD", 700)
    vectors, queries = clustered(3000, 48)
    several = ExactScan(vectors, threads=4)
    assert len(several._parts) == 4
    allowed = generator(0, "half").random(len(vectors)) < 0.5
    for mask in (None, allowed):
        for query in queries:
            found, scores = several.search(query[None], 12, mask)
            expected, expected_scores = oracle(vectors, query, 12, mask)
            np.testing.assert_array_equal(found[0], expected)
            np.testing.assert_allclose(scores[0], expected_scores, atol=1e-7)
    many = np.tile(queries, (2, 1))
    np.testing.assert_array_equal(
        several.search(many, 12)[0][:20], [oracle(vectors, query, 12)[0] for query in queries]
    )


def test_nothing_to_find() -> None:
    empty = ExactScan(np.empty((0, 8), np.float32), threads=1)
    rows, scores = empty.search(unit(np.ones((3, 8))), 5)
    assert rows.shape == scores.shape == (3, 0)
    with pytest.raises(ValueError, match="k must be 1"):
        empty.search(unit(np.ones((1, 8))), 0)
    assert ExactScan(unit(np.ones((4, 8))), threads=1).search(np.empty((0, 8), np.float32), 2)[0].shape == (0, 2)
