"""Large airports in parts: some stands with all that stands on them are a problem of their own, the rest stays.

Partial optimisation (Taillard and Voss 2002): a part small enough for prices and dives is solved as well as a small
airport is, and what it finds counts only if the whole plan gets cheaper by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.engine import plan_by_prices
from demos.stands.problem import UNASSIGNED, Problem, blocked, insertion_costs, part_of, plan_cost
from demos.stands.search.neighbourhoods import SearchLog, keeps_hard_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import PricesConfig


def plan_by_regions(
    problem: Problem,
    start: NDArray[np.int64],
    config: PricesConfig,
    generator: np.random.Generator,
    offer: Callable[[NDArray[np.int64]], None] | None = None,
) -> tuple[NDArray[np.int64], SearchLog]:
    """Improve `start` (n,) region by region, each stand in `config.dives` regions at least; never returns a worse plan.

    offer: is given each better plan. An airport of at most `config.region` stands is one region.
    """
    if not len(start):
        return start, SearchLog(curve=[(0.0, 0)])
    if problem.n_stands <= config.region:
        whole, log, _ = plan_by_prices(problem, start, config, generator, offer)
        return whole, log
    began, plan = time.perf_counter(), start
    log = SearchLog(curve=[(0.0, plan_cost(problem, plan))])
    once = config.model_copy(update={"dives": 1})
    for stands in _regions(problem, plan, config, generator):
        part, turns = region(problem, plan, stands)
        if not len(turns):
            continue
        found, latest, _ = plan_by_prices(part, _places(plan[turns], stands), once, generator)
        candidate = plan.copy()
        candidate[turns] = np.where(found == UNASSIGNED, UNASSIGNED, stands[found])
        log.count(latest)
        cost = plan_cost(problem, candidate)
        if cost < log.curve[-1][1] and keeps_hard_rules(problem, candidate, turns):
            plan = candidate
            log.curve.append((time.perf_counter() - began, cost))
            if offer:
                offer(plan)
        if time.perf_counter() - began > config.seconds:
            log.stopped_by_clock = True
            break
    return plan, log


def _regions(
    problem: Problem, plan: NDArray[np.int64], config: PricesConfig, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Stands that are good for the same turns, around one that was in no region yet, until all were, so many times."""
    static = np.where(problem.allowed, problem.static, problem.unassigned).astype(np.float64)
    for _ in range(config.dives):
        left = np.ones(problem.n_stands, dtype=bool)
        while left.any():
            centre = generator.choice(np.flatnonzero(left))
            near = static[plan == centre].mean(axis=0) if (plan == centre).any() else static.mean(axis=0)
            # Of stands that are as good as each other, those that were in no region yet come first.
            order = np.lexsort((generator.random(problem.n_stands), ~left, near))
            stands = np.sort(np.unique([centre, *order[: config.region_stands - 1]]))
            left[stands] = False
            yield stands


def region(problem: Problem, plan: NDArray[np.int64], stands: NDArray[np.int64]) -> tuple[Problem, NDArray[np.int64]]:
    """The problem of some stands (positions, in order) and of the turns (r,) on them or nowhere; all others stay.

    Couplings between turns of the region are left out: the whole plan's cost has to judge.
    """
    turns = np.flatnonzero(np.isin(plan, stands) | (plan == UNASSIGNED))
    rest = plan.copy()
    rest[turns] = UNASSIGNED
    allowed, static = ~blocked(problem, rest, turns), insertion_costs(problem, rest, turns)
    return part_of(problem, turns, stands, allowed[:, stands], static[:, stands]), turns


def _places(plan: NDArray[np.int64], stands: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions among `stands`, in order, for stands (r,) of the whole airport."""
    return np.where(plan == UNASSIGNED, UNASSIGNED, np.searchsorted(stands, plan))
