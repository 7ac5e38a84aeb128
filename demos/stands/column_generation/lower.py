"""How far is a plan from the best there can be?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.ascent import Bound, ascend, share_of_cost
from demos.stands.column_generation.mix import Mix, raise_by_mix
from demos.stands.column_generation.stand_days import StandDays
from demos.stands.problem import Problem, part_of, plan_cost
from demos.stands.units import MINUTES_PER_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import PricesConfig

AGAIN = 30  # subgradients after shadows came in, for the stand-days that are met
SEEDED = 4  # stand-days a turn that the mix begins with


def lower_bound(problem: Problem, plans: Sequence[NDArray[np.int64]], config: PricesConfig) -> Bound:
    """No plan costs less. plans: (n,) each, at least one, the better the quicker.

    Several days are bounded one by one: what turns of two days cost each other is left out.
    """
    parts = []
    for turns in _days(problem):
        stands = np.arange(problem.n_stands)
        part = part_of(problem, turns, stands, problem.allowed[turns], problem.static[turns])
        parts.append(_bound_of_day(part, [plan[turns] for plan in plans], config))
    if not parts:
        return Bound(0, np.zeros(0, dtype=np.int64), [(0.0, 0)])
    found = parts[0]
    for later in parts[1:]:
        since = found.curve[-1][0]
        found.curve += [(since + seconds, found.value + value) for seconds, value in later.curve]
        found.value += later.value
        found.prices = np.concatenate([found.prices, later.prices])
        found.met = {}  # stand-days are numbered within their day
    return found


def _days(problem: Problem) -> list[NDArray[np.int64]]:
    """The turns (positions) that come on block on each day; what comes in the night before belongs to the first one."""
    day = np.maximum((problem.turns.sibt - problem.turns.day_start) // MINUTES_PER_DAY, 0)
    return [np.flatnonzero(day == one) for one in np.unique(day)]


def _bound_of_day(problem: Problem, plans: Sequence[NDArray[np.int64]], config: PricesConfig) -> Bound:
    """First without shadows, then with guests for them, and at last with pricing that counts one overlap more."""
    found = find_prices(StandDays(problem), plans, config)
    days = StandDays(problem, guests=True)
    best = min(plan_cost(problem, plan) for plan in plans)
    prices = np.concatenate([found.prices, np.zeros(len(days.low) - days.n, dtype=np.int64)])
    found = _after(found, ascend(days, prices, best, AGAIN))
    mix = Mix(days, _nearest(days, found, plans))
    if problem.shadows:
        found = _after(found, raise_by_mix(mix, found, config.rounds, config.seconds, config.within))
    if config.bound_rounds:
        last = raise_by_mix(mix, found, config.bound_rounds, config.seconds, config.bound_within, third=True)
        found = _after(found, last)
    return found


def find_prices(days: StandDays, plans: Sequence[NDArray[np.int64]], config: PricesConfig) -> Bound:
    """Prices that show a high bound, by subgradients and then by mixes; it remembers all stand-days that it met."""
    best = min(plans, key=lambda plan: plan_cost(days.problem, plan))
    start = ascend(days, share_of_cost(days, best), plan_cost(days.problem, best), config.ascents)
    if not config.rounds:
        return start
    mix = Mix(days, _nearest(days, start, plans))
    return _after(start, raise_by_mix(mix, start, config.rounds, config.seconds, config.within))


def _nearest(days: StandDays, found: Bound, plans: Sequence[NDArray[np.int64]]) -> list[tuple[int, tuple[int, ...]]]:
    """The stand-days of the plans, and of those met the ones that pay least more than the best."""
    met = list(found.met)
    dear = days.dear(met, found.prices)
    mine = [day for plan in plans for day in days.of_plan(plan)]
    return list(dict.fromkeys([*mine, *(met[at] for at in dear.argsort(kind="stable")[: SEEDED * len(found.prices)])]))


def _after(before: Bound, found: Bound) -> Bound:
    """The later one, its curve after that of the earlier one."""
    elapsed = before.curve[-1][0]
    found.curve = [*before.curve, *((elapsed + seconds, value) for seconds, value in found.curve)]
    return found
