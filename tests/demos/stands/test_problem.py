"""The cost of a plan is what a slow recount finds, and the first-come rules keep the hard rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.config import CostConfig
from demos.stands.problem import (
    SCALE,
    UNASSIGNED,
    blocked,
    build_problem,
    cost_change,
    gaps,
    insertion_costs,
    plan_cost,
    preference_ranks,
)
from demos.stands.search.greedy import greedy_buffer, greedy_cost, met_on
from tests.demos.stands.conftest import FEW, MANY, cost_of, make_airport, make_turns, random_plan, random_problem

SEEDS = st.integers(0, 10**6)
SIZES = {"turns": st.integers(1, 14), "stands": st.integers(1, 5)}


@MANY
@given(seed=SEEDS, **SIZES)
def test_the_cost_of_a_plan_is_that_of_a_slow_recount(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    plan = random_plan(problem, seed)
    assert plan_cost(problem, plan) == cost_of(problem)(plan.tolist(), hard=False)


@MANY
@given(seed=SEEDS, **SIZES)
def test_the_change_of_cost_is_that_of_the_costs(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    plan, other = random_plan(problem, seed), random_plan(problem, seed + 1)
    other = np.where(np.random.default_rng(seed).random(turns) < 0.5, plan, other)
    assert cost_change(problem, plan, other) == plan_cost(problem, other) - plan_cost(problem, plan)


@MANY
@given(seed=SEEDS, **SIZES)
def test_inserting_a_turn_costs_the_difference_of_the_plans(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    plan = random_plan(problem, seed)
    for turn in range(turns):
        without = plan.copy()
        without[turn] = UNASSIGNED
        base = plan_cost(problem, without) - problem.unassigned
        # A turn meets nobody on its own stand twice: it is not there for itself.
        for costs in (insertion_costs(problem, without)[turn], insertion_costs(problem, without, np.array([turn]))[0]):
            for stand in range(stands):
                placed = without.copy()
                placed[turn] = stand
                assert plan_cost(problem, placed) - base == costs[stand]


@MANY
@given(seed=SEEDS, **SIZES)
def test_what_is_blocked_is_what_breaks_a_hard_rule(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    slow, plan = cost_of(problem), np.full(turns, UNASSIGNED)
    for turn in range(turns):
        stops = blocked(problem, plan)[turn]
        for stand in range(stands):
            placed = plan.copy()
            placed[turn] = stand
            assert stops[stand] == (slow(placed.tolist()) is None)
        if not stops.all():
            plan[turn] = np.flatnonzero(~stops)[seed % (~stops).sum()]


@MANY
@given(seed=SEEDS, **SIZES)
def test_the_turns_met_are_those_that_cost(seed: int, turns: int, stands: int) -> None:
    """The greedy rules' own account of whom a turn meets agrees with the matrices."""
    problem = random_problem(seed, turns, stands)
    plan = random_plan(problem, seed)
    for turn in range(turns):
        plan_without = np.where(np.arange(turns) == turn, UNASSIGNED, plan)
        for stand in range(stands):
            met = met_on(problem, plan_without, turn, stand)
            expected = insertion_costs(problem, plan_without)[turn, stand] - problem.static[turn, stand]
            assert problem.pair[turn, met].sum() == expected


def test_shadows_both_ways_count_a_pair_once() -> None:
    """Two large aircraft side by side where each stand shadows the other: one pair, one overlap."""
    airport = make_airport("A1 D, A2 D", [("A1", "A2", "D"), ("A2", "A1", "D")])
    turns = make_turns([(600, 660), (670, 730)], "DD")
    problem = build_problem(turns, airport, CostConfig(buffer_per_minute=0), np.array([[0, 30.0], [30.0, 0]]))
    assert problem.meetings.total(np.array([0, 1])) == 30 * SCALE


def test_costs_are_the_stated_rates() -> None:
    airport = make_airport("A1 D, B1 C, C1 E, R1 D", preferences={"XX": ("B", "A")})
    cost = CostConfig(
        unassigned=600, remote_per_100_pax=10, preference_per_100_pax=3, buffer=15, buffer_per_minute=0.1, conflict=2
    )
    turns = make_turns([(600, 660), (670, 730), (690, 740)], "CDC", seats=[150, 200, 50], carrier=["XX", "XX", "YY"])
    overlap = np.array([[0, 5, 0], [5, 0, 12.34], [0, 12.34, 0]])
    problem = build_problem(turns, airport, cost, overlap)
    assert problem.static.tolist() == [[450, 0, 900, 1500], [600, 0, 1200, 2000], [0, 0, 0, 500]]
    assert problem.allowed.tolist() == [[True] * 4, [True, False, True, True], [True] * 4]
    # 5 min expected at weight 2, and 5 min short of the gap of 15; 40 min of schedule overlap lack all 15.
    assert problem.pair[0].tolist() == [0, 1000 + 50, 0]
    assert problem.pair[1].tolist() == [1050, 0, 2468 + 150]
    assert problem.overlaps.tolist() == [[False, False, False], [False, False, True], [False, True, False]]
    assert problem.unassigned == 60000
    assert preference_ranks(turns, airport).tolist() == [[1, 0, 2, 0], [1, 0, 2, 0], [0, 0, 0, 0]]


