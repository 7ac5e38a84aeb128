"""Prices of turns that raise the bound, by subgradients: quick, and close."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.stand_days import BestDays, StandDays
from demos.stands.problem import UNASSIGNED, blocked, insertion_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATIENCE = 8  # iterations without progress after which steps become shorter
MEMORY = 0.9  # of the direction before
RATE = 0.3  # of Polyak's step, to begin with


@dataclass
class Bound:
    """value: no plan costs less [1/100 min]; prices: (n + t,) that show it; curve: (seconds, value) as it rose; met:
    the stand-days on the way, each a group and its turns in order.
    """

    value: int
    prices: NDArray[np.int64]
    curve: list[tuple[float, int]] = field(default_factory=list)
    met: dict[tuple[int, tuple[int, ...]], None] = field(default_factory=dict)


def share_of_cost(days: StandDays, plan: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n + t,) of each turn what its stand costs, and half of what it costs with others: prices to begin with."""
    problem = days.problem
    together = (plan[:, None] == plan[None, :]) & (plan != UNASSIGNED)[:, None]
    share = problem.static[np.arange(len(plan)), plan] + np.where(together, problem.pair, 0).sum(axis=1) // 2
    share = np.where(plan == UNASSIGNED, problem.unassigned, np.minimum(share, problem.unassigned))
    return np.concatenate([share, np.zeros(len(days.low) - len(share), dtype=np.int64)])


def insertion_prices(days: StandDays, plan: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n + t,) what each turn adds to a plan at least, the others where they are: prices for a slack day."""
    problem = days.problem
    costs = np.where(blocked(problem, plan), problem.unassigned, insertion_costs(problem, plan)).min(axis=1)
    return np.concatenate([np.minimum(costs, problem.unassigned), np.zeros(len(days.low) - days.n, dtype=np.int64)])


def ascend(
    days: StandDays, prices: NDArray[np.int64], upper: int, iterations: int, began: float | None = None
) -> Bound:
    """Raise the bound from `prices` (n + t,) by deflected subgradients and Polyak's step.

    upper: the cost of any plan [1/100 min]; began: `time.perf_counter()` from which the curve counts, now by default.
    Source: Camerini, Fratta and Maffioli 1975, "On improving relaxation methods by modified gradient techniques".
    """
    began = time.perf_counter() if began is None else began
    rate, idle = RATE, 0
    found, at = Bound(0, np.zeros_like(prices)), prices.astype(np.float64)
    direction = np.zeros(len(prices))
    for _ in range(iterations):
        whole = np.rint(at).astype(np.int64)
        best = days.best_days(whole, each=int(days.sizes.max()))
        found.met.update(dict.fromkeys(best.listed()))
        idle = 0 if best.bound > found.value + 1e-4 * upper else idle + 1
        if best.bound > found.value:
            found.value, found.prices = best.bound, whole
        found.curve.append((time.perf_counter() - began, found.value))
        if idle >= PATIENCE:
            rate, idle, at = 0.7 * rate, 0, found.prices.astype(np.float64)
        direction = MEMORY * direction + (1 - MEMORY) * _not_taken(days, best)
        length = float(direction @ direction)
        if not length:
            break
        at = np.clip(at + rate * (1.01 * upper - best.bound) / length * direction, days.low, days.problem.unassigned)
    return found


def _not_taken(days: StandDays, best: BestDays) -> NDArray[np.float64]:
    """(n + t,) 1 less how often stands take each turn, those of a group its best days, one each; 0 for ties."""
    left = np.zeros(len(days.low))
    left[: days.n] = 1
    for size, found in zip(days.sizes, best.days, strict=True):
        for turns in found[:size]:
            left[turns[turns < days.n]] -= size / min(size, len(found))
    return left
