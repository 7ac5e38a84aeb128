"""The search: exact repairs are exact, a plan never gets worse, what is fixed stays, and small days are solved."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.stands.config import CostConfig, SearchConfig
from demos.stands.problem import UNASSIGNED, Problem, build_problem, plan_cost
from demos.stands.search.greedy import greedy_buffer, greedy_cost
from demos.stands.search.neighbourhoods import keeps_hard_rules, one_side, rematch, search, solve_part
from demos.stands.verify import Stay, violations
from tests.demos.stands.conftest import FEW, best_cost, cost_of, make_airport, make_turns, random_plan, random_problem

SEEDS = st.integers(0, 10**6)
SIZES = {"turns": st.integers(2, 16), "stands": st.integers(2, 5)}
SHORT = SearchConfig(rounds=3, matchings=8, free_turns=5, stands=3, work_limit=0.05)


def broken(problem: Problem, plan: NDArray[np.int64]) -> list[str]:
    """What the integer verifier says of a plan."""
    turns, stands = problem.turns, problem.airport.stands
    columns = turns.table["flight"], turns.codes, turns.sibt, turns.sobt
    stays = [Stay(flight, code, int(on), int(off)) for flight, code, on, off in zip(*columns, strict=True)]
    return violations(stays, problem.airport, [None if at == UNASSIGNED else stands[at].id for at in plan])


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@FEW
@given(seed=SEEDS, **SIZES)
def test_every_method_keeps_every_hard_rule(seed: int, turns: int, stands: int) -> None:
    """The independent verifier is asked, with shadows and a closure."""
    problem = random_problem(seed, turns, stands, closures=True)
    start = greedy_cost(problem)
    searched, _ = search(problem, start, SHORT, draws(seed))
    for plan in (start, searched, greedy_buffer(problem, 0), greedy_buffer(problem, 20)):
        assert broken(problem, plan) == []
    assert plan_cost(problem, searched) <= plan_cost(problem, start)


@FEW
@given(seed=SEEDS, **SIZES)
def test_the_verifier_and_the_solver_agree_on_what_is_allowed(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    plan = random_plan(problem, seed)
    assert keeps_hard_rules(problem, plan, np.arange(turns)) == (broken(problem, plan) == [])


@FEW
@given(seed=SEEDS, share=st.floats(0, 1), **SIZES)
def test_locked_turns_stay_and_the_plan_gets_no_worse(seed: int, share: float, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands)
    start = greedy_buffer(problem, 10)
    locked = draws(seed).random(turns) < share
    plan, log = search(problem, start.copy(), SHORT, draws(seed), locked=locked)
    assert np.array_equal(plan[locked], start[locked])
    assert broken(problem, plan) == []
    costs = [cost for _, cost in log.curve]
    assert costs == sorted(costs, reverse=True)
    assert (costs[0], costs[-1]) == (plan_cost(problem, start), plan_cost(problem, plan))


def test_the_start_is_left_as_it_was() -> None:
    problem = random_problem(1, 14, 4)
    start = greedy_buffer(problem, 0)
    before = start.copy()
    plan, _ = search(problem, start, SHORT, draws())
    assert not np.array_equal(plan, start)
    assert np.array_equal(start, before)


def test_the_same_seed_gives_the_same_plan() -> None:
    problem = random_problem(2, 30, 6)
    start = greedy_buffer(problem, 0)
    first, again, other = (search(problem, start, SHORT, draws(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first[0], again[0])
    assert [cost for _, cost in first[1].curve] == [cost for _, cost in again[1].curve]
    assert [cost for _, cost in first[1].curve] != [cost for _, cost in other[1].curve]


def test_the_log_counts_what_was_done() -> None:
    problem = random_problem(2, 30, 6)
    _, log = search(problem, greedy_buffer(problem, 0), SHORT, draws())
    assert (log.matchings, log.parts, len(log.curve)) == (24, 3, 4)
    assert 0 < log.matchings_improved <= 24
    assert log.parts_improved <= log.parts_optimal <= 3 or log.parts_optimal == 3
    assert not log.stopped_by_clock
    _, alone = search(problem, greedy_buffer(problem, 0), SHORT.model_copy(update={"parts": False}), draws())
    assert (alone.matchings, alone.parts) == (24, 0)


def test_the_clock_stops_a_search() -> None:
    problem = random_problem(2, 30, 6)
    hasty = SHORT.model_copy(update={"rounds": 100_000, "seconds": 1e-9})
    _, log = search(problem, greedy_buffer(problem, 0), hasty, draws())
    assert log.stopped_by_clock
    assert len(log.curve) == 2


@FEW
@given(seed=SEEDS, turns=st.integers(1, 14), stands=st.integers(1, 4))
def test_rematching_is_the_best_of_all_ways_to_hand_the_blocks_out(seed: int, turns: int, stands: int) -> None:
    """With turns that have no stand, and with shadows, too, as one side of each stays as it is."""
    problem = random_problem(seed, turns, stands, closures=True)
    slow, plan = cost_of(problem), greedy_buffer(problem, 0)
    moved, stay = np.flatnonzero(draws(seed).random(turns) < 0.6), one_side(problem, draws(seed))
    assert all(stay[shadow.first] or stay[shadow.second] for shadow in problem.shadows)
    nowhere, free = moved[plan[moved] == UNASSIGNED][:2], np.flatnonzero(~stay)
    moved = np.union1d(moved[plan[moved] != UNASSIGNED], nowhere)
    blocks = [block for at in free if len(block := moved[plan[moved] == at])] + [np.array([turn]) for turn in nowhere]
    costs = []
    for places in permutations([*free, *[UNASSIGNED] * len(nowhere)], len(blocks)):
        other = plan.copy()
        for block, place in zip(blocks, places, strict=True):
            other[block] = place
        costs.append(slow(other.tolist()))
    found = rematch(problem, plan, moved, stay)
    assert slow(found.tolist()) == min(cost for cost in costs if cost is not None)
    still = np.setdiff1d(np.arange(turns), [turn for block in blocks for turn in block])
    assert np.array_equal(found[still], plan[still])


@FEW
@given(seed=SEEDS, turns=st.integers(1, 6), stands=st.integers(1, 3))
def test_a_part_of_all_turns_is_solved_to_the_optimum(seed: int, turns: int, stands: int) -> None:
    problem = random_problem(seed, turns, stands, shadows=False, closures=True)
    blocks = [np.array([turn]) for turn in range(turns)]
    plan, proven = solve_part(problem, np.full(turns, UNASSIGNED), blocks, np.arange(stands), work_limit=10)
    assert proven
    assert cost_of(problem)(plan.tolist()) == best_cost(problem)


@FEW
@given(seed=SEEDS, turns=st.integers(4, 9), stands=st.integers(2, 4))
def test_a_part_of_blocks_is_the_best_of_all_ways_to_place_them(seed: int, turns: int, stands: int) -> None:
    """Some turns by themselves, some as one block on two of the stands, the others where they are."""
    problem = random_problem(seed, turns, stands, shadows=False)
    slow, plan = cost_of(problem), greedy_buffer(problem, 0)
    some = draws(seed).choice(stands, 2, replace=False)
    movable = [turn for turn in range(turns) if plan[turn] in some or plan[turn] == UNASSIGNED]
    blocks = [np.array([turn]) for turn in movable[:4]]
    blocks += [np.array(rest) for at in some if (rest := [turn for turn in movable[4:] if plan[turn] == at])]
    costs = []
    for places in product([UNASSIGNED, *some], repeat=len(blocks)):
        other = plan.copy()
        for block, place in zip(blocks, places, strict=True):
            other[block] = place
        costs.append(slow(other.tolist()))
    if not blocks:
        return
    found, proven = solve_part(problem, plan, blocks, np.sort(some), work_limit=10)
    assert proven
    assert slow(found.tolist()) == min(cost for cost in costs if cost is not None)


def test_a_block_without_a_stand_costs_as_many_turns_as_it_has() -> None:
    """One stand: two short stays as one block, or a cheaper long one."""
    turns = make_turns([(600, 650), (600, 720), (660, 720)], seats=[200, 10, 200])
    problem = build_problem(turns, make_airport("R1 C"), CostConfig(), np.zeros((3, 3)))
    blocks = [np.array([0, 2]), np.array([1])]
    plan, proven = solve_part(problem, np.full(3, UNASSIGNED), blocks, np.array([0]), work_limit=10)
    assert proven
    assert plan.tolist() == [0, UNASSIGNED, 0]


@FEW
@given(seed=SEEDS, turns=st.integers(1, 6), stands=st.integers(2, 3))
def test_small_days_are_solved_to_the_optimum(seed: int, turns: int, stands: int) -> None:
    """Where every aircraft fits every stand; see below for the rest."""
    problem = random_problem(seed, turns, stands, shadows=False, sizes="E")
    config = SearchConfig(rounds=6, matchings=10, work_limit=1)
    plan, _ = search(problem, greedy_buffer(problem, 0), config, draws(seed))
    assert plan_cost(problem, plan) == best_cost(problem)


def test_small_days_with_shadows_are_solved_almost_always() -> None:
    """Over 25 days with many shadows the summed cost is within 2 % of the optimum's."""
    found = best = 0
    for seed in range(25):
        problem = random_problem(seed, 5, 3, sizes="E")
        plan, _ = search(problem, greedy_cost(problem), SearchConfig(rounds=6, matchings=10), draws(seed))
        found += plan_cost(problem, plan)
        best += best_cost(problem)
    assert found <= 1.02 * best


