"""All plans of one operating day: the peers, the day-ahead plan, and the plan that is mended until T-2 h."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport
from demos.stands.column_generation.regions import plan_by_regions
from demos.stands.learned_start.likely_stands import learned_start
from demos.stands.learning.beliefs import Later, beliefs, sampled
from demos.stands.learning.risk import expected_overlap
from demos.stands.problem import UNASSIGNED, Problem, build_problem, pair_costs
from demos.stands.replay import Replay, replay
from demos.stands.search.greedy import greedy_buffer, greedy_cost
from demos.stands.search.kicks import kick_on
from demos.stands.search.neighbourhoods import SearchLog, search
from demos.stands.turns import Turns, occupation, real_occupation
from demos.stands.verify import Orders, Stay, broken_rules, violations
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import CostConfig, StandsConfig

HINDSIGHT = "hindsight (not a method)"
DAY_AHEAD = "search, learned risk, T-24 h"
DAY_AHEAD_GREEDY = "greedy, learned risk, T-24 h"
CLIMATOLOGY = "search, climatology risk"
CLIMATOLOGY_GREEDY = "greedy, climatology risk"
CLIMATOLOGY_MENDED = "search, climatology risk, mended to T-2 h"
SOFT_BUFFER = "search, 60 min soft buffer, no risk"
ON_THE_DAY = "search, learned risk, mended to T-2 h"


def buffer_name(buffer: int) -> str:
    """The name of first-come with a fixed buffer [min] in all tables."""
    return f"first come, {buffer} min buffer"


@dataclass(frozen=True)
class DayJob:
    """What one day's planning is given: quantiles are (n, k) delays [min]; decided_at is (n,) minutes since 1970.

    learned_later: forecasts made anew after `decided_at`, as in `beliefs`.
    """

    turns: Turns
    airport: Airport
    config: StandsConfig
    climatology: NDArray[np.float64]
    day_ahead: NDArray[np.float64]
    on_the_day: NDArray[np.float64]
    decided_at: NDArray[np.int64]
    learned_later: Later = ()


@dataclass(frozen=True)
class DayPlans:
    """What came of it. plans: method -> (n,) stand positions; front: (family, weight or buffer) -> replay."""

    turns: Turns
    plans: dict[str, NDArray[np.int64]]
    replays: dict[str, Replay]
    logs: dict[str, SearchLog]
    front: dict[tuple[str, float], Replay]


def plan_day(job: DayJob) -> DayPlans:
    """Make, verify and replay every plan of one day. Raises AssertionError if any plan breaks a hard rule."""
    config, cost = job.config, job.config.cost
    plans: dict[str, NDArray[np.int64]] = {}
    logs: dict[str, SearchLog] = {}
    blind = problem_for(job, cost, np.zeros((len(job.turns), len(job.turns))))
    for buffer in config.evaluation.buffers:
        plans[buffer_name(buffer)] = greedy_buffer(blind, buffer)

    soft = cost.model_copy(update={"buffer": 60, "buffer_per_minute": 0.3})
    _, plans[SOFT_BUFFER], _ = optimise(job, problem_for(job, soft, np.zeros(blind.pair.shape)))
    usual, ahead = risk_of(job, job.climatology), risk_of(job, job.day_ahead)
    by_climatology, day_ahead = problem_for(job, cost, usual), problem_for(job, cost, ahead)
    plans[CLIMATOLOGY_GREEDY], plans[CLIMATOLOGY], logs[CLIMATOLOGY] = optimise(job, by_climatology)
    plans[CLIMATOLOGY_MENDED] = mend_usual(job, by_climatology, plans[CLIMATOLOGY])
    plans[DAY_AHEAD_GREEDY], plans[DAY_AHEAD], logs[DAY_AHEAD] = optimise(job, day_ahead)
    plans[ON_THE_DAY] = mend_learned(job, day_ahead, plans[DAY_AHEAD])
    _, plans[HINDSIGHT], _ = optimise(job, problem_for(job, cost, real_overlap(job)))
    replays = {name: judged(job, plan) for name, plan in plans.items()}
    return DayPlans(job.turns, plans, replays, logs, _front(job, usual, ahead))


def _front(job: DayJob, usual: NDArray[np.float64], ahead: NDArray[np.float64]) -> dict[tuple[str, float], Replay]:
    """The plans at other prices of a remote stand. usual, ahead: (n, n) expected overlaps a day ahead."""
    cost, front = job.config.cost, {}
    for weight in job.config.evaluation.front_weights:
        dearer = cost.model_copy(update={"remote_per_100_pax": cost.remote_per_100_pax * weight})
        for overlap, method, mended, mend_by in (
            (usual, CLIMATOLOGY, CLIMATOLOGY_MENDED, mend_usual),
            (ahead, DAY_AHEAD, ON_THE_DAY, mend_learned),
        ):
            problem = problem_for(job, dearer, overlap)
            _, plan, _ = optimise(job, problem)
            front[method, weight] = judged(job, plan)
            front[mended, weight] = judged(job, mend_by(job, problem, plan))
    return front


def mend_usual(job: DayJob, problem: Problem, plan: NDArray[np.int64]) -> NDArray[np.int64]:
    """Mended on climatology and on what happens."""
    return mend(job, problem, plan, job.climatology, job.climatology)


def mend_learned(job: DayJob, problem: Problem, plan: NDArray[np.int64]) -> NDArray[np.int64]:
    """Mended on what was learned, as of each moment."""
    return mend(job, problem, plan, job.day_ahead, job.on_the_day, job.learned_later)


def problem_for(job: DayJob, cost: CostConfig, overlap: NDArray[np.float64]) -> Problem:
    """The day's problem under one belief about overlaps (n, n) [min]."""
    return build_problem(job.turns, job.airport, cost, overlap, job.config.rules, job.config.tow)


