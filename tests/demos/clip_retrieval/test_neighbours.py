"""Neighbours of a kind and hubs: against brute force, against chance, and blind to the order of the gallery."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demos.clip_retrieval.judging import neighbours as module
from demos.clip_retrieval.judging.neighbours import chance_map_at_r, hubs, neighbours
from shared.evaluation.intervals import bootstrap
from shared.seed import generator

COUNT = 8
scored = arrays(np.float64, (COUNT, COUNT), elements=st.sampled_from([0.0, 0.5, 1.0]))
kinds = arrays(np.int64, COUNT, elements=st.integers(0, 3))


def test_examples() -> None:
    assert doctest.testmod(module) == (0, 3)


def brute(scores: np.ndarray, labels: np.ndarray, k: int) -> tuple[list[float], list[float], list[float]]:
    """Precision at k, R-precision and average precision at R, by sorting each row; wrong ones first among equals."""
    precision, r_precision, average = [], [], []
    for row in range(len(labels)):
        others = [other for other in range(len(labels)) if other != row]
        others.sort(key=lambda other: (-scores[row, other], labels[other] == labels[row]))
        right = [float(labels[other] == labels[row]) for other in others]
        count = int(sum(right))
        precision.append(sum(right[:k]) / k)
        if count:
            r_precision.append(sum(right[:count]) / count)
            average.append(sum(right[i] * sum(right[: i + 1]) / (i + 1) for i in range(count)) / count)
    return precision, r_precision, average


@given(scored, kinds, st.integers(1, COUNT - 1), st.integers(0, 99))
def test_it_is_what_sorting_gives_in_any_order(scores: np.ndarray, labels: np.ndarray, k: int, seed: int) -> None:
    found = neighbours(scores, labels, k)
    expected = brute(scores, labels, k)
    assert found.precision.tolist() == pytest.approx(expected[0])
    assert found.r_precision.tolist() == pytest.approx(expected[1])
    assert found.map_at_r.tolist() == pytest.approx(expected[2])
    order = generator(seed, "order").permutation(COUNT)
    again = neighbours(scores[np.ix_(order, order)], labels[order], k)
    assert again.precision == pytest.approx(found.precision[order])
    assert found.precision.mean() <= found.best_precision + 1e-12


def test_random_embeddings_are_at_chance() -> None:
    random = generator(0, "random")
    labels = random.integers(0, 20, 400)
    found = neighbours(random.normal(size=(400, 400)), labels)
    for values, chance in (
        (found.precision, found.chance_precision),
        (found.r_precision, found.chance_r_precision),
        (found.map_at_r, found.chance_map_at_r),
    ):
        interval = bootstrap(values, level=0.999, resamples=2000)
        assert interval.low <= chance <= interval.high


def test_chance_of_map_at_r_is_that_of_all_orders() -> None:
    random = generator(1, "orders")
    drawn = []
    for _ in range(20_000):
        right = random.permutation(7) < 3
        precision_at = np.cumsum(right) / np.arange(1, 8)
        drawn.append((precision_at * right)[:3].sum() / 3)
    assert np.mean(drawn) == pytest.approx(chance_map_at_r(3, 7), abs=0.01)


def test_a_picture_is_not_its_own_answer() -> None:
    scores = np.eye(6) * 100
    assert neighbours(scores, np.arange(6), 2).precision.tolist() == [0.0] * 6


def test_a_hub_is_found() -> None:
    scores = generator(2, "hub").random((200, 50))
    plain = hubs(scores)
    assert plain.counts.sum() == 200 * 10
    assert abs(plain.skewness) < 1
    assert plain.chance_skewness == pytest.approx(0.6 / np.sqrt(200 * 0.2 * 0.8))
    scores[:, 7] += 1
    found = hubs(scores)
    assert found.top[0] == 7
    assert found.counts[7] == 200
    assert found.skewness > plain.skewness + 1


def test_even_answers_have_no_skew() -> None:
    assert hubs(np.tile(np.eye(4), (5, 1)), k=1).skewness == 0


@pytest.mark.parametrize("k", [0, 8])
def test_k_has_a_range(k: int) -> None:
    with pytest.raises(ValueError, match="k = "):
        neighbours(np.zeros((8, 8)), np.zeros(8), k)
    with pytest.raises(ValueError, match="k must be 1 to 7"):
        hubs(np.zeros((8, 8)), k)
