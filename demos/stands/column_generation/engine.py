"""Plans near the bound: prices, a dive for a plan, and a search from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from demos.stands.column_generation.ascent import Bound
from demos.stands.column_generation.dive import dive
from demos.stands.column_generation.lower import find_prices
from demos.stands.column_generation.stand_days import StandDays
from demos.stands.problem import Problem, plan_cost
from demos.stands.search import SearchLog, search

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
    """Improve `start` (n,) by `config.dives` dives, each searched on; never returns a worse plan.

    offer: is given each better plan. Returns the plan, the log of all searches with costs over time, and the bound from
    which the dives began.
    """
    began = time.perf_counter()
    log = SearchLog(curve=[(0.0, plan_cost(problem, start))])
    days = StandDays(problem)
    found = find_prices(days, [start], config)
    plan = start
    for number in range(config.dives):
        at = dive(days, found, generator, config.noise if number else 0.0)
        since = time.perf_counter() - began
        candidate, latest = search(problem, at, config.polish, generator)
        log.add(latest, since)
        if plan_cost(problem, candidate) < plan_cost(problem, plan):
            plan = candidate
            if offer:
                offer(plan)
        if time.perf_counter() - began > config.seconds:
            log.stopped_by_clock = True
            break
    return plan, log, found
