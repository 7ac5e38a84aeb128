"""Confidence, thresholds, and who is sent up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.coevolution.cascade.choose import Judged, by_lot, least_rate, oracle, threshold
from demos.coevolution.cascade.confidence import calibration_error, confidence, least_error, temperature
from demos.coevolution.cascade.measure import TARGET, TO_THE_EDGE, Sides, _through


def drawn(heat: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `heat` times too far apart, and labels."""
    random = np.random.default_rng(0)
    true = random.normal(0, 1.5, count)
    labels = (random.random(count) < 1 / (1 + np.exp(-true))).astype(int)
    return heat * np.stack([-true / 2, true / 2], axis=1), labels


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_a_temperature_mends_what_is_too_sure(heat: float) -> None:
    logits, labels = drawn(heat)
    found = temperature(logits, labels)
    assert found == pytest.approx(heat, rel=0.05)
    right = logits.argmax(1) == labels
    assert calibration_error(confidence(logits, found), right) < 0.012
    if heat == 3.0:
        assert calibration_error(confidence(logits), right) > 0.1


def test_who_is_as_sure_as_right_still_shows_an_error_of_few_texts() -> None:
    random = np.random.default_rng(0)
    few, many = (least_error(random.uniform(0.5, 1, count), random) for count in (300, 30_000))
    # It falls with the root of the texts.
    assert few / many == pytest.approx(10, rel=0.15)
    assert least_error(np.ones(50), random) == 0


def test_an_error_is_how_far_confidence_is_from_what_is_right() -> None:
    assert calibration_error(np.full(10, 0.9), np.arange(10) < 6) == pytest.approx(0.3)
    # Too sure in one part and not sure enough in another do not make up for each other.
    sure, right = np.array([0.6] * 10 + [0.9] * 10), np.array([True] * 8 + [False] * 2 + [True] * 7 + [False] * 3)
    assert calibration_error(sure, right) == pytest.approx(0.2)
    assert calibration_error(np.ones(3), np.ones(3, dtype=bool)) == 0


judgements = (
    st.integers(1, 60)
    .flatmap(
        lambda count: st.tuples(
            *[st.lists(st.booleans(), min_size=count, max_size=count)] * 2,
            st.lists(st.floats(0.5, 1), min_size=count, max_size=count, unique=True),
        )
    )
    .map(lambda parts: Judged(*(np.array(part) for part in parts)))
)


@settings(max_examples=100, deadline=None)
@given(judged=judgements, rate=st.floats(0, 1))
def test_nobody_chooses_better_than_the_oracle(judged: Judged, rate: float) -> None:
    count = int(rate * len(judged.small))
    sent = np.zeros(len(judged.small), dtype=bool)
    sent[np.argsort(judged.sure)[:count]] = True
    best = oracle(judged, rate)
    assert best.sum() <= count
    assert judged.accuracy(best) >= judged.accuracy(sent) - 1e-12
    assert judged.accuracy(best) >= by_lot(judged, count / len(sent)) - 1e-12


@settings(max_examples=100, deadline=None)
@given(judged=judgements, within=st.floats(0, 0.3))
def test_from_the_least_rate_on_nothing_is_too_far_behind(judged: Judged, within: float) -> None:
    rate = least_rate(judged, within)
    order = np.argsort(judged.sure, kind="stable")

    def behind(count: int) -> float:
        sent = np.zeros(len(order), dtype=bool)
        sent[order[:count]] = True
        return float(judged.large.mean()) - judged.accuracy(sent)

    least = round(rate * len(order))
    assert all(behind(count) <= within + 1e-9 for count in range(least, len(order) + 1))
    assert least == 0 or behind(least - 1) > within


def test_with_an_edge_between_each_answers_what_it_is_sure_of() -> None:
    def sides(seed: int) -> Sides:
        random = np.random.default_rng(seed)
        labels = random.integers(0, 2, 8000)

        def says(strength: float) -> np.ndarray:
            margin = (2 * labels - 1) * strength + random.normal(0, 1, len(labels)) * np.sqrt(2 * strength)
            return np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)

        return Sides(labels, says(1.5), says(2.5), says(4.0))

    to_edge, to_cloud, right = _through(sides(0), test := sides(1), 1.0)
    assert to_edge == pytest.approx(TO_THE_EDGE, abs=0.02)
    assert to_cloud == pytest.approx(TARGET, abs=0.02)
    judged = test.judged(1.0)
    straight = judged.accuracy(judged.sure < threshold(judged.sure, TARGET))
    assert right > straight + 0.01
    assert judged.small.mean() + 0.05 < straight


def test_a_threshold_sends_the_share_it_is_asked_for() -> None:
    sure = np.random.default_rng(0).uniform(0.5, 1, 1000)
    for rate in (0.0, 0.25, 0.6):
        assert (sure < threshold(sure, rate)).mean() == pytest.approx(rate, abs=0.002)