def risk_of(job: DayJob, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n) expected overlap under predicted quantiles (n, k)."""
    there = occupation(job.turns, sampled(job, quantiles), job.config.turn)
    return expected_overlap(*there, job.turns, tail=job.config.cost.tail)


def real_overlap(job: DayJob) -> NDArray[np.float64]:
    """(n, n) minutes that two turns really were both there; a cancelled turn was there with nobody."""
    on_block, off_block = real_occupation(job.turns, job.config.turn)
    there = np.nan_to_num(on_block, nan=-1.0)[:, None], np.nan_to_num(off_block, nan=-1.0)[:, None]
    return expected_overlap(*there, job.turns)


def optimise(job: DayJob, problem: Problem) -> tuple[NDArray[np.int64], NDArray[np.int64], SearchLog]:
    """The greedy plan on cost, the plan after search and, if asked for, kicks and dives, and the log of all."""
    start = greedy_cost(problem)
    draws = generator(job.config.seed, "search", job.turns.day.isoformat())
    begin = learned_start(problem, job.config.start.learned) if job.config.start.learned else start
    plan, log = search(problem, begin, job.config.search, draws)
    if job.config.kicks.number:
        since = log.curve[-1][0]
        plan, latest = kick_on(problem, plan, job.config.kicks, draws)
        log.add(latest, since)
    if job.config.prices.dives:
        since = log.curve[-1][0]
        plan, latest = plan_by_regions(problem, plan, job.config.prices, draws)
        log.add(latest, since)
    return start, plan, log


def mend(
    job: DayJob,
    problem: Problem,
    plan: NDArray[np.int64],
    early: NDArray[np.float64],
    late: NDArray[np.float64],
    later: Later = (),
) -> NDArray[np.int64]:
    """Go through the day; at each decision time use what is known by then, search on, and fix the stands that fall due.

    A turn's stand falls due at T-2 h, or half an hour before on-block if that is earlier, and never changes afterwards.
    early, late, later: forecasts as in `beliefs`.
    """
    draws = generator(job.config.seed, "mend", job.turns.day.isoformat())
    overlap = np.zeros((len(job.turns), len(job.turns)))
    for now, delays, news in beliefs(job, early, late, later, draws):
        there = occupation(job.turns, delays, job.config.turn)
        overlap[news] = expected_overlap(*there, job.turns, news, job.config.cost.tail)
        overlap[:, news] = overlap[news].T
        problem = replace(problem, pair=pair_costs(job.turns, job.config.cost, overlap))
        plan, _ = search(problem, plan, job.config.mending, draws, locked=job.decided_at < now)
    return plan


def judged(job: DayJob, plan: NDArray[np.int64]) -> Replay:
    """Verify a plan with the independent checker, then replay it on the real day."""
    stays = stays_of(job.turns, np.arange(len(plan)))
    names = [None if stand == UNASSIGNED else job.airport.stands[stand].id for stand in plan]
    broken = violations(stays, job.airport, names, job.turns.day_start)
    if broken:
        raise AssertionError(f"{job.turns.day}: the plan breaks {len(broken)} hard rules, first: {broken[0]}")
    orders = orders_of(job.turns, job.config)
    return replace(
        replay(job.turns, job.airport, plan, job.config),
        broken=tuple(broken_rules(stays, job.airport, names, orders)),
    )


def stays_of(turns: Turns, rows: NDArray[np.int64]) -> list[Stay]:
    """Some turns (rows) for the verifier."""
    columns = turns.table["flight"].to_numpy(str), np.array(turns.codes), turns.sibt, turns.sobt
    return [
        Stay(str(flight), str(code), int(on), int(off))
        for flight, code, on, off in zip(*(column[rows] for column in columns), strict=True)
    ]


def orders_of(turns: Turns, config: StandsConfig) -> Orders:
    """The breakable rules for the verifier."""
    links = [(int(before), int(after)) for before, after in turns.links]
    tow = config.tow
    return Orders(config.rules.locked, {}, links, config.rules.pushback, tow.minutes, tow.tugs, turns.day_start)
