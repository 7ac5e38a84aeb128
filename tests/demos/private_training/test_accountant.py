"""The accountant of record, beside two others and a formula."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from demos.private_training.budget.accountant import (
    COARSE,
    Mechanism,
    bill,
    checked_delta,
    epsilon_of,
    epsilon_of_all,
    multiplier_for,
)
from shared.errors import UserError

DELTA = 1e-5


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Of one Gaussian mechanism of sensitivity mu (Balle and Wang, ICML 2018, theorem 8)."""

    def excess(epsilon: float) -> float:
        return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - delta

    return float(brentq(excess, 0, 100))


@pytest.mark.parametrize(("multiplier", "steps"), [(1.0, 1), (20.0, 60), (4.0, 10)])
def test_steps_on_all_units_cost_what_the_formula_says(multiplier: float, steps: int) -> None:
    exact = gaussian_epsilon(math.sqrt(steps) / multiplier, DELTA)
    ours = epsilon_of(Mechanism(multiplier, 1.0, steps), DELTA)
    assert exact <= ours < exact + 1e-3


@pytest.mark.parametrize(("multiplier", "rate", "steps"), [(1.5, 0.064, 200), (2.0, 0.1, 300), (8.0, 1.0, 60)])
def test_pld_lies_in_prvs_bracket_and_rdp_asks_for_more(multiplier: float, rate: float, steps: int) -> None:
    found = bill(Mechanism(multiplier, rate, steps), DELTA)
    assert found.low < found.epsilon < found.high
    assert found.renyi > found.epsilon


@settings(max_examples=10, deadline=None)
@given(multiplier=st.floats(0.8, 20), rate=st.floats(0.01, 1), steps=st.integers(1, 200), more=st.floats(1.05, 2))
def test_more_noise_costs_less_and_more_steps_more(multiplier: float, rate: float, steps: int, more: float) -> None:
    here = epsilon_of(Mechanism(multiplier, rate, steps), DELTA, COARSE)
    assert epsilon_of(Mechanism(multiplier * more, rate, steps), DELTA, COARSE) <= here
    assert epsilon_of(Mechanism(multiplier, rate, steps + 20), DELTA, COARSE) >= here


@pytest.mark.parametrize(("epsilon", "rate", "steps"), [(1.0, 1.0, 60), (3.0, 0.1, 100)])
def test_the_least_noise_is_enough_and_hardly_more(epsilon: float, rate: float, steps: int) -> None:
    multiplier = multiplier_for(epsilon, DELTA, rate, steps)
    assert epsilon_of(Mechanism(multiplier, rate, steps), DELTA) <= epsilon
    assert epsilon_of(Mechanism(multiplier * 0.995, rate, steps), DELTA) > epsilon


def test_several_on_the_same_units_add_up_to_less_than_their_sum() -> None:
    parts = [Mechanism(2.0, 0.1, 100), Mechanism(4.0, 1.0, 3)]
    apart = [epsilon_of(part, DELTA) for part in parts]
    assert max(apart) < epsilon_of_all(parts, DELTA) < sum(apart)
    assert epsilon_of_all([], DELTA) == 0


@pytest.mark.parametrize(
    ("multiplier", "rate", "steps"), [(0.0, 0.5, 1), (-1.0, 0.5, 1), (math.nan, 0.5, 1), (1.0, 0.0, 1), (1.0, 0.5, 0)]
)
def test_what_is_no_mechanism_is_refused(multiplier: float, rate: float, steps: int) -> None:
    with pytest.raises(UserError):
        Mechanism(multiplier, rate, steps)


def test_a_delta_that_allows_to_publish_a_unit_is_refused_with_the_reason() -> None:
    with pytest.raises(UserError, match=r"delta = 0.001 is not below 1/N = 0.001 for 1,000 units: to publish one"):
        checked_delta(1e-3, 1000)
    for delta in (0.0, 1.0, math.nan):
        with pytest.raises(UserError, match="delta must be"):
            checked_delta(delta)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_that_is_none_is_refused(epsilon: float) -> None:
    with pytest.raises(UserError, match="epsilon must be a number above 0"):
        multiplier_for(epsilon, DELTA, 1.0, 10)
