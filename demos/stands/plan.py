"""All plans of one operating day: the peers, the day-ahead plan, and the plan that is mended until T-2 h."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.airport import Airport
from demos.stands.column_generation.engine import plan_by_prices
from demos.stands.features import minutes_since_1970
from demos.stands.greedy import greedy_buffer, greedy_cost
from demos.stands.problem import UNASSIGNED, Problem, build_problem, pair_costs
from demos.stands.replay import Replay, replay
from demos.stands.risk import expected_overlap, given_so_far, sample_delays
from demos.stands.search import SearchLog, search
from demos.stands.turns import Turns, occupation, real_delays, real_occupation
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
    """What one day's planning is given: quantiles are (n, k) delays [min]; decided_at is (n,) minutes since 1970."""

    turns: Turns
    airport: Airport
    config: StandsConfig
    climatology: NDArray[np.float64]
    day_ahead: NDArray[np.float64]
    on_the_day: NDArray[np.float64]
    decided_at: NDArray[np.int64]


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
    _, plans[SOFT_BUFFER], _ = optimise(job, problem_for(job, soft, np.zeros_like(blind.pair_float)))
    usual, ahead = risk_of(job, job.climatology), risk_of(job, job.day_ahead)
    by_climatology = problem_for(job, cost, usual)
    plans[CLIMATOLOGY_GREEDY], plans[CLIMATOLOGY], logs[CLIMATOLOGY] = optimise(job, by_climatology)
    plans[CLIMATOLOGY_MENDED] = mend(job, by_climatology, plans[CLIMATOLOGY], job.climatology, job.climatology)
    day_ahead = problem_for(job, cost, ahead)
    plans[DAY_AHEAD_GREEDY], plans[DAY_AHEAD], logs[DAY_AHEAD] = optimise(job, day_ahead)
    plans[ON_THE_DAY] = mend(job, day_ahead, plans[DAY_AHEAD], job.day_ahead, job.on_the_day)
    _, plans[HINDSIGHT], _ = optimise(job, problem_for(job, cost, real_overlap(job)))

    front: dict[tuple[str, float], Replay] = {}
    for weight in config.evaluation.front_weights:
        dearer = cost.model_copy(update={"remote_per_100_pax": cost.remote_per_100_pax * weight})
        _, plan, _ = optimise(job, problem_for(job, dearer, usual))
        front[CLIMATOLOGY, weight] = judged(job, plan)
        dearer_ahead = problem_for(job, dearer, ahead)
        _, plan, _ = optimise(job, dearer_ahead)
        front[DAY_AHEAD, weight] = judged(job, plan)
        mended = mend(job, dearer_ahead, plan, job.day_ahead, job.on_the_day)
        front[ON_THE_DAY, weight] = judged(job, mended)
    return DayPlans(job.turns, plans, {name: judged(job, plan) for name, plan in plans.items()}, logs, front)


def problem_for(job: DayJob, cost: CostConfig, overlap: NDArray[np.float64]) -> Problem:
    """The day's problem under one belief about overlaps (n, n) [min]."""
    return build_problem(job.turns, job.airport, cost, overlap, job.config.rules, job.config.tow)


def risk_of(job: DayJob, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n) expected overlap under predicted quantiles (n, k)."""
    return expected_overlap(*occupation(job.turns, sampled(job, quantiles), job.config.turn), job.turns)


def sampled(job: DayJob, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, scenarios) samples of delay [min] from predicted quantiles (n, k), the same each time."""
    draws = generator(job.config.seed, "delays", job.turns.day.isoformat())
    return sample_delays(quantiles, job.config.delay.levels, job.config.delay.scenarios, draws)


def real_overlap(job: DayJob) -> NDArray[np.float64]:
    """(n, n) minutes that two turns really were both there; a cancelled turn was there with nobody."""
    on_block, off_block = real_occupation(job.turns, job.config.turn)
    there = np.nan_to_num(on_block, nan=-1.0)[:, None], np.nan_to_num(off_block, nan=-1.0)[:, None]
    return expected_overlap(*there, job.turns)


