"""Plans near the bound: prices, a dive for a plan, a search from there, and kicks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from demos.stands.column_generation.ascent import Bound
from demos.stands.column_generation.bound import find_prices
from demos.stands.column_generation.dive import dive
from demos.stands.column_generation.stand_days import StandDays
from demos.stands.problem import Problem, plan_cost
from demos.stands.search.kicks import kick_on
from demos.stands.search.neighbourhoods import SearchLog, search

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from demos.stands.config import PricesConfig


def plan_by_prices(
    problem: Problem,
    start: NDArray[np.int64],
    config: PricesConfig,
    generator: np.random.Generator,
    offer: Callable[[NDArray[np.int64]], None] | None = None,
) -> tuple[NDArray[np.int64], SearchLog, Bound]:
    """Improve `start` (n,) by `config.dives` dives, each searched on and kicked; never returns a worse plan.

    offer: is given each better plan. Returns the plan, the log of all searches with costs over time, and the bound from
    which the dives began.
    """
    began = time.perf_counter()
    log = SearchLog(curve=[(0.0, plan_cost(problem, start))])
    days = StandDays(problem)
    found = find_prices(days, start, config)
    best = [start]

    def keep(plan: NDArray[np.int64]) -> None:
        if plan_cost(problem, plan) < plan_cost(problem, best[0]):
            best[0] = plan
            if offer:
                offer(plan)

    for number in range(config.dives):
        plan = dive(days, found, generator, config.noise if number else 0.0)
        since = time.perf_counter() - began
        plan, latest = search(problem, plan, config.polish, generator)
        log.add(latest, since)
        keep(plan)
        since = time.perf_counter() - began
        _, latest = kick_on(problem, plan, config.kicks, generator, offer=keep)
        log.add(latest, since)
        if time.perf_counter() - began > config.seconds:
            log.stopped_by_clock = True
            break
    return best[0], log, found
