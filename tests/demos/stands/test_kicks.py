"""Kicks: they keep the hard rules, never make a plan worse, find more than the search, and go where none failed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.config import KicksConfig, SearchConfig
from demos.stands.problem import plan_cost
from demos.stands.search.greedy import greedy_buffer, greedy_cost
from demos.stands.search.kicks import draw_kick, kick_on
from demos.stands.search.neighbourhoods import rematch, search
from demos.stands.verify import violations
from tests.demos.stands.conftest import FEW, as_stays, random_problem, ruled_day, stand_names

SEEDS = st.integers(0, 10**6)
SHORT = KicksConfig(number=6, repairs=5, among=4)


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@FEW
@given(seed=SEEDS, turns=st.integers(2, 16), stands=st.integers(2, 5), share=st.floats(0, 1))
def test_hard_rules_hold_locked_turns_stay_and_no_plan_gets_worse(
    seed: int, turns: int, stands: int, share: float
) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    start, locked = greedy_buffer(problem, 10), draws(seed).random(turns) < share
    offered: list[int] = []
    plan, log = kick_on(
        problem, start.copy(), SHORT, draws(seed), locked, lambda better: offered.append(plan_cost(problem, better))
    )
    assert violations(as_stays(problem), problem.airport, stand_names(problem, plan)) == []
    assert np.array_equal(plan[locked], start[locked])
    assert [cost for _, cost in log.curve[1:]] == offered
    assert offered == sorted(set(offered), reverse=True)
    assert plan_cost(problem, plan) == [plan_cost(problem, start), *offered][-1]


@pytest.mark.parametrize("seed", [1, 2])
def test_days_with_rules_get_no_worse(seed: int) -> None:
    problem = ruled_day(seed, 12, 4)
    start = greedy_cost(problem)
    plan, _ = kick_on(problem, start, SHORT, draws())
    assert plan_cost(problem, plan) <= plan_cost(problem, start)
    assert violations(as_stays(problem), problem.airport, stand_names(problem, plan)) == []


def test_kicks_lead_on_where_the_search_has_ended() -> None:
    better = 0
    for seed in range(4):
        problem = random_problem(seed, 100, 6, sizes="E")
        ended, _ = search(problem, greedy_cost(problem), SearchConfig(rounds=4, parts=False), draws(seed))
        plan, _ = kick_on(problem, ended, KicksConfig(number=60), draws(seed))
        better += plan_cost(problem, plan) < plan_cost(problem, ended)
    assert better >= 3


def test_the_same_seed_gives_the_same_plan() -> None:
    problem = random_problem(2, 30, 6)
    start = greedy_cost(problem)
    first, again = (kick_on(problem, start, SHORT, draws(3))[0] for _ in range(2))
    assert np.array_equal(first, again)


def test_the_least_tried_place_is_taken() -> None:
    problem = random_problem(2, 40, 6)
    free, failed = np.ones(40, dtype=bool), np.ones(40, dtype=np.int64)
    failed[:5] = 0
    kick = draw_kick(problem, free, failed, 400, draws())
    assert kick.turns.max() < 5
    assert np.array_equal(failed, np.array([0] * 5 + [1] * 35))
    several = [draw_kick(problem, free, failed, 1, draws(seed)).turns.max() for seed in range(10)]
    assert max(several) >= 5


def test_a_kick_takes_free_turns_alone() -> None:
    problem = random_problem(2, 40, 6)
    free = np.arange(40) % 2 == 0
    for seed in range(10):
        kick = draw_kick(problem, free, np.zeros(40, dtype=np.int64), 3, draws(seed))
        assert free[kick.turns].all()
        on = problem.turns.sibt[kick.turns]
        assert on.min() == kick.start
        assert on.max() < kick.start + kick.minutes


def test_nothing_free_means_nothing_done() -> None:
    problem = random_problem(3, 8, 3)
    start = greedy_buffer(problem, 0)
    plan, log = kick_on(problem, start, SHORT, draws(), locked=np.ones(8, dtype=bool))
    assert np.array_equal(plan, start)
    assert len(log.curve) == 1


def test_the_clock_stops_kicks() -> None:
    problem = random_problem(2, 30, 6)
    _, log = kick_on(problem, greedy_cost(problem), KicksConfig(number=10**6, seconds=1e-9), draws())
    assert log.stopped_by_clock
    assert log.matchings <= 20


def test_noise_disturbs_the_costs_and_never_what_is_forbidden() -> None:
    problem = random_problem(2, 30, 6, shadows=False, closures=True, sizes="E")
    start = greedy_cost(problem)
    every, stay = np.arange(30), np.zeros(6, dtype=bool)
    calm = rematch(problem, start, every, stay, np.zeros((6, 6)))
    assert np.array_equal(calm, rematch(problem, start, every, stay))
    noise = 1e7 * draws().gumbel(size=(6, 6))
    wild = rematch(problem, start, every, stay, noise)
    assert not np.array_equal(wild, start)
    assert violations(as_stays(problem), problem.airport, stand_names(problem, wild)) == []
