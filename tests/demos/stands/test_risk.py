"""Delay samples follow the predicted quantiles, and expected overlaps are what a plain loop counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.config import TurnConfig
from demos.stands.learning.risk import expected_overlap, given_so_far, sample_delays
from demos.stands.turns import occupation
from tests.demos.stands.conftest import FEW, MANY, make_turns

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
increasing_quantiles = st.lists(st.integers(-20, 200), min_size=7, max_size=7).map(sorted)


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@MANY
@given(st.lists(increasing_quantiles, min_size=1, max_size=4), st.integers(50, 400), st.integers(0, 99))
def test_samples_have_the_predicted_quantiles(rows: list[list[int]], scenarios: int, seed: int) -> None:
    quantiles = np.array(rows, dtype=float)
    samples = sample_delays(quantiles, LEVELS, scenarios, draws(seed))
    assert samples.shape == (len(rows), scenarios)
    ordered = np.sort(samples, axis=1)
    for column, level in enumerate(LEVELS):
        # The samples just below and just above the level hold the quantile between them.
        below = max(int(np.floor(level * scenarios - 0.5)), 0)
        assert (ordered[:, below] <= quantiles[:, column] + 1e-9).all()
        assert (ordered[:, min(below + 1, scenarios - 1)] >= quantiles[:, column] - 1e-9).all()


@MANY
@given(increasing_quantiles, increasing_quantiles)
def test_later_quantiles_give_later_samples_rank_by_rank(first: list[int], second: list[int]) -> None:
    """So do the quantiles' own samples rise with the level, tails included."""
    both = np.array([first, np.maximum(first, second)], dtype=float)
    middle = np.sort(sample_delays(both, LEVELS, 300, draws()), axis=1)[:, 15:285]
    assert (middle[0] <= middle[1] + 1e-9).all()


def test_tails_are_exponential_with_the_slope_of_the_last_two_levels() -> None:
    quantiles = np.array([[-8.0, -6.0, 0.0, 10.0, 30.0, 60.0, 90.0]])
    samples = np.sort(sample_delays(quantiles, LEVELS, 10000, draws())[0])
    # From 10 % to 5 % beyond is a factor 2 and 30 min, so 5 % to 1.25 % is two factors: 60 min more.
    assert samples[-125] == pytest.approx(90 + 60, abs=0.5)
    assert samples[124] == pytest.approx(-8 - 4, abs=0.1)
    assert (np.diff(samples) >= 0).all()
    assert samples[-1] > 250


def test_turns_are_shuffled_apart_from_each_other() -> None:
    quantiles = np.tile(np.arange(7.0) * 10, (40, 1))
    samples = sample_delays(quantiles, LEVELS, 400, draws())
    assert np.array_equal(np.sort(samples, axis=1)[0], np.sort(samples, axis=1)[1])
    correlation = np.corrcoef(samples)[np.triu_indices(40, 1)]
    assert abs(correlation.mean()) < 0.01
    assert abs(correlation).max() < 0.25


def test_a_turns_samples_do_not_depend_on_the_quantiles_of_others() -> None:
    quantiles = draws(1).normal(0, 30, (6, 7)).cumsum(axis=1)
    other = quantiles.copy()
    other[3:] += 100
    first, second = (sample_delays(values, LEVELS, 100, draws()) for values in (quantiles, other))
    assert np.array_equal(first[:3], second[:3])


@MANY
@given(st.lists(st.floats(-60, 400), min_size=1, max_size=60), st.floats(-15, 400), st.integers(0, 9))
def test_what_has_come_false_is_never_drawn(delays: list[float], waited: float, seed: int) -> None:
    before = np.array(delays)
    after = given_so_far(before.copy(), waited, draws(seed))
    assert (after > waited).all()
    possible = before[before > waited]
    if len(possible):
        assert set(after) <= set(possible)
        assert np.array_equal(after[before > waited], possible)


def test_who_has_outwaited_every_sample_waits_half_an_hour_more_on_average() -> None:
    after = given_so_far(np.zeros(20000), 100.0, draws())
    assert after.mean() == pytest.approx(130, abs=1)


def test_redrawn_samples_follow_those_that_can_still_be_true() -> None:
    before = draws().exponential(60, 20000)
    after = given_so_far(before, 60, draws())
    assert np.quantile(after, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(before[before > 60], [0.1, 0.5, 0.9]), 0.02)


@FEW
@given(st.lists(st.tuples(st.integers(240, 1500), st.integers(20, 180)), min_size=1, max_size=7), st.integers(0, 99))
def test_expected_overlap_is_what_a_plain_loop_counts(stays: list[tuple[int, int]], seed: int) -> None:
    turns = make_turns([(on, on + stay) for on, stay in stays])
    delay = draws(seed).exponential(60, (len(turns), 30)) - 15
    on_block, off_block = occupation(turns, delay, TurnConfig())
    found = expected_overlap(on_block, off_block, turns)
    for one in range(len(turns)):
        for two in range(len(turns)):
            minutes = [
                max(0.0, min(off_block[one, s], off_block[two, s]) - max(on_block[one, s], on_block[two, s]))
                for s in range(30)
            ]
            assert found[one, two] == pytest.approx(0 if one == two else np.mean(minutes), abs=1e-3)
    assert np.array_equal(found, found.T)
    some = np.unique(draws(seed).integers(0, len(turns), 3))
    assert np.array_equal(expected_overlap(on_block, off_block, turns, some), found[some])


def test_an_aircraft_that_stays_all_day_meets_others_from_both_sides() -> None:
    """A user's own on-block times: there from midnight to 20:00, the other comes at 19:00."""
    turns = make_turns([(0, 1200), (1140, 1260)])
    there = turns.sibt[:, None].astype(float), turns.sobt[:, None].astype(float)
    assert expected_overlap(*there, turns).tolist() == [[0, 60], [60, 0]]


def test_a_delay_of_thirteen_hours_is_seen_by_hindsight() -> None:
    """29 departures of 2013 were more than 12 h late; the replay counts whom they met."""
    turns = make_turns([(480, 540), (1310, 1400)], delay=[780, 0])
    on_block, off_block = occupation(turns, np.array([780.0, 0.0]), TurnConfig())
    assert off_block[0] == 1320
    assert expected_overlap(on_block[:, None], off_block[:, None], turns)[0, 1] == 10


@FEW
@given(st.integers(0, 99), st.sampled_from([0.05, 0.2, 0.5]))
def test_the_tail_is_the_mean_of_the_worst_scenarios_of_each_two_turns(seed: int, tail: float) -> None:
    turns = make_turns([(300, 360), (380, 450), (430, 500)])
    there = occupation(turns, draws(seed).exponential(60, (3, 40)) - 15, TurnConfig())
    on_block, off_block = there
    found = expected_overlap(*there, turns, tail=tail)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        minutes = np.minimum(off_block[one], off_block[two]) - np.maximum(on_block[one], on_block[two])
        worst = np.sort(np.maximum(minutes, 0))[-round(tail * 40) :]
        assert found[one, two] == pytest.approx(worst.mean(), abs=1e-3)
    assert (found >= expected_overlap(*there, turns) - 1e-6).all()
    assert np.array_equal(found, found.T)
