"""Metrics of quantile forecasts against their definitions and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.evaluation.metrics import (
    coverage,
    crps_from_quantiles,
    pinball_loss,
    pinball_loss_by_level,
    reliability,
    uncrossed,
)

FAST = settings(max_examples=50, deadline=None)
LEVELS = np.array([0.1, 0.5, 0.9])
some = arrays(float, st.integers(3, 40), elements=st.floats(-1e3, 1e3))


@FAST
@given(some, st.floats(0.05, 0.95), st.floats(-1e3, 1e3))
def test_no_constant_beats_the_empirical_quantile(y: np.ndarray, level: float, other: float) -> None:
    # The lower empirical quantile is one minimiser: Koenker and Bassett (1978).
    quantile = np.quantile(y, level, method="inverted_cdf")
    best = pinball_loss(y, np.full((len(y), 1), quantile), [level])
    assert best <= pinball_loss(y, np.full((len(y), 1), other), [level]) + 1e-9


@FAST
@given(arrays(float, (12, 3), elements=st.floats(-1e3, 1e3)), arrays(float, 12, elements=st.floats(-1e3, 1e3)))
def test_sorting_removes_crossings_and_never_costs(predictions: np.ndarray, y: np.ndarray) -> None:
    fixed = uncrossed(predictions)
    assert (np.diff(fixed, axis=1) >= 0).all()
    assert pinball_loss(y, fixed, LEVELS) <= pinball_loss(y, predictions, LEVELS) + 1e-9


@FAST
@given(some, st.floats(0.01, 100))
def test_losses_are_in_the_unit_of_y(y: np.ndarray, factor: float) -> None:
    predictions = np.tile([-1.0, 0.0, 1.0], (len(y), 1))
    for loss in (pinball_loss, crps_from_quantiles):
        assert loss(y * factor, predictions * factor, LEVELS) == pytest.approx(factor * loss(y, predictions, LEVELS))


def test_pinball_weighs_the_two_sides() -> None:
    assert pinball_loss([10.0], [[8.0]], [0.9]) == pytest.approx(1.8)
    assert pinball_loss([8.0], [[10.0]], [0.9]) == pytest.approx(0.2)
    assert pinball_loss_by_level([10.0, 8.0], [[8.0], [10.0]], [0.9]).tolist() == pytest.approx([1.0])


def test_half_the_absolute_error_at_the_median() -> None:
    y, guess = np.array([1.0, 5.0, 9.0]), np.array([2.0, 2.0, 2.0])
    assert pinball_loss(y, guess[:, None], [0.5]) == pytest.approx(np.abs(y - guess).mean() / 2)


def test_crps_of_a_normal_forecast() -> None:
    # Closed form for a standard normal at y = 0: 2 phi(0) - 1/sqrt(pi) = (sqrt(2) - 1) / sqrt(pi).
    draws = np.sort(np.random.default_rng(0).normal(size=400_000))
    levels = (np.arange(200) + 0.5) / 200
    quantiles = np.quantile(draws, levels)
    assert crps_from_quantiles([0.0], quantiles[None], levels) == pytest.approx((2**0.5 - 1) / np.pi**0.5, abs=2e-3)


def test_crps_does_not_depend_on_the_order_of_levels() -> None:
    forward = crps_from_quantiles([0.3], [[-1.0, 0.0, 1.0]], LEVELS)
    assert crps_from_quantiles([0.3], [[1.0, 0.0, -1.0]], LEVELS[::-1]) == pytest.approx(forward)


def test_a_calibrated_forecast_gives_the_levels_back() -> None:
    y = (np.arange(1000) + 0.5) / 1000
    assert reliability(y, np.tile(LEVELS, (1000, 1)), LEVELS) == pytest.approx(LEVELS, abs=1e-3)
    assert coverage(y, np.full(1000, 0.1), np.full(1000, 0.9)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pinball_loss([1.0], [[1.0, 2.0]], [0.5]),
        lambda: pinball_loss([1.0], [[1.0]], [1.0]),
        lambda: pinball_loss([], np.empty((0, 1)), [0.5]),
        lambda: reliability([1.0, 2.0], [[1.0]], [0.5]),
        lambda: coverage([1.0], [0.0, 1.0], [2.0]),
    ],
)
def test_shapes_and_levels_are_checked(call) -> None:
    with pytest.raises(ValueError, match=r"must|expected"):
        call()
