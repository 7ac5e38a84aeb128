"""How far is a plan from the best there can be?"""

from __future__ import annotations

from collections.abc import Sequence
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

AGAIN = 30  # subgradients after shadows came in, for the stand-days that are met
SEEDED = 4  # stand-days a turn that the mix begins with
POOR = 0.5  # of the best plan's cost; subgradients that end below have found nothing
A_TURN, FINEST = 1000, 1000  # units that a turn costs in the mean while a bound is sought; at most, of 1/100 min


def lower_bound(problem: Problem, plans: Sequence[NDArray[np.int64]], config: PricesConfig) -> Bound:
    """No plan costs less. plans: (n,) each, at least one, the better the quicker. Its prices are in finer units.

    Several days are bounded one by one: what turns of two days cost each other is left out.
    """
    units = finer_units(problem, plans)
    exact = in_units(problem, units)
    parts = []
    for turns in _days(exact):
        stands = np.arange(exact.n_stands)
        part = part_of(exact, turns, stands, exact.allowed[turns], exact.static[turns])
        parts.append(_bound_of_day(part, [plan[turns] for plan in plans], config, units))
    if not parts:
        return Bound(0, np.zeros(0, dtype=np.int64), [(0.0, 0)])
    found = parts[0]
    for later in parts[1:]:
        since = found.curve[-1][0]
        found.curve += [(since + seconds, found.value + value) for seconds, value in later.curve]
        found.value += later.value
        found.prices = np.concatenate([found.prices, later.prices])
        found.met = {}  # stand-days are numbered within their day
    # Plans cost whole units.
    found.value, found.curve = (
        -(-found.value // units),
        [(seconds, -(-value // units)) for seconds, value in found.curve],
    )
    return found


def finer_units(problem: Problem, plans: Sequence[NDArray[np.int64]]) -> int:
    """How many of them are 1/100 min: on a slack day a turn costs so little that whole prices would be too rough."""
    best = min(plan_cost(problem, plan) for plan in plans)
    return min(FINEST, max(1, A_TURN * len(problem.turns) // max(best, 1)))


def in_units(problem: Problem, units: int) -> Problem:
    """The same problem with `units` for each 1/100 min."""
    return replace(
        problem, static=problem.static * units, pair=problem.pair * units, unassigned=problem.unassigned * units
    )


def _days(problem: Problem) -> list[NDArray[np.int64]]:
    """The turns (positions) that come on block on each day; what comes in the night before belongs to the first one."""
    day = np.maximum((problem.turns.sibt - problem.turns.day_start) // MINUTES_PER_DAY, 0)
    return [np.flatnonzero(day == one) for one in np.unique(day)]


def _bound_of_day(problem: Problem, plans: Sequence[NDArray[np.int64]], config: PricesConfig, units: int) -> Bound:
    """First without shadows, then with guests for them, and at last with pricing that counts one overlap more."""
    found = find_prices(StandDays(problem), plans, config, units)
    days = StandDays(problem, guests=True)
    best = min(plan_cost(problem, plan) for plan in plans)
    prices = np.concatenate([found.prices, np.zeros(len(days.low) - days.n, dtype=np.int64)])
    found = _after(found, ascend(days, prices, best, AGAIN))
    mix, width = Mix(days, _nearest(days, found, plans)), units * WIDTH
    if problem.shadows:
        found = _after(found, raise_by_mix(mix, found, config.rounds, config.seconds, config.within, width=width))
    if config.bound_rounds:
        limits = config.bound_rounds, config.seconds, config.bound_within
        found = _after(found, raise_by_mix(mix, found, *limits, third=True, width=width))
    return found


def find_prices(days: StandDays, plans: Sequence[NDArray[np.int64]], config: PricesConfig, units: int = 1) -> Bound:
    """Prices that show a high bound, by subgradients and then by mixes; it remembers all stand-days that it met.

    units: how many of the problem's are 1/100 min.
    """
    best = min(plans, key=lambda plan: plan_cost(days.problem, plan))
    start = ascend(days, share_of_cost(days, best), plan_cost(days.problem, best), config.ascents)
    if not config.rounds:
        return start
    begin = start
    if start.value < POOR * plan_cost(days.problem, best):
        prices = insertion_prices(days, best)
        begin = Bound(days.best_days(prices).bound, prices, met=start.met)
    mix = Mix(days, _nearest(days, begin, plans))
    limits = config.rounds, config.seconds, config.within
    return _after(start, raise_by_mix(mix, begin, *limits, width=units * WIDTH))


def _nearest(days: StandDays, found: Bound, plans: Sequence[NDArray[np.int64]]) -> list[tuple[int, tuple[int, ...]]]:
    """The stand-days of the plans, and of those met the ones that pay least more than the best."""
    met = list(found.met)
    dear = days.dear(met, found.prices)
    mine = [day for plan in plans for day in days.of_plan(plan)]
    return list(dict.fromkeys([*mine, *(met[at] for at in dear.argsort(kind="stable")[: SEEDED * len(found.prices)])]))


def _after(before: Bound, found: Bound) -> Bound:
    """The later one, its curve after that of the earlier one; where it is no higher, at the earlier one's prices."""
    elapsed = before.curve[-1][0]
    after = [(elapsed + seconds, max(value, before.value)) for seconds, value in found.curve]
    found.curve = [*before.curve, *after]
    if found.value < before.value:
        found.value, found.prices = before.value, before.prices
    return found
