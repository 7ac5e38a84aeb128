"""Who takes part in the bench. A contender hands over each better plan, and returns whether it claims to have the best.

Each has `seconds` for all that it does, and two threads where it can use them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.problem import UNASSIGNED, Problem, cost_change, plan_cost
from demos.stands.search.greedy import greedy_cost, put_back
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig

Offer = Callable[["NDArray[np.int64]"], None]
Contender = Callable[[Problem, float, Offer, "StandsConfig"], bool]
THREADS = 2
ROUNDS_BEFORE_KICKS = 5
TAKEN_OUT = 2, 10  # turns that the textbook's search takes out at a time, at least and at most
HOT, COLD_SHARE = 0.5, 0.002  # its first temperature, of what a turn costs in the mean, and its last, of the first
ROLLED = 480  # minutes of a window that is planned at a time
HIGHS_ENDS = 2.0  # how long after its limit HiGHS may hand over a plan [s]
KICKED_FIRST, KICKED_FIRST_IF_LARGE = 0.1, 0.5  # of the time, before prices are sought
LEANING, ONLY_LEANING = 1.0, 1e6  # what a stand e times less likely costs in a learned start [conflict minutes]
DUAL, SEARCH, MATCHING, PARTS = "prices and search", "search", "search, matching alone", "search, CP-SAT parts alone"
RANDOM, GREEDY = "random large neighbourhoods", "greedy"
KICKS, KICKS_ANYWHERE = "search and kicks", "search and kicks anywhere"
ROLLING = "search and kicks, 8 h at a time"
LEARNED, LIKELY = "learned start, search and kicks", "likely stands alone"
LEARNED_DUAL = "learned start, prices and search"
COLD, HINTED = "CP-SAT, cold", "CP-SAT, hinted"
FLOW, CBC, HIGHS = "time-space flow, HiGHS", "pairwise, PuLP and CBC", "pairwise, PuLP and HiGHS"


def _greedy(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    offer(greedy_cost(problem))
    return False


def _dual(
    problem: Problem,
    seconds: float,
    offer: Offer,
    config: StandsConfig,
    start: Callable[[Problem], NDArray[np.int64]] = greedy_cost,
) -> bool:
    """A first plan, kicks for a tenth of the time, then dives that are searched on and kicked, until the time is over.

    On a large airport kicks come first for half of the time, then it is planned region by region.
    """
    from demos.stands.column_generation.regions import plan_by_regions

    draws = generator(config.seed, "bench")
    share = KICKED_FIRST if problem.n_stands <= config.prices.region else KICKED_FIRST_IF_LARGE
    plan = _kicked(problem, share * seconds, offer, config, draws, start)
    limits = config.prices.model_copy(update={"dives": 10**6, "seconds": seconds})
    plan_by_regions(problem, plan, limits, draws, offer)
    return False


def _search(
    problem: Problem, seconds: float, offer: Offer, config: StandsConfig, matchings: bool = True, parts: bool = True
) -> bool:
    from demos.stands.search.neighbourhoods import search

    changes = {"rounds": 1, "parts": parts, **({} if matchings else {"matchings": 0})}
    draws, plan, began = generator(config.seed, "bench"), greedy_cost(problem), time.perf_counter()
    offer(plan)
    while time.perf_counter() - began < seconds:
        better, _ = search(problem, plan, config.search.model_copy(update=changes), draws)
        if plan_cost(problem, better) < plan_cost(problem, plan):
            offer(better)
        plan = better
    return False


def _kicks(
    problem: Problem,
    seconds: float,
    offer: Offer,
    config: StandsConfig,
    among: int | None = None,
    start: Callable[[Problem], NDArray[np.int64]] = greedy_cost,
) -> bool:
    """A first plan, windows re-matched until that leads nowhere, then kicks until the time is over."""
    draws = generator(config.seed, "bench")
    if among is not None:
        config = config.model_copy(update={"kicks": config.kicks.model_copy(update={"among": among})})
    _kicked(problem, seconds, offer, config, draws, start)
    return False


def _kicked(
    problem: Problem,
    seconds: float,
    offer: Offer,
    config: StandsConfig,
    draws: np.random.Generator,
    start: Callable[[Problem], NDArray[np.int64]],
) -> NDArray[np.int64]:
    from demos.stands.search.kicks import kick_on
    from demos.stands.search.neighbourhoods import search

    began = time.perf_counter()
    if start is not greedy_cost:
        offer(greedy_cost(problem))
    plan = start(problem)
    offer(plan)
    for _ in range(ROUNDS_BEFORE_KICKS):
        plan, _ = search(problem, plan, config.search.model_copy(update={"rounds": 1, "parts": False}), draws)
        offer(plan)
    limits = {"number": 10**6, "seconds": max(seconds - (time.perf_counter() - began), 0.01)}
    plan, _ = kick_on(problem, plan, config.kicks.model_copy(update=limits), draws, offer=offer)
    return plan


def _rolling(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    """Window after window of 8 h: its turns first come at least cost, searched on and kicked, then fixed.

    Each has its share of the time, by its turns.
    """
    from demos.stands.search.kicks import kick_on
    from demos.stands.search.neighbourhoods import search

    draws, began, sibt = generator(config.seed, "bench"), time.perf_counter(), problem.turns.sibt
    plan, window = np.full(len(sibt), UNASSIGNED, dtype=np.int64), (sibt - sibt.min()) // ROLLED
    for one in np.unique(window):
        locked = window != one
        mine = np.flatnonzero(~locked)
        plan = put_back(problem, plan, mine[np.argsort(sibt[mine], kind="stable")])
        for _ in range(ROUNDS_BEFORE_KICKS):
            plan, _ = search(
                problem, plan, config.search.model_copy(update={"rounds": 1, "parts": False}), draws, locked
            )
        offer(plan)
        until = seconds * (window <= one).mean()
        limits = {"number": 10**6, "seconds": max(until - (time.perf_counter() - began), 0.01)}
        plan, _ = kick_on(problem, plan, config.kicks.model_copy(update=limits), draws, locked, offer)
    return False


def _leaning(problem: Problem, weight: float = LEANING) -> NDArray[np.int64]:
    from demos.stands.learned_start.likely_stands import learned_start

    return learned_start(problem, weight)


def _likely(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    """First come, each on the likeliest of the stands that are free; cost only tells equal ones apart."""
    offer(_leaning(problem, ONLY_LEANING))
    return False


def _random(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    """Large-neighbourhood search as in the textbooks: take turns out, at random or near one in time, put each back
    where it costs least, and anneal (Ropke and Pisinger 2006).

    The constants are the best of a dozen choices on two days of September, and do at three airports, too.
    """
    draws, plan, began = generator(config.seed, "bench"), greedy_cost(problem), time.perf_counter()
    offer(plan)
    cost = best = plan_cost(problem, plan)
    hot, middle = HOT * cost / len(plan), (problem.turns.sibt + problem.turns.sobt) / 2
    while (at := (time.perf_counter() - began) / seconds) < 1:
        order = draws.permutation(len(plan))
        if draws.random() < 0.5:
            order = np.argsort(np.abs(middle - middle[order[0]]) * draws.uniform(0.7, 1.3, len(plan)))
        out = order[: draws.integers(*TAKEN_OUT, endpoint=True)]
        trial = put_back(problem, plan, draws.permutation(np.union1d(out, np.flatnonzero(plan == UNASSIGNED))))
        new = cost + cost_change(problem, plan, trial)
        if new <= cost - hot * COLD_SHARE**at * np.log(1 - draws.random()):
            plan, cost = trial, new
        if new < best:
            best = new
            offer(trial)
    return False


def _whole_day(problem: Problem, seconds: float, offer: Offer, config: StandsConfig, hinted: bool) -> bool:
    from demos.stands.bench.cp_sat import solve_day

    began, start = time.perf_counter(), greedy_cost(problem) if hinted else None
    if start is not None:
        offer(start)
    return solve_day(problem, seconds - (time.perf_counter() - began), offer, THREADS, config.seed, start)


def _flow(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    """HiGHS hands over nothing before it ends; it is told to end before the time is up, and takes its time to."""
    from demos.stands.bench.flow import solve_flow

    found = solve_flow(problem, min(0.9 * seconds, seconds - HIGHS_ENDS))
    if found.plan is not None:
        offer(found.plan)
    return False


def _pairwise(problem: Problem, seconds: float, offer: Offer, config: StandsConfig, solver: str) -> bool:
    from demos.stands.bench.pairwise import solve_pairwise

    plan, best = solve_pairwise(problem, seconds, solver, THREADS)
    if plan is not None:
        offer(plan)
    return best


CONTENDERS: dict[str, Contender] = {
    DUAL: _dual,
    LEARNED_DUAL: partial(_dual, start=_leaning),
    SEARCH: _search,
    MATCHING: partial(_search, parts=False),
    PARTS: partial(_search, matchings=False),
    KICKS: _kicks,
    KICKS_ANYWHERE: partial(_kicks, among=1),
    ROLLING: _rolling,
    LEARNED: partial(_kicks, start=_leaning),
    LIKELY: _likely,
    RANDOM: _random,
    GREEDY: _greedy,
    COLD: partial(_whole_day, hinted=False),
    HINTED: partial(_whole_day, hinted=True),
    FLOW: _flow,
    CBC: partial(_pairwise, solver="CBC"),
    HIGHS: partial(_pairwise, solver="HiGHS"),
}
SEARCHING = "demos.stands.search.neighbourhoods", "demos.stands.search.kicks"
PRICING = *SEARCHING, "demos.stands.column_generation.regions"
MODULES = {
    **dict.fromkeys((DUAL, LEARNED_DUAL), PRICING),
    **dict.fromkeys((SEARCH, MATCHING, PARTS, KICKS, KICKS_ANYWHERE, ROLLING, LEARNED), SEARCHING),
    **dict.fromkeys((COLD, HINTED), ("demos.stands.bench.cp_sat",)),
    FLOW: ("demos.stands.bench.flow",),
    **dict.fromkeys((CBC, HIGHS), ("demos.stands.bench.pairwise",)),
}


def warm_up(name: str) -> None:
    """Before a contender's clock starts: imports, and what numba compiles or reads from its cache.

    The other solvers came compiled.
    """
    from demos.stands import meetings

    meetings.compile_all()
    for module in MODULES.get(name, ()):
        import_module(module)
    if name in (DUAL, LEARNED_DUAL):
        import_module("demos.stands.column_generation.paths").compile_all()
    if name in (LEARNED, LIKELY, LEARNED_DUAL):
        import_module("demos.stands.learned_start.likely_stands").shipped()