def crowded_out(fits_both: bool) -> Problem:
    """A C is on A2 when a D comes that fits A2 alone (or B1 too), but likes it less than the C does; B1 is free."""
    airport = make_airport(
        f"B1 {'D' if fits_both else 'C'}, A2 D, B3 C", preferences={"XX": ("A", "B"), "YY": ("B", "A")}
    )
    turns = make_turns([(600, 700), (650, 720), (655, 715)], "CDC", carrier=["XX", "YY", "YY"])
    return build_problem(turns, airport, CostConfig(), np.zeros((3, 3)))


@pytest.mark.parametrize("fits_both", [True, False])
def test_a_turn_without_a_stand_gets_one_when_another_can_make_room(fits_both: bool) -> None:
    problem = crowded_out(fits_both)
    start = np.array([1, UNASSIGNED, 2])
    plan, _ = search(problem, start, SearchConfig(rounds=20, matchings=10), draws())
    assert best_cost(problem) < problem.unassigned
    assert plan_cost(problem, plan) == best_cost(problem)


def test_nothing_free_means_nothing_done() -> None:
    problem = random_problem(3, 8, 3)
    start = greedy_buffer(problem, 0)
    plan, log = search(problem, start, SHORT, draws(), locked=np.ones(8, dtype=bool))
    assert np.array_equal(plan, start)
    assert log.matchings == log.parts == 0


@pytest.mark.parametrize("work_limit", [1e-9, 10.0])
def test_without_work_the_plan_stays_sound(work_limit: float) -> None:
    problem = random_problem(5, 20, 4, cost=CostConfig(unassigned=50))
    config = SHORT.model_copy(update={"work_limit": work_limit, "matchings": 0})
    start = greedy_buffer(problem, 0)
    plan, _ = search(problem, start, config, draws())
    assert plan_cost(problem, plan) <= plan_cost(problem, start)
    assert broken(problem, plan) == []
