"""Greedy first-come allocation: with a fixed buffer, the industry's habit, or on expected-conflict cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.stands.problem import UNASSIGNED, Problem, blocked, gaps, insertion_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def greedy_buffer(problem: Problem, buffer: int) -> NDArray[np.int64]:
    """First come, first served; each turn takes the cheapest stand that keeps `buffer` minutes to its neighbours.

    Ties go to the stand with the most room. Where no stand keeps the buffer, the stand with the most room is taken, so
    a wide buffer never leaves an aircraft without a stand that a narrow one would have placed.
    Returns (n,) stand positions, UNASSIGNED where nothing is free.
    """
    gap = np.minimum(gaps(problem.turns), 240)

    def choose(turn: int, free: NDArray[np.int64], plan: NDArray[np.int64]) -> int:
        room = np.array([gap[turn, met_on(problem, plan, turn, stand)].min(initial=240) for stand in free])
        keeps = room >= buffer
        if not keeps.any():
            return int(free[room.argmax()])
        order = np.lexsort((-room, problem.static[turn, free]))
        return int(next(free[index] for index in order if keeps[index]))

    return _first_come(problem, choose)


def greedy_cost(problem: Problem) -> NDArray[np.int64]:
    """First come, first served; each turn takes the stand that adds the least cost, expected conflicts included."""

    def choose(turn: int, free: NDArray[np.int64], plan: NDArray[np.int64]) -> int:
        return int(free[insertion_costs(problem, plan, np.array([turn]))[0, free].argmin()])

    return _first_come(problem, choose)


def _first_come(problem: Problem, choose) -> NDArray[np.int64]:  # type: ignore[no-untyped-def]
    """Place turns in order of scheduled on-block; `choose(turn, free stands, plan)`."""
    plan = np.full(len(problem.turns), UNASSIGNED, dtype=np.int64)
    for turn in range(len(plan)):
        free = np.flatnonzero(~blocked(problem, plan, np.array([turn]))[0])
        if len(free):
            plan[turn] = choose(turn, free, plan)
    return plan


def met_on(problem: Problem, plan: NDArray[np.int64], turn: int, stand: int) -> NDArray[np.int64]:
    """The turns that `turn` would share `stand` with: those on it, and across its shadows."""
    with_it = plan == stand
    for shadow in problem.shadows:
        if stand == shadow.first:
            with_it |= (plan == shadow.second) & (shadow.second_casts | shadow.first_casts[turn])
        if stand == shadow.second:
            with_it |= (plan == shadow.first) & (shadow.first_casts | shadow.second_casts[turn])
    return np.flatnonzero(with_it)


def put_back(problem: Problem, plan: NDArray[np.int64], out: NDArray[np.int64]) -> NDArray[np.int64]:
    """The plan (n,) with the turns of `out` (k,) placed anew in that order, each where it costs least, or nowhere."""
    trial = plan.copy()
    trial[out] = UNASSIGNED
    for turn in out:
        row = np.array([turn])
        costs = np.where(blocked(problem, trial, row)[0], problem.unassigned, insertion_costs(problem, trial, row)[0])
        if costs.min() < problem.unassigned:
            trial[turn] = int(costs.argmin())
    return trial
