"""Ranks and what follows from them: ties against us, chance as simulated, no trace of the gallery's order."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demos.clip_retrieval.judging import retrieval
from demos.clip_retrieval.judging.retrieval import Ranked, first_right, ranks, relevance
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.seed import generator

QUERIES, GALLERY = 7, 9
scored = arrays(np.float64, (QUERIES, GALLERY), elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]))
judged = arrays(np.bool_, (QUERIES, GALLERY))


def test_examples() -> None:
    assert doctest.testmod(retrieval) == (0, 4)


@given(scored, judged, st.integers(0, 1000))
def test_the_order_of_the_gallery_changes_nothing(scores: np.ndarray, relevant: np.ndarray, seed: int) -> None:
    relevant[:, 0] = True
    order = generator(seed, "order").permutation(GALLERY)
    assert (ranks(scores, relevant) == ranks(scores[:, order], relevant[:, order])).all()


@given(scored, judged, st.integers(1, GALLERY - 1))
def test_a_tie_never_helps(scores: np.ndarray, relevant: np.ndarray, other: int) -> None:
    relevant[:, 0], relevant[:, other] = True, False
    before = ranks(scores, relevant)
    best = np.where(relevant, scores, -np.inf).max(1)
    was_below = scores[:, other] < best
    tied = scores.copy()
    tied[:, other] = best
    # A wrong answer that comes up to the best right one costs a rank; one that comes down to it gains nothing.
    assert (ranks(tied, relevant) == before + was_below).all()


@given(scored, judged, st.integers(0, GALLERY - 1))
def test_another_right_answer_never_harms(scores: np.ndarray, relevant: np.ndarray, more: int) -> None:
    relevant[:, 0] = True
    grown = relevant.copy()
    grown[:, more] = True
    assert (ranks(scores, grown) <= ranks(scores, relevant)).all()


def test_ranks_are_those_of_a_plain_count() -> None:
    scores = generator(0, "scores").random((50, 40))
    own = np.diag(scores[:40])
    found = ranks(scores[:40], np.eye(40, dtype=bool))
    assert (found == (scores[:40] >= own[:, None]).sum(1)).all()


def test_all_scores_equal_is_the_last_rank() -> None:
    assert ranks(np.zeros((3, 5)), np.eye(3, 5, dtype=bool)).tolist() == [5, 5, 5]


def random_ranked(seed: int, queries: int = 2000, gallery: int = 40, positives: int = 1) -> Ranked:
    random = generator(seed, "random")
    texts, images = random.normal(size=(queries, 16)), random.normal(size=(gallery, 16))
    # A fresh order for each query: the scores of one gallery hang together otherwise.
    scores = random.permuted(texts @ images.T, axis=1)
    return Ranked.of(scores, np.arange(gallery)[None].repeat(queries, 0) < positives)


@pytest.mark.parametrize("positives", [1, 3])
def test_random_embeddings_are_at_chance(positives: int) -> None:
    found = random_ranked(1, positives=positives)
    for k in (1, 5, 10):
        interval = bootstrap(found.hits(k), level=0.999, resamples=2000)
        assert interval.low <= found.chance_hits(k) <= interval.high
    interval = bootstrap(found.reciprocal(), level=0.999, resamples=2000)
    assert interval.low <= found.chance_reciprocal() <= interval.high
    interval = bootstrap(found.ranks, np.median, level=0.999, resamples=2000)
    assert interval.low <= found.chance_median() <= interval.high


@given(st.integers(1, 30), st.data())
def test_chance_is_a_distribution(gallery: int, data: st.DataObject) -> None:
    positives = data.draw(st.integers(1, gallery))
    first = first_right(gallery, positives)
    assert first.sum() == pytest.approx(1)
    found = Ranked(np.array([1]), np.array([positives]), gallery)
    for k in range(1, gallery + 1):
        assert found.chance_hits(k) == pytest.approx(first[:k].sum())


def test_the_median_of_chance_is_the_middle() -> None:
    assert Ranked(np.array([1]), np.array([1]), 401).chance_median() == 201
    assert Ranked(np.array([1, 1]), np.array([1, 1]), 400).chance_median() == 200


def test_a_smaller_gallery_is_what_drawing_it_gives() -> None:
    random = generator(2, "subset")
    scores = random.normal(size=(40, 40)) + 1.5 * np.eye(40)
    own = np.eye(40, dtype=bool)
    full = Ranked.of(scores, own)
    drawn = []
    for query in range(40):
        for _ in range(300):
            others = random.choice(np.delete(np.arange(40), query), 9, replace=False)
            rows = np.concatenate([[query], others])
            drawn.append(Ranked.of(scores[query : query + 1, rows], own[query : query + 1, rows]).ranks[0])
    for k in (1, 3):
        assert full.hits_among(10, k).mean() == pytest.approx(np.mean(np.array(drawn) <= k), abs=0.02)


def test_the_ends_of_the_gallery_size() -> None:
    found = random_ranked(3, queries=30)
    assert (found.hits_among(1) == 1).all()
    assert (found.hits_among(found.gallery, 5) == found.hits(5)).all()
    for size in (0, found.gallery + 1):
        with pytest.raises(ValueError, match="size must be 1 to 40"):
            found.hits_among(size)


def test_folds_are_pooled_query_by_query() -> None:
    parts = [random_ranked(seed, queries=20) for seed in range(3)]
    pooled = Ranked.pooled(parts)
    assert pooled.hits(5).tolist() == [hit for part in parts for hit in part.hits(5)]
    with pytest.raises(ValueError, match="unpack"):
        Ranked.pooled([*parts, random_ranked(4, queries=20, gallery=50)])


def test_a_paired_difference_is_over_the_same_queries() -> None:
    better = random_ranked(5, queries=300)
    worse = Ranked(np.minimum(better.ranks + 3, better.gallery), better.positives, better.gallery)
    interval = paired_difference(better.hits(3), worse.hits(3), resamples=1000, unit="queries")
    assert interval.low > 0


def test_equal_names_and_identical_pictures_are_right() -> None:
    queries, gallery = np.array([[1, 10], [2, 20]]), np.array([[1, 11], [3, 20], [2, 10]])
    assert relevance(queries, gallery).tolist() == [[True, False, True], [False, True, True]]


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3), bool), "without a right answer"),
        (np.zeros((2, 3)), np.ones((3, 2), bool), r"must both be \(queries, gallery\)"),
        (np.full((2, 3), np.nan), np.ones((2, 3), bool), "finite"),
    ],
)
def test_what_cannot_be_ranked(scores: np.ndarray, relevant: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranks(scores, relevant)


@settings(max_examples=20)
@given(st.integers(1, 12))
def test_hits_grow_with_k(k: int) -> None:
    found = random_ranked(6, queries=50)
    assert (found.hits(k) <= found.hits(k + 1)).all()
