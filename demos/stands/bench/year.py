"""A year of days at three airports, planned on all cores: how long it takes, and what more workers bring."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.airport import Airport, load_airport
from demos.stands.learning.delay import climatology, delays, require_past, split_by_time
from demos.stands.learning.risk import expected_overlap, sample_delays
from demos.stands.problem import SCALE, UNASSIGNED, build_problem, plan_cost
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.kicks import kick_on
from demos.stands.search.neighbourhoods import search
from demos.stands.turns import Turns, occupation, operating_day
from shared.errors import UserError
from shared.fanout import fan_out, worker_count
from shared.result import Column, Table
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from shared.demo import Run

JANUARY = date(2013, 1, 2)  # the first day of the embedded data that has a day before it


@dataclass(frozen=True)
class YearDay:
    """One day of one airport. usual: (n, k) quantiles of delay [min] by climatology."""

    turns: Turns
    airport: Airport
    usual: NDArray[np.float64]
    config: StandsConfig


@dataclass(frozen=True)
class Planned:
    """airport, turns and those without a stand; cost of the first plan and of the last [min]; seconds of this day."""

    airport: str
    turns: int
    unassigned: int
    first: float
    last: float
    seconds: float


def measure_year(departures: pd.DataFrame, config: StandsConfig, run: Run) -> list[Table]:
    """Some of the days with 1, 2, 4, ... workers, then all of them with those of the run.

    Raises UserError where an airport has no departures on a day.
    """
    jobs = year_days(departures, config)
    many = min(config.bench.year.sample, len(jobs))
    # Drawn, so that no airport or weekday is left out by a stride.
    sample = [jobs[at] for at in np.sort(generator(config.seed, "sample").permutation(len(jobs))[:many])]
    counts = [1]
    while 2 * counts[-1] <= worker_count(None):
        counts.append(2 * counts[-1])
    seconds = []
    for count in counts:
        run.say(f"{len(sample)} days on {count} worker(s)")
        fan_out(plan_one, sample[:count], workers=count)  # workers start, and compile or read the cache
        began = time.perf_counter()
        fan_out(plan_one, sample, workers=count)
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    planned = run.map("a year of days", plan_one, jobs)
    return [_scaling(counts, seconds, len(sample)), _airports(planned, time.perf_counter() - began, config)]


def year_days(departures: pd.DataFrame, config: StandsConfig) -> list[YearDay]:
    """Day after day, each airport's."""
    split = split_by_time(departures, config.days)
    require_past(split)
    usual = climatology(departures, delays(departures), split.train, config.delay.levels)
    airports, found = [load_airport(name) for name in config.bench.year.airports], []
    for ahead in range(config.bench.year.days):
        for airport in airports:
            turns = operating_day(departures, airport.iata, JANUARY + timedelta(days=ahead), config.turn)
            if not len(turns):
                raise UserError(f"no departures of {airport.iata} on {turns.day}; see bench.year")
            found.append(YearDay(turns, airport, usual[turns.table.index.to_numpy()], config))
    return found


def plan_one(job: YearDay) -> Planned:
    """First come at least cost, the search, and kicks."""
    began, config, turns = time.perf_counter(), job.config, job.turns
    draws = generator(config.seed, "year", job.airport.iata, turns.day.isoformat())
    samples = sample_delays(job.usual, config.delay.levels, config.delay.scenarios, draws)
    overlap = expected_overlap(*occupation(turns, samples, config.turn), turns, tail=config.cost.tail)
    problem = build_problem(turns, job.airport, config.cost, overlap, config.rules, config.tow)
    start = greedy_cost(problem)
    plan, _ = search(problem, start, config.search, draws)
    plan, _ = kick_on(problem, plan, config.kicks.model_copy(update={"number": config.bench.year.kicks}), draws)
    first, last = (plan_cost(problem, one) / SCALE for one in (start, plan))
    unassigned = int((plan == UNASSIGNED).sum())
    return Planned(job.airport.iata, len(turns), unassigned, first, last, time.perf_counter() - began)


def _scaling(counts: list[int], seconds: list[float], days: int) -> Table:
    return Table(
        title="Days planned side by side",
        columns=[
            Column(name="workers", digits=0),
            Column(name="days a minute", direction="higher", digits=0),
            Column(name="times one worker", direction="higher", digits=2),
            Column(name="of the ideal", unit="%", direction="higher", digits=0),
        ],
        rows=[
            [float(count), 60 * days / one, seconds[0] / one, 100 * seconds[0] / one / count]
            for count, one in zip(counts, seconds, strict=True)
        ],
        caption=f"The same {days} days of the year, once each, on workers that had started; processes of one thread.",
    )


def _airports(planned: list[Planned], wall: float, config: StandsConfig) -> Table:
    rows: list[list[str | float | None]] = []
    for name in dict.fromkeys(one.airport for one in planned):
        mine = [one for one in planned if one.airport == name]
        seconds = np.array([one.seconds for one in mine])
        rows.append(
            [
                name,
                float(len(mine)),
                float(sum(one.turns for one in mine)),
                float(sum(one.unassigned for one in mine)),
                100 * (1 - sum(one.last for one in mine) / max(sum(one.first for one in mine), 1e-9)),
                float(np.median(seconds)),
                float(np.quantile(seconds, 0.95)),
            ]
        )
    return Table(
        title="A year of days",
        columns=[
            Column(name="airport"),
            Column(name="days", digits=0),
            Column(name="turns", digits=0),
            Column(name="without a stand", unit="turns", direction="lower", digits=0),
            Column(name="cost saved", unit="%", direction="higher", digits=1),
            Column(name="median of a day", unit="s", direction="lower", digits=2),
            Column(name="95 % of days within", unit="s", direction="lower", digits=2),
        ],
        rows=rows,
        caption=f"All {len(planned)} days in {wall:.0f} s. Expected cost under climatology, saved by the search and"
        f" {config.bench.year.kicks} kicks over the first plan. Most of the year is what climatology was learned"
        " from: this table is about time, not about how good the plans are.",
    )
