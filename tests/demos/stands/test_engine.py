"""The engine of prices: dives keep the hard rules, never make a plan worse, and find what there is to find."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.column_generation.ascent import share_of_cost
from demos.stands.column_generation.bound import find_prices
from demos.stands.column_generation.dive import dive, insert_left_over, shadowed
from demos.stands.column_generation.engine import plan_by_prices
from demos.stands.column_generation.regions import plan_by_regions, region
from demos.stands.column_generation.stand_days import StandDays
from demos.stands.config import KicksConfig, PricesConfig, SearchConfig
from demos.stands.problem import UNASSIGNED, blocked, plan_cost
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.neighbourhoods import keeps_hard_rules
from tests.demos.stands.conftest import FEW, best_cost, random_plan, random_problem

SEEDS = st.integers(0, 10**6)
SHORT = PricesConfig(
    dives=2, ascents=20, rounds=20, polish=SearchConfig(rounds=1, matchings=5), kicks=KicksConfig(number=5)
)


@FEW
@given(seed=SEEDS, turns=st.integers(1, 20), stands=st.integers(1, 4))
def test_a_dive_keeps_the_hard_rules(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    days = StandDays(problem)
    found = find_prices(days, greedy_cost(problem), SHORT)
    plan = dive(days, found, np.random.default_rng(seed), 0.1)
    assert keeps_hard_rules(problem, plan, np.arange(turns))


@FEW
@given(seed=SEEDS, turns=st.integers(1, 6), stands=st.integers(1, 3))
def test_the_engine_is_between_the_best_plan_and_its_start(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    start = greedy_cost(problem)
    plan, log, bound = plan_by_prices(problem, start, SHORT, np.random.default_rng(seed))
    assert bound.value <= best_cost(problem) <= plan_cost(problem, plan) <= plan_cost(problem, start)
    assert keeps_hard_rules(problem, plan, np.arange(turns))
    assert log.curve[-1][1] == plan_cost(problem, plan)
    costs = [cost for _, cost in log.curve]
    assert costs == sorted(costs, reverse=True)


def test_dives_beat_first_come_on_a_crowded_day() -> None:
    problem = random_problem(7, 40, 20, shadows=False, sizes="DE")
    start = greedy_cost(problem)
    plan, _, bound = plan_by_prices(problem, start, SHORT, np.random.default_rng(0))
    assert bound.value <= plan_cost(problem, plan) < 0.9 * plan_cost(problem, start)


def test_the_same_seed_dives_to_the_same_plan() -> None:
    problem = random_problem(3, 30, 5)
    start = greedy_cost(problem)
    one, two = (plan_by_prices(problem, start, SHORT, np.random.default_rng(1))[0] for _ in range(2))
    assert np.array_equal(one, two)


@FEW
@given(seed=SEEDS)
def test_turns_in_a_shadow_are_found_and_moved(seed: int) -> None:
    problem = random_problem(seed, 12, 4)
    # Without the other hard rules: of each stand, turns that fit and do not overlap.
    plan = random_plan(problem, seed)
    plan[[not problem.allowed[turn, stand] for turn, stand in enumerate(plan)]] = UNASSIGNED
    for turn in range(12):
        here = np.flatnonzero(plan[:turn] == plan[turn])
        if problem.overlaps[turn, here].any():
            plan[turn] = UNASSIGNED
    for one, two in shadowed(problem, plan):
        assert problem.overlaps[one, two]
        assert blocked(problem, plan)[one, plan[one]]
    mended = insert_left_over(problem, plan)
    assert not shadowed(problem, mended)
    assert keeps_hard_rules(problem, mended, np.arange(12))


def test_first_prices_are_whole_and_within_what_a_turn_may_cost() -> None:
    problem = random_problem(5, 20, 3)
    prices = share_of_cost(StandDays(problem), greedy_cost(problem))
    assert prices.dtype == np.int64
    assert prices.max() <= problem.unassigned


@FEW
@given(seed=SEEDS, turns=st.integers(1, 20), stands=st.integers(2, 6))
def test_regions_keep_the_hard_rules_and_never_make_a_plan_worse(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    start = greedy_cost(problem)
    parts = SHORT.model_copy(update={"dives": 1, "region": 2, "region_stands": 2})
    offered: list[int] = []
    plan, log = plan_by_regions(
        problem, start, parts, np.random.default_rng(seed), lambda better: offered.append(plan_cost(problem, better))
    )
    assert keeps_hard_rules(problem, plan, np.arange(turns))
    assert log.curve[-1][1] == plan_cost(problem, plan) <= plan_cost(problem, start)
    if stands > 2:
        assert offered == [cost for _, cost in log.curve[1:]]


@FEW
@given(seed=SEEDS)
def test_a_region_costs_what_it_adds_to_the_whole(seed: int) -> None:
    """Whatever is planned in a region, its cost and that of the whole plan differ by the same amount."""
    problem = random_problem(seed, 14, 4)
    draws = np.random.default_rng(seed)
    plan, stands = greedy_cost(problem), np.array([0, 2])
    part, turns = region(problem, plan, stands)
    apart = []
    for _ in range(4):
        inside = draws.integers(-1, 2, len(turns))
        whole = plan.copy()
        whole[turns] = np.where(inside == UNASSIGNED, UNASSIGNED, stands[inside])
        apart.append(plan_cost(problem, whole) - plan_cost(part, inside))
        assert keeps_hard_rules(part, inside, np.arange(len(turns))) == keeps_hard_rules(problem, whole, turns)
    assert len(set(apart)) == 1
