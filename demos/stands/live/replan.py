"""Re-plan a running day after news: only around what the news touches, and few stands at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.live.state import DayState, clock, problem_now
from demos.stands.plan import orders_of, stays_of
from demos.stands.problem import UNASSIGNED, Problem, blocked, insertion_costs, plan_cost
from demos.stands.rules.ranks import Broken
from demos.stands.search.relocate import relocate
from demos.stands.verify import broken_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Change:
    """A flight gets another stand. None: it has none, and waits; lead: minutes from now to on-block."""

    flight: str
    turn: int
    before: str | None
    after: str | None
    lead: int


@dataclass(frozen=True)
class Replanned:
    """The state with the new plan, what changed, and the rules that this plan could not hold, lowest rank first."""

    state: DayState
    changes: list[Change]
    broken: list[Broken]


def replan(state: DayState, now: int) -> Replanned:
    """Who comes within `live.horizon` and cannot have its stand gets another, and who gains by a change may; none else.

    For each that cannot stay, `live.most_changes` stands change at most; of those who gain, so many in all. Altogether
    `live.most_share` of the day's turns at most: who comes first moves first, the others after the next event.
    """
    state = clock(state, now)
    problem, before, live = problem_now(state, now), state.plan, state.config.live
    most, plan = max(1, int(live.most_share * len(before))), before
    soon = state.movable & (state.turns.sibt - now <= live.horizon)
    for turn in _stuck(problem, plan, soon, live.width):
        # An earlier one may have made room.
        left = min(live.most_changes, most - int((plan != before).sum()))
        if left > 0 and (plan[turn] == UNASSIGNED or _is_blocked(problem, plan, turn)):
            plan, _ = relocate(problem, plan, turn, state.movable, left, live.width)
    for turn in _gainers(problem, plan, state)[: live.width]:
        left = min(live.most_changes, most) - int((plan != before).sum())
        if left > 0:
            better, cost = relocate(problem, plan, turn, state.movable, min(left, 2), live.width)
            plan = better if cost < plan_cost(problem, plan) else plan
    done = replace(state, plan=plan, touched=np.zeros_like(state.touched))
    return Replanned(done, _changes(state, plan, now), broken_now(done, before, now))


def _stuck(problem: Problem, plan: NDArray[np.int64], soon: NDArray[np.bool_], waiting: int) -> list[int]:
    """Who comes `soon` (n,) and cannot be where it is planned, and the first few that have no stand, by on-block.

    waiting: how many of the latter; on a day on which many wait, each event tries again for those that come first.
    """
    rows = np.flatnonzero(soon & (plan != UNASSIGNED))
    rows = rows[blocked(problem, plan, rows)[np.arange(len(rows)), plan[rows]]]
    sibt, without = problem.turns.sibt, np.flatnonzero(soon & (plan == UNASSIGNED))
    first = without[np.argsort(sibt[without], kind="stable")][:waiting]
    stuck = np.concatenate([rows, first])
    return stuck[np.argsort(sibt[stuck], kind="stable")].tolist()


def _is_blocked(problem: Problem, plan: NDArray[np.int64], turn: int) -> bool:
    return bool(blocked(problem, plan, np.array([turn]))[0, plan[turn]])


def _gainers(problem: Problem, plan: NDArray[np.int64], state: DayState) -> list[int]:
    """Who is touched by the news, or shares risk with one who is, and would be better off elsewhere; most first."""
    touched = np.flatnonzero(state.touched)
    near = (problem.pair[touched] > 0) | problem.overlaps[touched]
    rows = np.flatnonzero(state.movable & (plan != UNASSIGNED) & (state.touched | near.any(axis=0)))
    costs = insertion_costs(problem, plan, rows)
    here = costs[np.arange(len(rows)), plan[rows]]
    gain = here - np.where(blocked(problem, plan, rows), here[:, None], costs).min(axis=1, initial=problem.unassigned)
    order = np.argsort(-gain, kind="stable")
    return rows[order][gain[order] > 0].tolist()


def _changes(state: DayState, plan: NDArray[np.int64], now: int) -> list[Change]:
    def name(stand: int) -> str | None:
        return None if stand == UNASSIGNED else state.airport.stands[stand].id

    flights = state.turns.table["flight"]
    return [
        Change(
            str(flights.iloc[turn]), turn, name(state.plan[turn]), name(plan[turn]), int(state.turns.sibt[turn] - now)
        )
        for turn in np.flatnonzero(plan != state.plan).tolist()
    ]


def broken_now(state: DayState, before: NDArray[np.int64], now: int) -> list[Broken]:
    """The rules that the plan breaks for those who have not left. before: (n,) the stands before re-planning."""
    turns = state.turns
    rows = np.flatnonzero(~state.gone)
    place = {int(turn): index for index, turn in enumerate(rows)}
    stays = stays_of(turns, rows)
    names = [None if at == UNASSIGNED else state.airport.stands[at].id for at in state.plan[rows]]
    frozen = state.movable & (before != UNASSIGNED) & (turns.sibt - now <= state.config.live.frozen)
    orders = orders_of(turns, state.config)
    links = [(place[one], place[two]) for one, two in orders.links if one in place and two in place]
    held = {place[turn]: state.airport.stands[before[turn]].id for turn in np.flatnonzero(frozen).tolist()}
    return broken_rules(stays, state.airport, names, replace(orders, links=links, held=held))