def optimise(job: DayJob, problem: Problem) -> tuple[NDArray[np.int64], NDArray[np.int64], SearchLog]:
    """The greedy plan on cost, the plan after search and, if asked for, after dives, and the log of both."""
    start = greedy_cost(problem)
    draws = generator(job.config.seed, "search", job.turns.day.isoformat())
    plan, log = search(problem, start, job.config.search, draws)
    if job.config.prices.dives:
        since = log.curve[-1][0]
        plan, latest, _ = plan_by_prices(problem, plan, job.config.prices, draws)
        log.add(latest, since)
    return start, plan, log


def mend(
    job: DayJob, problem: Problem, plan: NDArray[np.int64], early: NDArray[np.float64], late: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Go through the day; at each decision time use what is known by then, search on, and fix the stands that fall due.

    A turn's stand falls due at T-2 h, or half an hour before on-block if that is earlier, and never changes afterwards.
    Its forecast is replaced then; later, only what has really happened to it counts: that it has left, or that it has
    not left yet. Nothing is used before it is known: until its own T-24 h, a turn has the climatology's forecast.
    early, late: (n, k) quantiles [min] known at T-24 h and at `decided_at`.
    """
    delays, ahead, fresh = sampled(job, job.climatology), sampled(job, early), sampled(job, late)
    draws = generator(job.config.seed, "mend", job.turns.day.isoformat())
    midnight = int(minutes_since_1970(pd.Series([pd.Timestamp(job.turns.day)]))[0])
    left = real_delays(job.turns)
    ahead_at = midnight + job.turns.sobt - 24 * 60
    issued = ahead_at <= job.decided_at.min(initial=np.iinfo(np.int64).max)
    delays[issued] = ahead[issued]
    overlap = expected_overlap(*occupation(job.turns, delays, job.config.turn), job.turns)
    problem = replace(problem, pair=pair_costs(job.turns, job.config.cost, overlap))
    for now in np.unique(job.decided_at):
        new = np.flatnonzero(~issued & (ahead_at <= now))
        delays[new], issued[new] = ahead[new], True
        due = np.flatnonzero(job.decided_at == now)
        delays[due], issued[due] = fresh[due], True
        waited = now - midnight - job.turns.sobt
        news = [*new, *due]
        for turn in np.flatnonzero((job.decided_at < now) & (np.ptp(delays, axis=1) > 0)):
            gone = left[turn] <= waited[turn]
            if gone:
                delays[turn] = left[turn]
            elif waited[turn] > delays[turn].min():
                delays[turn] = given_so_far(delays[turn], waited[turn], draws)
            else:
                continue
            news.append(turn)
        rows = np.unique(news)
        overlap[rows] = expected_overlap(*occupation(job.turns, delays, job.config.turn), job.turns, rows)
        overlap[:, rows] = overlap[rows].T
        problem = replace(problem, pair=pair_costs(job.turns, job.config.cost, overlap))
        plan, _ = search(problem, plan, job.config.mending, draws, locked=job.decided_at < now)
    return plan


def judged(job: DayJob, plan: NDArray[np.int64]) -> Replay:
    """Verify a plan with the independent checker, then replay it on the real day."""
    table = job.turns.table
    stays = [
        Stay(flight, code, int(on), int(off))
        for flight, code, on, off in zip(table["flight"], table["code"], job.turns.sibt, job.turns.sobt, strict=True)
    ]
    names = [None if stand == UNASSIGNED else job.airport.stands[stand].id for stand in plan]
    broken = violations(stays, job.airport, names, job.turns.day_start)
    if broken:
        raise AssertionError(f"{job.turns.day}: the plan breaks {len(broken)} hard rules, first: {broken[0]}")
    orders = orders_of(job.turns, job.config)
    return replace(
        replay(job.turns, job.airport, plan, job.config),
        broken=tuple(broken_rules(stays, job.airport, names, orders)),
    )


def orders_of(turns: Turns, config: StandsConfig) -> Orders:
    """The breakable rules for the verifier."""
    links = [(int(before), int(after)) for before, after in turns.links]
    tow = config.tow
    return Orders(config.rules.locked, {}, links, config.rules.pushback, tow.minutes, tow.tugs, turns.day_start)
