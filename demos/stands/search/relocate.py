"""Move few aircraft: one that must leave its stand, and those that make room for it, by trying chains of moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.stands.problem import UNASSIGNED, Problem, blocked, insertion_costs, plan_cost
from demos.stands.search.greedy import met_on

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Of a plan that breaks many rules so many turns are tried, as chains of at most so many moves, over so many stands
# each: half a second for a day of 350 turns.
SETTLED, SETTLED_MOST, SETTLED_WIDTH = 10, 4, 6


class Relocation:
    """The best way found to place turns anew; begins with the plan as it is without them.

    movable: (n,) who may make room; most: turns handled at most; width: stands tried for each of them.
    """

    def __init__(self, problem: Problem, movable: NDArray[np.bool_], most: int, width: int) -> None:
        self.problem, self.movable, self.most, self.width = problem, movable, most, width
        self.best: NDArray[np.int64] | None = None
        self.cost = 0

    def place(self, plan: NDArray[np.int64], todo: tuple[int, ...], handled: frozenset[int]) -> None:
        """Try stands for the first of `todo`, none of whom is in `plan`; then for the others, and who made room."""
        turn, rest = todo[0], todo[1:]
        row = np.array([turn])
        costs, stops = insertion_costs(self.problem, plan, row)[0], blocked(self.problem, plan, row)[0]
        free = np.flatnonzero(~stops)
        for stand in free[np.argsort(costs[free], kind="stable")][: self.width if rest else 1]:
            self._go_on(_at(plan, turn, int(stand)), rest, handled)
        if len(handled) < self.most:
            for stand, in_way in self._taken(plan, turn, costs, handled):
                cleared = plan.copy()
                cleared[in_way] = UNASSIGNED
                more = tuple(in_way.tolist())
                self._go_on(_at(cleared, turn, stand), (*rest, *more), handled | set(more))

    def offer(self, plan: NDArray[np.int64]) -> None:
        """Keep a whole plan if it is cheaper than what was found."""
        cost = plan_cost(self.problem, plan)
        if self.best is None or cost < self.cost:
            self.best, self.cost = plan, cost

    def _go_on(self, plan: NDArray[np.int64], todo: tuple[int, ...], handled: frozenset[int]) -> None:
        if todo:
            self.place(plan, todo, handled)
        else:
            self.offer(plan)

    def _taken(
        self, plan: NDArray[np.int64], turn: int, costs: NDArray[np.int64], handled: frozenset[int]
    ) -> list[tuple[int, NDArray[np.int64]]]:
        """The cheapest stands for `turn` that others would have to leave, and who these are."""
        found = []
        for stand in np.flatnonzero(self.problem.allowed[turn]).tolist():
            met = met_on(self.problem, plan, turn, stand)
            in_way = met[self.problem.overlaps[turn, met]]
            few = 0 < len(in_way) <= self.most - len(handled)
            if few and self.movable[in_way].all() and handled.isdisjoint(in_way.tolist()):
                found.append((int(costs[stand] - self.problem.pair[turn, in_way].sum()), stand, in_way))
        found.sort(key=lambda option: option[:2])
        return [(stand, in_way) for _, stand, in_way in found[: self.width]]


def relocate(
    problem: Problem, plan: NDArray[np.int64], turn: int, movable: NDArray[np.bool_], most: int, width: int
) -> tuple[NDArray[np.int64], int]:
    """The cheapest plan found in which `turn` has a stand that is free, or none, and its cost [1/100 min].

    At most `most` turns change their stands.
    """
    without = _at(plan, turn, UNASSIGNED)
    search = Relocation(problem, movable, most, width)
    search.offer(without)
    search.place(without, (turn,), frozenset([turn]))
    assert search.best is not None
    return search.best, search.cost


def settle(problem: Problem, plan: NDArray[np.int64], free: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A plan that costs no more, after trying to move the free turns that break a rule, the gravest first.

    Matching moves blocks and CP-SAT few turns; a rule that one chain of moves would keep can be missed by both.
    """
    costs = insertion_costs(problem, plan)
    now = np.where(plan == UNASSIGNED, problem.unassigned, costs[np.arange(len(plan)), plan])
    breaking = np.flatnonzero(free & (now >= problem.least_rule))
    for turn in breaking[np.argsort(-now[breaking], kind="stable")][:SETTLED].tolist():
        found, cost = relocate(problem, plan, turn, free, SETTLED_MOST, SETTLED_WIDTH)
        plan = found if cost < plan_cost(problem, plan) else plan
    return plan


def _at(plan: NDArray[np.int64], turn: int, stand: int) -> NDArray[np.int64]:
    found = plan.copy()
    found[turn] = stand
    return found
