"""Rules with ranks: what the solver charges is what the verifier counts, and the lowest rank breaks first."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.stands.bench.flow import solve_flow
from demos.stands.column_generation.bound import lower_bound
from demos.stands.config import CostConfig, PricesConfig, RulesConfig, SearchConfig
from demos.stands.plan import orders_of
from demos.stands.problem import (
    SCALE,
    UNASSIGNED,
    Problem,
    blocked,
    build_problem,
    cost_change,
    insertion_costs,
    plan_cost,
)
from demos.stands.rules.day_rules import require_known_locks
from demos.stands.rules.ranks import BREAKABLE, LOCKED, NIGHT, PUSHBACK, RANKS, STAND, TUGS, rule_prices
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.neighbourhoods import search, solve_part
from demos.stands.search.relocate import settle
from demos.stands.verify import Stay, broken_rules, violations
from shared.errors import UserError
from tests.demos.stands.conftest import (
    FEW,
    MANY,
    RULES,
    TOW,
    as_stays,
    cost_of,
    make_airport,
    make_turns,
    random_plan,
    ruled_day,
    stand_names,
    stands_config,
)

SEEDS = st.integers(0, 10**6)
CONFIG = stands_config(rules=RULES.model_dump(), tow=TOW.model_dump())


def counted(problem: Problem, plan: NDArray[np.int64] | tuple[int, ...]) -> Counter[str]:
    """How often each rule breaks, by the verifier."""
    broken = broken_rules(
        as_stays(problem), problem.airport, stand_names(problem, plan), orders_of(problem.turns, CONFIG)
    )
    assert [RANKS[one.rule] for one in broken] == sorted((RANKS[one.rule] for one in broken), reverse=True)
    return Counter(one.rule for one in broken)


def in_force(problem: Problem) -> list[str]:
    """The rules of a made-up day: where no two tows, or push-backs, can meet, there is no such rule."""
    turns = problem.turns
    locked = not set(RULES.locked).isdisjoint(turns.table["flight"])
    leaving = sorted(turns.sobt[~turns.leaves_by_tow].tolist())
    at_once = any(two - one < RULES.pushback for one, two in pairwise(leaving))
    on = (locked, problem.tugs is not None, at_once, True)
    return [name for name, known in zip((LOCKED, TUGS, PUSHBACK, NIGHT), on, strict=True) if known]


def preferences_cost(problem: Problem, plan: NDArray[np.int64] | tuple[int, ...]) -> int:
    """Tows, shadows, expected overlaps: all but the rules, counted one by one."""
    airport = problem.airport.model_copy(update={"night_parking": ()})
    bare = build_problem(problem.turns, airport, CostConfig(), np.zeros((len(problem.turns),) * 2))
    tows = sum(
        UNASSIGNED not in (plan[one], plan[two]) and plan[one] != plan[two] for one, two in problem.turns.links.tolist()
    )
    plain = cost_of(_without_rules(problem, bare))(list(plan), hard=False)
    assert plain is not None
    return plain + tows * int(TOW.cost * SCALE)


def _without_rules(problem: Problem, bare: Problem) -> Problem:
    """Of the bare one what stands cost, of the other one what turns cost each other."""
    return replace(problem, static=bare.static, couplings=(), tugs=None, unassigned=0)


@MANY
@given(seed=SEEDS, turns=st.integers(1, 9), stands=st.integers(1, 5))
def test_the_solver_charges_what_the_verifier_counts(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, max(stands, 2))
    plan = random_plan(problem, seed)
    prices = rule_prices(in_force(problem), RULES, CostConfig())
    charged = sum(int(prices[rule] * SCALE) * count for rule, count in counted(problem, plan).items())
    assert plan_cost(problem, plan) == preferences_cost(problem, plan) + charged


@MANY
@given(seed=SEEDS, turns=st.integers(1, 9), stands=st.integers(2, 5))
def test_the_change_of_cost_is_that_of_the_costs(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, stands)
    plan, other = random_plan(problem, seed), random_plan(problem, seed + 1)
    assert cost_change(problem, plan, other) == plan_cost(problem, other) - plan_cost(problem, plan)


@MANY
@given(seed=SEEDS, turns=st.integers(1, 9), stands=st.integers(2, 5))
def test_inserting_a_turn_costs_the_difference_of_the_plans(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, stands)
    plan = random_plan(problem, seed)
    everywhere = insertion_costs(problem, plan)
    for turn in range(len(plan)):
        without = np.where(np.arange(len(plan)) == turn, UNASSIGNED, plan)
        base = plan_cost(problem, without) - problem.unassigned
        costs = insertion_costs(problem, without, np.array([turn]))[0]
        assert np.array_equal(costs, everywhere[turn])
        for stand in range(stands):
            placed = without.copy()
            placed[turn] = stand
            assert plan_cost(problem, placed) - base == costs[stand]


@FEW
@given(seed=SEEDS, turns=st.integers(2, 4), stands=st.integers(2, 3))
def test_of_all_plans_the_cheapest_breaks_the_lowest_ranks(seed: int, turns: int, stands: int) -> None:
    """One by one against every plan: by ranks from the gravest on, then by preferences, as long as these stay small."""
    problem = ruled_day(seed, turns, stands, overlap=0.5)
    found = []
    for plan in product(range(UNASSIGNED, stands), repeat=min(len(problem.turns), 6)):
        whole = np.array([*plan, *[UNASSIGNED] * (len(problem.turns) - len(plan))])
        if violations(as_stays(problem), problem.airport, stand_names(problem, whole)):
            continue
        counts = counted(problem, whole)
        ranked = [counts[rule.name] for rule in BREAKABLE]
        found.append(((*ranked, preferences_cost(problem, whole)), plan_cost(problem, whole)))
    assert min(found)[1] == min(cost for _, cost in found)


@FEW
@given(seed=SEEDS, turns=st.integers(2, 5), stands=st.integers(2, 3))
def test_a_part_that_is_the_whole_day_is_solved_best(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, stands)
    n = len(problem.turns)
    start = np.full(n, UNASSIGNED)
    plan, proven = solve_part(problem, start, [np.array([turn]) for turn in range(n)], np.arange(stands), 10.0)
    assert proven
    assert violations(as_stays(problem), problem.airport, stand_names(problem, plan)) == []
    if n <= 7:
        sound = (
            plan_cost(problem, np.array(other))
            for other in product(range(UNASSIGNED, stands), repeat=n)
            if not _clashes(problem, np.array(other))
        )
        assert plan_cost(problem, plan) == min(sound)


def _clashes(problem: Problem, plan: NDArray[np.int64]) -> bool:
    on = np.flatnonzero(plan != UNASSIGNED)
    return bool(blocked(problem, plan, on)[np.arange(len(on)), plan[on]].any())


@FEW
@given(seed=SEEDS, turns=st.integers(2, 12), stands=st.integers(2, 5))
def test_the_search_keeps_physical_rules_and_gets_no_worse(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, stands)
    start = greedy_cost(problem)
    plan, _ = search(problem, start, SearchConfig(rounds=3, matchings=8, work_limit=0.05), np.random.default_rng(seed))
    assert plan_cost(problem, plan) <= plan_cost(problem, start)
    for one in (start, plan):
        assert violations(as_stays(problem), problem.airport, stand_names(problem, one)) == []


@FEW
@given(seed=SEEDS, turns=st.integers(2, 9), stands=st.integers(2, 5))
def test_settling_keeps_physical_rules_and_what_is_fixed(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, stands)
    plan = greedy_cost(problem)
    free = np.random.default_rng(seed).random(len(plan)) < 0.7
    found = settle(problem, plan, free)
    assert plan_cost(problem, found) <= plan_cost(problem, plan)
    assert np.array_equal(found[~free], plan[~free])
    assert violations(as_stays(problem), problem.airport, stand_names(problem, found)) == []


def test_the_gravest_rule_is_kept_by_a_chain_of_moves() -> None:
    """A D that came last fits A2 alone; the C there goes to A1, whose C goes to R3. Only then all have a stand."""
    airport = make_airport("A1 C, A2 D, R3 B", rows=[["A1", "A2"]])
    turns = make_turns([(600, 700), (610, 710), (620, 720)], "BCD")
    problem = build_problem(turns, airport, CostConfig(), np.zeros((3, 3)), RulesConfig(pushback=20))
    start = np.array([0, 1, UNASSIGNED])
    assert settle(problem, start, np.ones(3, dtype=bool)).tolist() == [2, 0, 1]
    assert settle(problem, start, np.array([False, True, True])).tolist() == [0, 1, UNASSIGNED]


@FEW
@given(seed=SEEDS, turns=st.integers(1, 4), stands=st.integers(2, 3))
def test_the_bounds_stay_below_every_plan(seed: int, turns: int, stands: int) -> None:
    problem = ruled_day(seed, turns, stands)
    plan, proven = solve_part(
        problem, np.full(len(problem.turns), UNASSIGNED), [np.array([turn]) for turn in range(len(problem.turns))],
        np.arange(stands), 10.0,
    )  # fmt: skip
    assert proven
    best = plan_cost(problem, plan)
    assert lower_bound(problem, greedy_cost(problem), PricesConfig(ascents=20, rounds=20)).value <= best
    assert solve_flow(problem, 10.0, relaxed=True).bound <= best * (1 + 1e-9) + 1e-3


def test_made_up_days_break_every_rule() -> None:
    """Else the tests above would say little."""
    broken: Counter[str] = Counter()
    for seed in range(40):
        problem = ruled_day(seed, 9, 4)
        broken += counted(problem, random_plan(problem, seed))
    assert min(broken[rule] for rule in (STAND, LOCKED, TUGS, PUSHBACK, NIGHT)) >= 5


def test_what_is_not_in_force_costs_nothing() -> None:
    turns, airport = make_turns([(600, 660), (600, 661)]), make_airport("A1 C, A2 C", rows=[["A1", "A2"]])
    problem = build_problem(turns, airport, CostConfig(), np.zeros((2, 2)))
    assert (problem.couplings, problem.tugs, problem.unassigned) == ((), None, 300 * SCALE)
    ruled = build_problem(turns, airport, CostConfig(), np.zeros((2, 2)), RulesConfig(pushback=5, price=50.0))
    assert (len(ruled.couplings), ruled.unassigned) == (1, 500 * SCALE)


def test_each_rule_that_breaks_is_a_sentence() -> None:
    airport = make_airport("A1 C, A2 C, A3 C", rows=[["A1", "A2"]], night_parking=["A3"])
    stays = [
        Stay("XX1", "C", 200, 300), Stay("XX1", "C", 300, 600), Stay("XX2", "C", 310, 602), Stay("XX3", "C", 620, 640),
        Stay("XX4", "C", 310, 400),
    ]  # fmt: skip
    orders = orders_of(
        make_turns([(0, 1)]), stands_config(rules={"locked": {"XX3": "A1"}, "pushback": 5}, tow={"tugs": 0})
    )
    orders = replace(orders, links=[(0, 1)], held={2: "A3"})
    broken = broken_rules(stays, airport, ["A3", "A1", "A2", "A3", None], orders)
    assert [(one.rule, one.sentence) for one in broken] == [
        ("push-back", "XX1 on A1 and XX2 on A2 push back within 2 min, at 10:00"),
        ("tugs", "no tug is free for the tow of XX1 from A3 to A1 at 05:00"),
        ("frozen window", "XX2 moves from A3 to A2, too late"),
        ("locked stand", "XX3 is on A3, wished on A1"),
        ("a stand for each", "XX4 has no stand from 05:10 to 06:40"),
    ]
    night = broken_rules(stays, airport, ["A1", "A1", None, None, None], replace(orders, locked={}))
    assert [one.rule for one in night] == [NIGHT, STAND, STAND, STAND]


def test_the_lower_rank_gives_way() -> None:
    """Two flights at once, both wished on one stand, beside each other: one wish breaks, or push-backs coincide."""
    airport = make_airport("A1 C, A2 C, R3 C", rows=[["A1", "A2"]])
    turns = make_turns([(600, 660), (600, 661)])
    wishes = RulesConfig(locked={"XX0": "A1", "XX1": "A2"}, pushback=5)
    problem = build_problem(turns, airport, CostConfig(), np.zeros((2, 2)), wishes)
    plan, _ = search(problem, greedy_cost(problem), SearchConfig(rounds=5, matchings=5), np.random.default_rng(0))
    assert plan.tolist() == [0, 1]
    free = build_problem(turns, airport, CostConfig(), np.zeros((2, 2)), wishes.model_copy(update={"locked": {}}))
    plan, _ = search(free, greedy_cost(free), SearchConfig(rounds=5, matchings=5), np.random.default_rng(0))
    assert 2 in plan.tolist()


@pytest.mark.parametrize(
    ("locked", "text"),
    [
        ({"XX0": "A9"}, "rules.locked: XX0: no stand 'A9' in Testing; known: A1, A2"),
        ({"XX77": "A1"}, "rules.locked: no flight 'XX77' on the planned days; "),
        ({"XX0": "A1"}, "rules.locked: XX0: code D does not fit stand A1 (code C)"),
    ],
)
def test_a_lock_that_can_never_hold_is_one_line(locked: dict[str, str], text: str) -> None:
    days = [make_turns([(600, 660), (700, 760)], "DC")]
    with pytest.raises(UserError) as error:
        require_known_locks(days, make_airport("A1 C, A2 D"), locked)
    assert str(error.value).startswith(text)
    require_known_locks(days, make_airport("A1 C, A2 D"), {"XX1": "A1", "XX0": "A2"})


def test_ranks_are_one_to_six_and_each_has_a_sentence() -> None:
    assert [rule.rank for rule in BREAKABLE] == list(range(1, 7))
    assert all(rule.sentence.endswith(".") for rule in BREAKABLE)
