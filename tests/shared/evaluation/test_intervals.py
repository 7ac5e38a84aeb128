"""Bootstrap intervals: where they must lie, that pairs stay pairs, and that bad input is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.evaluation.compare import comparison, headline
from shared.evaluation.intervals import bootstrap, crossed, paired_difference, paired_ratio

floats = st.floats(-1e6, 1e6)
samples = st.lists(floats, min_size=5, max_size=40)
FAST = settings(max_examples=40, deadline=None)


@FAST
@given(samples)
def test_the_interval_of_the_mean_lies_within_the_data_and_around_the_mean(values: list[float]) -> None:
    interval = bootstrap(values, resamples=400)
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= interval.low <= np.mean(values) + slack
    assert np.mean(values) - slack <= interval.high <= max(values) + slack


@FAST
@given(samples, st.floats(0.1, 100), floats)
def test_shifting_and_scaling_the_data_does_the_same_to_the_interval(
    values: list[float], scale: float, shift: float
) -> None:
    plain = bootstrap(values, resamples=200)
    moved = bootstrap(np.array(values) * scale + shift, resamples=200)
    tolerance = 1e-9 * (1 + max(map(abs, values)) * scale + abs(shift))
    assert moved.low == pytest.approx(plain.low * scale + shift, abs=tolerance)
    assert moved.high == pytest.approx(plain.high * scale + shift, abs=tolerance)


def test_a_higher_level_is_wider_and_the_seed_repeats_it() -> None:
    values = np.random.default_rng(0).normal(size=50)
    narrow, wide = bootstrap(values, level=0.8), bootstrap(values, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(300):
        interval = bootstrap(random.exponential(2.0, 60), level=0.9, resamples=300, seed=trial)
        hits += interval.low <= 2.0 <= interval.high
    assert 0.84 <= hits / 300 <= 0.94


def test_the_general_statistic_agrees_with_the_fast_mean() -> None:
    values = np.arange(10.0)
    fast, general = bootstrap(values, resamples=500), bootstrap(values, lambda rows: float(rows.mean()), resamples=500)
    assert (fast.low, fast.high) == pytest.approx((general.low, general.high))
    rows = bootstrap(np.column_stack([values, values + 2]), lambda drawn: float((drawn[:, 1] - drawn[:, 0]).mean()))
    assert (rows.low, rows.high) == pytest.approx((2, 2))


def test_blocks_of_memory_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.evaluation.intervals.BLOCK", 70)
    interval = bootstrap(np.arange(10.0), resamples=1000)
    assert interval.low < 4.5 < interval.high


@FAST
@given(st.lists(st.floats(1, 1e3), min_size=5, max_size=30), st.floats(0.1, 10))
def test_a_constant_ratio_has_no_spread_however_the_days_differ(peer: list[float], factor: float) -> None:
    interval = paired_ratio(np.array(peer) * factor, peer, resamples=200)
    assert interval.low == pytest.approx(factor)
    assert interval.high == pytest.approx(factor)


def test_pairs_are_drawn_together() -> None:
    # The days differ a thousandfold, ours is always one less: unpaired draws would drown that.
    peer = np.geomspace(1, 1e3, 30)
    interval = paired_difference(peer - 1, peer)
    assert (interval.low, interval.high) == pytest.approx((-1, -1))
    assert interval.unit == "30 units, paired bootstrap"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([1.0]), "at least 2 units"),
        (lambda: bootstrap([1.0, float("nan")]), "finite"),
        (lambda: bootstrap([1.0, 2.0], level=95), "between 0 and 1"),
        (lambda: bootstrap([1.0, 2.0], resamples=10), "at least 100"),
        (lambda: bootstrap([[1.0], [2.0]]), "one number per unit"),
        (lambda: paired_ratio([1.0, 2.0], [1.0, 2.0, 3.0]), "one number per unit each"),
        (lambda: paired_ratio([1.0, 2.0], [0.0, 0.0]), "sums to zero"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_methods_side_by_side() -> None:
    values = {"ours": [1.0, 2.0, 3.0], "greedy": [2.0, 4.0, 6.0]}
    words = {"unit": "min", "direction": "lower", "resampled": "days"}
    first = headline("delay", values, ours="ours", peer="greedy", **words)
    assert (first.value, first.peer_value, first.peer) == (2.0, 4.0, "greedy")
    assert first.interval is not None
    assert first.interval.unit == "3 days, percentile bootstrap"
    table = comparison("Delay", values, peer="greedy", **words)
    assert table.rows == [["ours", 2.0, 0.5, "0.500 to 0.500"], ["greedy", 4.0, 1.0, None]]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_units_and_items_that_both_differ_are_both_in_the_interval() -> None:
    random, hits = np.random.default_rng(0), 0
    for trial in range(200):
        part = random.normal(size=(12, 1)) + 2 * random.normal(size=(1, 50)) + random.normal(size=(12, 50))
        interval = crossed([part], level=0.9, resamples=300, seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert 0.82 <= hits / 200 <= 0.97
    alike = np.tile(np.arange(10.0)[:, None], (1, 3))
    same, plain = crossed([alike, alike], resamples=4000), bootstrap(np.arange(10.0))
    assert (same.low, same.high) == pytest.approx((plain.low, plain.high), abs=0.25)
    for parts in ([], [[1.0, 2.0]], [alike, alike[1:]], [alike[:, :1]], [alike[:1]]):
        with pytest.raises(ValueError, match="units"):
            crossed(parts)
