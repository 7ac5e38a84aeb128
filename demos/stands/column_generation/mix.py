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
TIED, BROKEN = 200, 1e-3  # so many ties at most are taken up at once, those broken by more than this share
PATIENCE, IDLE = 20, 5e-5  # it ends when so many rounds narrowed the gap by no more than this share
STEP, SHORTEST = 0.5, 0.3  # of the way to the mix's prices: to begin with, and at least
WIDTH, NARROWEST = 60.0, 1 / 3  # of the box of prices: to begin with [1/100 min], and at least, of that
# Presolving and scaling change the programme anew each time, and GLOP then cannot go on from where it stood.
AS_IT_IS, ANEW = "use_preprocessing: false use_scaling: false", "use_preprocessing: true use_scaling: true"


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
        self.solver.SetSolverSpecificParametersAsString(AS_IT_IS)
        n, many = len(days.low), self.solver.infinity()
        self.taken = [self.solver.Constraint(1, many) for _ in range(days.n)]
        self.taken += [self.solver.Constraint(0, 0) for _ in range(n - days.n)]
        self.tied = np.arange(n) < days.n  # prices that may differ from 0; ties become so as they are found broken
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
            if self.tied[price]:
                self.taken[price].SetCoefficient(share, times)
        self.used[group].SetCoefficient(share, 1)
        self.cost.SetCoefficient(share, float(self.days.cost(group, np.array(turns))))
        return True

    def tie(self, most: int = TIED) -> int:
        """Of the ties that the last mix breaks, make those count that are broken most; how many."""
        broken = np.zeros(len(self.tied))
        for share, group, turns in self.shares():
            for price, times in self.days.bears(group, turns):
                broken[price] += share * times
        broken[self.tied] = 0
        new = [price for price in np.argsort(-np.abs(broken))[:most].tolist() if abs(broken[price]) > BROKEN]
        self.tied[new] = True
        for (group, turns), share in self.known.items() if new else ():
            for price, times in self.days.bears(group, turns):
                if price >= self.days.n and self.tied[price]:
                    self.taken[price].SetCoefficient(share, times)
        return len(new)

    def solve(self, centre: NDArray[np.int64], width: float) -> tuple[float, NDArray[np.int64]] | None:
        """Cost [1/100 min] and whole prices (n + t,), these within `width` of `centre`; None if GLOP gives up."""
        top, low = self.days.problem.unassigned, self.days.low
        for short, over, price, least in zip(self.short, self.over, centre.tolist(), low.tolist(), strict=True):
            self.cost.SetCoefficient(short, min(top, price + width))
            self.cost.SetCoefficient(over, -max(least, price - width))
        if self.solver.Solve() != self.solver.OPTIMAL and not self._solve_anew():
            return None
        prices = np.array([taken.dual_value() for taken in self.taken])
        prices = np.rint(np.clip(prices, low, top)).astype(np.int64)
        return self.cost.Value(), np.where(self.tied, prices, centre)

    def _solve_anew(self) -> bool:
        """From where it stood GLOP sometimes gets lost; from the beginning it finds the way."""
        afresh = pywraplp.MPSolverParameters()
        afresh.SetIntegerParam(afresh.INCREMENTALITY, afresh.INCREMENTALITY_OFF)
        self.solver.SetSolverSpecificParametersAsString(ANEW)
        found = self.solver.Solve(afresh)
        self.solver.SetSolverSpecificParametersAsString(AS_IT_IS)
        return bool(found == self.solver.OPTIMAL)

    def shares(self) -> list[tuple[float, int, tuple[int, ...]]]:
        """What is in the mix: share, group, turns."""
        found = [(share.solution_value(), *key) for key, share in self.known.items()]
        return [one for one in found if one[0] > 1e-6]


def raise_by_mix(
    mix: Mix,
    start: Bound,
    rounds: int,
    seconds: float,
    within: float = 0.0,
    third: bool = False,
    width: float = WIDTH,
    since: float | None = None,
) -> Bound:
    """Raise a bound until no stand-day earns, it is `within` a share of what the mix costs, or nothing much happens.

    Days are sought at prices on the way from the best ones known to the mix's (smoothing; Pessoa, Sadykov, Uchoa and
    Vanderbeck 2018, "Automation and combination of linear-programming based stabilization techniques").
    rounds, seconds: at most so many, so long. third: with pricing that counts overlaps with the third turn before, too.
    width: of the box of prices, to begin with; since: `time.perf_counter()` that the curve counts from, now by default.
    """
    began, narrowest, step, found = time.perf_counter(), NARROWEST * width, STEP, Bound(start.value, start.prices)
    since = began if since is None else since
    gaps: list[float] = []
    for _ in range(rounds):
        solved = mix.solve(found.prices, width)
        if not solved or time.perf_counter() - began > seconds:
            break
        cost, theirs = solved
        ties = mix.tie()
        prices = np.rint(found.prices + step * (theirs - found.prices)).astype(np.int64)
        best = mix.days.best_days(prices, EACH, third)
        new = sum(mix.add(*key) for key in best.listed())
        inside = bool((np.abs(theirs - found.prices) < width - 1).all())
        if best.bound > found.value:
            found.value, found.prices = best.bound, prices
        else:
            step = max(0.8 * step, SHORTEST) if new else 2 * step
            if best.bound < found.value - 0.5 * (cost - found.value):
                width = max(0.8 * width, narrowest)
        if not new and step >= 1:
            width *= 2
        step = min(step, 1.0)
        found.curve.append((time.perf_counter() - since, found.value))
        gaps.append(cost - found.value)
        if len(gaps) > PATIENCE and min(gaps[-PATIENCE:]) > min(gaps[:-PATIENCE]) - IDLE * cost:
            break
        done = cost - found.value <= within * cost or (not new and step == 1)
        if inside and not ties and done:
            break
    found.curve.append((time.perf_counter() - since, found.value))
    found.met = dict.fromkeys(mix.known)
    return found
