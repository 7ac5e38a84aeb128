"""The cheapest mix of stand-days, by column generation: no prices of turns show a higher bound than its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from ortools.linear_solver import pywraplp

from demos.stands.column_generation.ascent import Bound
from demos.stands.column_generation.stand_days import StandDays

if TYPE_CHECKING:
    from numpy.typing import NDArray

EACH = 6  # stand-days that a group adds in a round
WIDTH = 60.0  # of the box of prices, to begin with [1/100 min]


class Mix:
    """The linear programme: the cheapest mix of known stand-days that takes each turn once, its prices in a box.

    Without the box prices swing from one round to the next, and the bound that they show is worthless (du Merle,
    Villeneuve, Desrosiers and Hansen 1999).
    """

    def __init__(
        self, days: StandDays, known: Iterable[tuple[int, tuple[int, ...]]], left: NDArray[np.int64] | None = None
    ) -> None:
        """known: stand-days to begin with; left: (G,) stands of each group that may be used, all by default."""
        self.days = days
        self.known: dict[tuple[int, tuple[int, ...]], pywraplp.Variable] = {}
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        n, many = len(days.low), self.solver.infinity()
        self.taken = [self.solver.Constraint(1, many) for _ in range(days.n)]
        self.taken += [self.solver.Constraint(0, 0) for _ in range(n - days.n)]
        self.left = days.sizes if left is None else left
        self.used = [self.solver.Constraint(-many, float(size)) for size in self.left]
        self.cost = self.solver.Objective()
        self.short = [self.solver.NumVar(0, many, "") for _ in range(n)]
        self.over = [self.solver.NumVar(0, many, "") for _ in range(n)]
        for taken, short, over in zip(self.taken, self.short, self.over, strict=True):
            taken.SetCoefficient(short, 1)
            taken.SetCoefficient(over, -1)
        for group, turns in known:
            self.add(group, turns)

    def add(self, group: int, turns: tuple[int, ...]) -> bool:
        """Whether this stand-day, in order, is new."""
        key = group, turns
        if key in self.known or not turns:
            return False
        self.known[key] = share = self.solver.NumVar(0, self.solver.infinity(), "")
        for price, times in self.days.bears(group, turns):
            self.taken[price].SetCoefficient(share, times)
        self.used[group].SetCoefficient(share, 1)
        self.cost.SetCoefficient(share, float(self.days.cost(group, np.array(turns))))
        return True

    def solve(self, centre: NDArray[np.int64], width: float) -> tuple[float, NDArray[np.int64]] | None:
        """What it costs [1/100 min], and whole prices (n + t,), these within `width` of `centre`; None if GLOP gives up."""
        top, low = self.days.problem.unassigned, self.days.low
        for short, over, price, least in zip(self.short, self.over, centre.tolist(), low.tolist(), strict=True):
            self.cost.SetCoefficient(short, min(top, price + width))
            self.cost.SetCoefficient(over, -max(least, price - width))
        if self.solver.Solve() != self.solver.OPTIMAL:
            # From where it stood GLOP sometimes gets lost; from the beginning it finds the way.
            afresh = pywraplp.MPSolverParameters()
            afresh.SetIntegerParam(afresh.INCREMENTALITY, afresh.INCREMENTALITY_OFF)
            if self.solver.Solve(afresh) != self.solver.OPTIMAL:
                return None
        prices = np.array([taken.dual_value() for taken in self.taken])
        return self.cost.Value(), np.rint(np.clip(prices, low, top)).astype(np.int64)

    def shares(self) -> list[tuple[float, int, tuple[int, ...]]]:
        """What is in the mix: share, group, turns."""
        found = [(share.solution_value(), *key) for key, share in self.known.items()]
        return [one for one in found if one[0] > 1e-6]


def raise_by_mix(
    mix: Mix, start: Bound, rounds: int, seconds: float, within: float = 0.0, third: bool = False
) -> Bound:
    """Raise a bound until no stand-day earns at the mix's prices, or it is `within` a share of what the mix costs.

    rounds, seconds: at most so many, so long. third: with pricing that counts overlaps with the third turn before, too.
    """
    began, width, found = time.perf_counter(), WIDTH, Bound(start.value, start.prices)
    for _ in range(rounds):
        solved = mix.solve(found.prices, width)
        if not solved or time.perf_counter() - began > seconds:
            break
        cost, prices = solved
        best = mix.days.best_days(prices, EACH, third)
        value, hoped = best.bound, cost - found.value
        new = sum(mix.add(*key) for key in best.listed())
        inside = bool((np.abs(prices - found.prices) < width - 1).all())
        if value > found.value:
            width *= 1.5 if value - found.value > 0.5 * hoped else 1.0
            found.value, found.prices = value, prices
        elif not new:
            width *= 2
        elif value < found.value - 2 * hoped:
            width = max(0.8 * width, 5.0)
        found.curve.append((time.perf_counter() - began, found.value))
        if inside and (not new or cost - found.value <= within * cost):
            break
    found.met = dict.fromkeys(mix.known)
    return found