def test_gaps_are_between_off_block_and_the_next_on_block() -> None:
    turns = make_turns([(600, 660), (660, 700), (680, 800)])
    assert gaps(turns)[0].tolist()[1:] == [0, 20]
    assert gaps(turns)[1, 2] == -20
    assert np.array_equal(gaps(turns), gaps(turns).T)


def test_a_closure_shuts_the_stand_for_turns_that_touch_its_inside() -> None:
    airport = make_airport("A1 C, A2 C", closures=[("A1", "10:00", "12:00")])
    turns = make_turns([(500, 600), (540, 601), (610, 650), (719, 800), (720, 800)])
    problem = build_problem(turns, airport, CostConfig(), np.zeros((5, 5)))
    assert problem.allowed[:, 0].tolist() == [True, False, False, False, True]
    assert problem.allowed[:, 1].all()


def test_a_closure_after_midnight_belongs_to_the_night_of_the_operating_day() -> None:
    airport = make_airport("A1 C, A2 C", closures=[("A1", "01:00", "03:00")])
    turns = make_turns([(1440 + 90, 1440 + 140)])  # 01:30 to 02:20 after the day
    problem = build_problem(turns, airport, CostConfig(), np.zeros((1, 1)))
    assert problem.allowed.tolist() == [[False, True]]


def plan_is_sound(problem, plan: np.ndarray) -> bool:  # type: ignore[no-untyped-def]
    return cost_of(problem)(plan.tolist()) is not None


@FEW
@given(seed=SEEDS, buffer=st.integers(0, 45), **SIZES)
def test_first_come_keeps_the_hard_rules(seed: int, buffer: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    for plan in (greedy_buffer(problem, buffer), greedy_cost(problem)):
        assert plan_is_sound(problem, plan)
        for turn in np.flatnonzero(plan == UNASSIGNED):
            # When it came, every stand was taken by those before it.
            before = np.where(np.arange(turns) < turn, plan, UNASSIGNED)
            assert blocked(problem, before)[turn].all()


@FEW
@given(seed=SEEDS, buffer=st.integers(0, 45), **SIZES)
def test_first_come_takes_the_cheapest_stand_that_keeps_the_buffer(
    seed: int, buffer: int, turns: int, stands: int
) -> None:
    problem = random_problem(seed, turns, stands)
    plan, gap = greedy_buffer(problem, buffer), gaps(problem.turns)
    for turn in np.flatnonzero(plan != UNASSIGNED):
        before = np.where(np.arange(turns) < turn, plan, UNASSIGNED)
        free = np.flatnonzero(~blocked(problem, before)[turn])
        room = {stand: gap[turn, met_on(problem, before, turn, stand)].min(initial=240) for stand in free}
        keeps = [stand for stand in free if min(room[stand], 240) >= buffer]
        taken = plan[turn]
        if keeps:
            assert taken in keeps
            assert problem.static[turn, taken] == problem.static[turn, keeps].min()
            equal = [stand for stand in keeps if problem.static[turn, stand] == problem.static[turn, taken]]
            assert room[taken] == max(room[stand] for stand in equal)
        else:
            assert room[taken] == max(room.values())


@FEW
@given(seed=SEEDS, **SIZES)
def test_first_come_on_cost_takes_the_stand_that_adds_least(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    plan = greedy_cost(problem)
    for turn in np.flatnonzero(plan != UNASSIGNED):
        before = np.where(np.arange(turns) < turn, plan, UNASSIGNED)
        free = ~blocked(problem, before)[turn]
        costs = insertion_costs(problem, before)[turn]
        assert costs[plan[turn]] == costs[free].min()


@pytest.mark.parametrize(("buffer", "stands"), [(9, [1, 1]), (10, [1, 1]), (11, [1, 0])])
def test_a_gap_as_wide_as_the_buffer_keeps_it(buffer: int, stands: list[int]) -> None:
    """B1 is the better terminal, and is taken again after exactly 10 minutes."""
    airport = make_airport("A1 C, B1 C", preferences={"XX": ("B", "A")})
    turns = make_turns([(600, 660), (670, 730)])
    problem = build_problem(turns, airport, CostConfig(), np.zeros((2, 2)))
    assert greedy_buffer(problem, buffer).tolist() == stands


def test_where_no_stand_keeps_the_buffer_the_one_with_most_room_is_taken() -> None:
    airport = make_airport("A1 C, A2 C, A3 C")
    turns = make_turns([(600, 660), (601, 655), (602, 658), (670, 730)])
    problem = build_problem(turns, airport, CostConfig(), np.zeros((4, 4)))
    assert greedy_buffer(problem, 30).tolist() == [0, 1, 2, 1]


def test_a_wide_buffer_places_all_that_a_narrow_one_does() -> None:
    airport = make_airport("A1 C")
    turns = make_turns([(600, 660), (670, 730), (735, 800)])
    problem = build_problem(turns, airport, CostConfig(), np.zeros((3, 3)))
    assert greedy_buffer(problem, 45).tolist() == [0, 0, 0]
