"""How far is a plan from the best there can be?"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.ascent import Bound, ascend, insertion_prices, share_of_cost
from demos.stands.column_generation.mix import WIDTH, Mix, raise_by_mix
from demos.stands.column_generation.stand_days import StandDays
from demos.stands.problem import Problem, part_of, plan_cost
from demos.stands.units import MINUTES_PER_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import PricesConfig

SEEDED = 4  # stand-days a turn that the mix begins with
POOR = 0.5  # of a plan's cost; subgradients that end below have found nothing
A_TURN, FINEST = 1000, 1000  # units that a turn costs in the mean while a bound is sought; at most, of 1/100 min


def lower_bound(problem: Problem, plan: NDArray[np.int64], config: PricesConfig) -> Bound:
    """No plan costs less. plan: (n,) any. Its prices are in finer units.

    Several days are bounded one by one: what turns of two days cost each other is left out.
    """
    began = time.perf_counter()
    units = finer_units(problem, plan)
    exact = in_units(problem, units)
    parts = []
    for turns in _days(exact):
        stands = np.arange(exact.n_stands)
        part = part_of(exact, turns, stands, exact.allowed[turns], exact.static[turns])
        parts.append(_bound_of_day(part, plan[turns], config, units, began))
    if not parts:
        return Bound(0, np.zeros(0, dtype=np.int64), [(0.0, 0)])
    found = parts[0]
    for later in parts[1:]:
        found.curve += [(seconds, found.value + value) for seconds, value in later.curve]
        found.value += later.value
        found.prices = np.concatenate([found.prices, later.prices])
        found.met = {}  # stand-days are numbered within their day
    # Plans cost whole units.
    found.value, found.curve = (
        -(-found.value // units),
        [(seconds, -(-value // units)) for seconds, value in found.curve],
    )
    return found


def finer_units(problem: Problem, plan: NDArray[np.int64]) -> int:
    """How many of them are 1/100 min: on a slack day a turn costs so little that whole prices would be too rough."""
    return min(FINEST, max(1, A_TURN * len(problem.turns) // max(plan_cost(problem, plan), 1)))


def in_units(problem: Problem, units: int) -> Problem:
    """The same problem with `units` for each 1/100 min."""
    return replace(
        problem, static=problem.static * units, pair=problem.pair * units, unassigned=problem.unassigned * units
    )


def _days(problem: Problem) -> list[NDArray[np.int64]]:
    """The turns (positions) that come on block on each day; what comes in the night before belongs to the first one."""
    day = np.maximum((problem.turns.sibt - problem.turns.day_start) // MINUTES_PER_DAY, 0)
    return [np.flatnonzero(day == one) for one in np.unique(day)]


def _bound_of_day(problem: Problem, plan: NDArray[np.int64], config: PricesConfig, units: int, began: float) -> Bound:
    """With guests for shadows, and pricing that counts one overlap more."""
    nearer = config.model_copy(update={"within": config.bound_within})
    return find_prices(StandDays(problem, guests=True), plan, nearer, third=True, units=units, began=began)


def find_prices(
    days: StandDays,
    plan: NDArray[np.int64],
    config: PricesConfig,
    third: bool = False,
    units: int = 1,
    began: float | None = None,
) -> Bound:
    """Prices that show a high bound, by subgradients and then by mixes; it remembers all stand-days that it met.

    third: with pricing that counts overlaps with the third turn before, too, once the mixes begin. units: how many of
    the problem's are 1/100 min; began: `time.perf_counter()` from which the curve counts, now by default.
    """
    began = time.perf_counter() if began is None else began
    cost = plan_cost(days.problem, plan)
    start = ascend(days, share_of_cost(days, plan), cost, config.ascents, began)
    if not config.rounds:
        return start
    begin = start
    if start.value < POOR * cost:
        prices = insertion_prices(days, plan)
        begin = Bound(days.best_days(prices).bound, prices, met=start.met)
    mix = Mix(days, _nearest(days, begin, plan))
    limits = config.rounds, config.seconds, config.within
    return _after(start, raise_by_mix(mix, begin, *limits, third, units * WIDTH, began))


def _nearest(days: StandDays, found: Bound, plan: NDArray[np.int64]) -> list[tuple[int, tuple[int, ...]]]:
    """The stand-days of the plan, and of those met the ones that pay least more than the best."""
    met = list(found.met)
    dear = days.dear(met, found.prices)
    nearest = dear.argsort(kind="stable")[: SEEDED * len(found.prices)]
    return list(dict.fromkeys([*days.of_plan(plan), *(met[at] for at in nearest)]))


def _after(before: Bound, found: Bound) -> Bound:
    """The later one, its curve after that of the earlier one; where it is no higher, at the earlier one's prices."""
    found.curve = [*before.curve, *((seconds, max(value, before.value)) for seconds, value in found.curve)]
    if found.value < before.value:
        found.value, found.prices = before.value, before.prices
    return found
