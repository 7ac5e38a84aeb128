"""The bound: below every plan whatever the prices, the stand-days the best ones, and where it must be tight, tight."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.stands.bench.flow import solve_flow
from demos.stands.column_generation.ascent import share_of_cost
from demos.stands.column_generation.bound import finer_units, in_units, lower_bound
from demos.stands.column_generation.paths import APART, NONE, NOWHERE, cheapest_days, compile_all, cost_of_day
from demos.stands.column_generation.regions import plan_by_regions
from demos.stands.column_generation.stand_days import StandDays, stand_groups
from demos.stands.config import CostConfig, PricesConfig
from demos.stands.problem import Problem, build_problem, part_of, plan_cost
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.neighbourhoods import keeps_hard_rules
from demos.stands.units import MINUTES_PER_DAY
from tests.demos.stands.conftest import FEW, MANY, best_cost, make_airport, make_turns, random_problem

SEEDS = st.integers(0, 10**6)
SHORT = PricesConfig(ascents=30, within=0.0, bound_within=0.0)


def prices_of(problem: Problem, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, problem.unassigned, len(problem.turns))


def cost_of_near(days: StandDays, group: int, turns: NDArray[np.int64], others: int) -> float:
    """Of a stand-day, in order: overlaps with the turn before and so many `others` before that."""
    pair = days.problem.pair
    near = sum(pair[turns[:-apart], turns[apart:]].sum() for apart in range(1, 2 + others))
    return float(days.static[group, turns].sum() + near)


@FEW
@given(seed=SEEDS, turns=st.integers(1, 6), stands=st.integers(1, 3))
def test_no_plan_is_below_the_bound_whatever_the_prices(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    prices = prices_of(problem, seed)
    assert StandDays(problem).best_days(prices).bound <= best_cost(problem)
    days = StandDays(problem, guests=True)
    more = np.random.default_rng(seed).integers(days.low, problem.unassigned)
    assert days.best_days(np.concatenate([prices, more[turns:]]), third=True).bound <= best_cost(problem)


@FEW
@given(seed=SEEDS, turns=st.integers(1, 6), stands=st.integers(1, 3))
def test_raising_never_passes_the_best_plan(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    start = greedy_cost(problem)
    found, units = lower_bound(problem, start, SHORT), finer_units(problem, start)
    assert found.value <= best_cost(problem)
    shown = StandDays(in_units(problem, units), guests=True).best_days(found.prices, third=True).bound
    assert -(-shown // units) >= found.value
    values = [value for _, value in found.curve]
    assert values == sorted(values)


@FEW
@given(seed=SEEDS, turns=st.integers(2, 6), stands=st.integers(1, 3))
def test_the_bound_of_two_days_is_below_every_plan_of_both(seed: int, turns: int, stands: int) -> None:
    """Some turns a day later on the clock; what they cost the others stays, and the bound does not count it."""
    problem = random_problem(seed, turns, stands)
    later = MINUTES_PER_DAY * (np.arange(turns) % 2)
    day = replace(problem.turns, sibt=problem.turns.sibt + later, sobt=problem.turns.sobt + later)
    found = lower_bound(replace(problem, turns=day), greedy_cost(problem), SHORT)
    assert 0 <= found.value <= best_cost(problem)
    halves = [part_of(problem, some, np.arange(stands), problem.allowed[some], problem.static[some])
              for some in (np.arange(0, turns, 2), np.arange(1, turns, 2))]  # fmt: skip
    assert found.value <= sum(best_cost(half) for half in halves)


@FEW
@given(seed=SEEDS, turns=st.integers(1, 8), stands=st.integers(1, 3), third=st.booleans())
def test_no_stand_day_earns_more_than_the_best(seed: int, turns: int, stands: int, third: bool) -> None:
    """Beside every set of turns that do not overlap, one by one, with all that they cost."""
    problem = random_problem(seed, turns, stands)
    days, prices = StandDays(problem), prices_of(problem, seed)
    best = days.best_days(prices, third=third)
    for group in range(len(days.groups)):
        for day in all_days(days, group):
            assert best.least[group] <= days.cost(group, day) - prices[day].sum()


@MANY
@given(seed=SEEDS, turns=st.integers(1, 8), stands=st.integers(1, 3), third=st.booleans())
def test_the_best_day_is_found(seed: int, turns: int, stands: int, third: bool) -> None:
    """Where every two turns cost something, nothing is left out but overlaps with the third turn before, or the
    fourth, and on."""
    problem = random_problem(seed, turns, stands)
    problem = replace(problem, pair=problem.pair + 1 - np.eye(turns, dtype=np.int64))
    days, prices = StandDays(problem), prices_of(problem, seed)
    best = days.best_days(prices, third=third)
    for group, found in enumerate(best.days):
        known = [cost_of_near(days, group, day, 1 + third) - prices[day].sum() for day in all_days(days, group)]
        assert best.least[group] == min(0, *known, 0)
        for day in found[:1]:
            assert cost_of_near(days, group, day, 1 + third) - prices[day].sum() == best.least[group]


def test_a_punctual_turn_does_not_hide_what_late_ones_around_it_cost() -> None:
    turns = make_turns([(480, 540), (560, 600), (620, 680)])
    overlap = np.zeros((3, 3))
    overlap[0, 2] = overlap[2, 0] = 9
    problem = build_problem(turns, make_airport("A1 C"), CostConfig(), overlap)
    days, prices = StandDays(problem), np.full(3, problem.unassigned)
    for third in (False, True):
        assert days.best_days(prices, third=third).least[0] == days.cost(0, np.arange(3)) - prices.sum()


def test_nothing_is_left_to_compile_for_prices() -> None:
    compile_all()
    compiled = [len(one.signatures) for one in (cheapest_days, cost_of_day)]
    problem = random_problem(5, 8, 3)
    for guests, third in ((False, False), (True, False), (True, True)):
        days = StandDays(problem, guests=guests)
        best = days.best_days(np.maximum(days.low, 0) + 500, each=2, third=third)
        assert len(days.dear(best.listed(), days.low))
    assert [len(one.signatures) for one in (cheapest_days, cost_of_day)] == compiled


@FEW
@given(seed=SEEDS, third=st.booleans(), each=st.sampled_from([1, 6]))
def test_dropping_what_cannot_win_loses_nothing(seed: int, third: bool, each: int) -> None:
    """Beside a search that drops nothing but what another label of the same last turns undercuts."""
    draws = np.random.default_rng(seed)
    sibt = np.sort(draws.integers(0, 900, 26))
    gap = sibt[:, None] - (sibt + draws.integers(15, 70, 26))[None, :]
    fades = np.exp(-np.maximum(gap, 0) / draws.choice([60, 150, 400]))
    pair = np.rint(draws.exponential(60, (26, 26)) * fades * (draws.random((26, 26)) < draws.choice([0.4, 0.8, 1.0])))
    paid = np.where(gap >= 0, pair, APART).astype(np.int64)
    far = (paid == 0) & (gap >= draws.choice([60, 120, 240]))
    net, order = -draws.integers(-20, draws.choice([60, 150, 400]), (1, 26)).astype(np.int64), np.arange(26)
    least, _, paths = cheapest_days(net, paid, far, order, third, each, 100_000)
    assert least[0] == _least(net[0], paid, far, 2 + third)
    day = paths[0, 0][paths[0, 0] != NONE]
    assert all(paid[later, earlier] != APART for later, earlier in combinations(day, 2))
    assert cheapest_days(net, paid, far, order, third, each, 3)[0][0] <= least[0], "out of memory it may only be less"


def _least(net: NDArray[np.int64], paid: NDArray[np.int64], far: NDArray[np.bool_], remembered: int) -> int:
    """What the cheapest day costs; by turn, the least for every sequence of turns before that are remembered."""
    labels: dict[int, dict[tuple[int, ...], int]] = {}
    for turn in (turn for turn in range(len(net)) if net[turn] < 0):
        before = [one for one in labels if paid[turn, one] != APART]
        free = min([0, *(min(labels[one].values()) for one in before if far[turn, one])])
        found = {(): int(net[turn]) + free}
        for one in (one for one in before if not far[turn, one]):
            for others, value in labels[one].items():
                last = (one, *others)
                cost = value + int(net[turn]) + sum(int(paid[turn, other]) for other in last[:remembered])
                key = last[: remembered - 1]
                found[key] = min(cost, found.get(key, cost))
        labels[turn] = found
    return min([0, *(min(found.values()) for found in labels.values())])


def all_days(days: StandDays, group: int) -> list[NDArray[np.int64]]:
    """Every stand-day of a group, in order."""
    problem = days.problem
    fits = [turn for turn in days.order.tolist() if days.static[group, turn] < NOWHERE]
    chosen = (np.array(day) for size in range(1, len(fits) + 1) for day in combinations(fits, size))
    return [day for day in chosen if not problem.overlaps[np.ix_(day, day)].any()]


def test_where_nothing_is_left_out_the_bound_is_the_optimum() -> None:
    """Two stands, no shadow, days of at most two turns: the mix is a plan, and its cost is shown to be the least."""
    turns = make_turns([(480, 540), (490, 550), (560, 620), (565, 640)])
    overlap = np.array([[0, 0, 9, 2], [0, 0, 3, 8], [9, 3, 0, 0], [2, 8, 0, 0]], dtype=float)
    problem = build_problem(turns, make_airport("A1 C, A2 C"), CostConfig(), overlap)
    start = np.array([0, 1, 0, 1])
    assert lower_bound(problem, start, SHORT).value == best_cost(problem) < plan_cost(problem, start)


def test_a_day_without_turns_costs_nothing() -> None:
    problem = random_problem(1, 3, 2)
    none = np.zeros(0, dtype=np.int64)
    empty = part_of(problem, none, np.arange(2), problem.allowed[none], problem.static[none])
    assert lower_bound(empty, none, SHORT).value == 0
    assert not len(plan_by_regions(empty, none, SHORT, np.random.default_rng(0))[0])


def test_stands_that_no_turn_tells_apart_are_one_group() -> None:
    turns = make_turns([(480, 540), (600, 640)])
    overlap = np.zeros((2, 2))
    problem = build_problem(
        turns, make_airport("A1 C, A2 C, A3 D, R1 C", closures=[("A2", "08:30", "09:30")]), CostConfig(), overlap
    )
    assert stand_groups(problem) == [[0, 2], [1], [3]]


def test_first_prices_share_out_what_a_plan_costs() -> None:
    problem = random_problem(3, 12, 3, shadows=False)
    plan = greedy_cost(problem)
    prices = share_of_cost(StandDays(problem), plan)
    assert 0 <= plan_cost(problem, plan) - prices.sum() <= len(plan)


@FEW
@given(seed=SEEDS, turns=st.integers(1, 6), stands=st.integers(1, 3))
def test_the_flow_is_below_every_plan_and_its_own_plan_holds(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    whole, relaxed = solve_flow(problem, 10.0), solve_flow(problem, 10.0, relaxed=True)
    best = best_cost(problem)
    assert relaxed.bound <= whole.bound + 1e-3
    assert whole.bound <= best + 1e-3
    assert whole.plan is not None
    assert keeps_hard_rules(problem, whole.plan, np.arange(turns))
    assert plan_cost(problem, whole.plan) >= best


def test_where_nothing_is_left_out_the_flow_finds_the_best_plan() -> None:
    """Two stands, and days of at most two turns."""
    turns = make_turns([(480, 540), (490, 550), (560, 620), (565, 640)])
    overlap = np.array([[0, 0, 9, 2], [0, 0, 3, 8], [9, 3, 0, 0], [2, 8, 0, 0]], dtype=float)
    problem = build_problem(turns, make_airport("A1 C, A2 C"), CostConfig(), overlap)
    found = solve_flow(problem, 10.0)
    assert found.plan is not None
    assert found.bound == pytest.approx(plan_cost(problem, found.plan)) == best_cost(problem)
