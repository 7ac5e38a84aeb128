"""Who comes how near to the best plan, and how soon: on the same problems and the same clock, beside a bound for all.

trendlab bench stands --profile smoke    two days of one airport, 10 s for each contender
trendlab bench stands --profile cpu      ten days each of three sizes, the flow with ten times the seconds, and a year
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from demos.stands.bench import tables
from demos.stands.bench.contenders import CONTENDERS, warm_up
from demos.stands.bench.race import Race, race
from demos.stands.bench.sizes import bench_problem
from demos.stands.bench.year import measure_year
from demos.stands.column_generation.bound import lower_bound
from demos.stands.column_generation.paths import compile_all
from demos.stands.data import load_flights
from demos.stands.search.greedy import greedy_cost
from shared.errors import UserError
from shared.names import did_you_mean
from shared.result import Result

if TYPE_CHECKING:
    from demos.stands.bench.config import BenchSize
    from demos.stands.column_generation.ascent import Bound
    from demos.stands.config import StandsConfig
    from demos.stands.problem import Problem
    from shared.demo import Run


@dataclass(frozen=True)
class Measured:
    """One problem: its numbers of turns and stands, the bound, and each contender's race."""

    day: str
    turns: int
    stands: int
    bound: Bound
    races: dict[str, Race]


def measure(config: StandsConfig, run: Run) -> Result:
    """All sizes of the config. Raises UserError for what it cannot measure, such as an unknown contender, first."""
    for size in config.bench.sizes:
        for name in (*size.contenders, *size.longer):
            if name not in CONTENDERS:
                raise UserError(f"bench, {size.name}: no contender {name!r}{did_you_mean(name, CONTENDERS)}")
    _require_fit(config)
    flights = load_flights(config.data.flights)
    found = {size.name: _one_size(flights.departures, size, config, run) for size in config.bench.sizes}
    sizes = {size.name: size for size in config.bench.sizes}
    year = measure_year(flights.departures, config, run) if config.bench.year.days else []
    return Result(
        headlines=tables.headlines(found, sizes),
        metrics=tables.metrics(found, sizes),
        tables=[*(table for name, days in found.items() for table in tables.of_size(sizes[name], days)), *year],
        figures=[tables.figure(sizes[name], days, run) for name, days in found.items()],
        data=flights.used,
        notes=[
            "Each contender has a process of its own, which is killed when its time is up; the time to build a model"
            " counts, that to import libraries and to compile does not. Plans are checked by the independent verifier.",
            "One after the other, on two threads: CP-SAT, CBC and HiGHS by PuLP use them, HiGHS inside OR-Tools cannot"
            " be told to; the others compute on one, but for products of large matrices.",
            "Climatology risk, which needs no training. The airports are models, widened to the number of stands.",
        ],
    )


def _require_fit(config: StandsConfig) -> None:
    """Climatology has learned the days before; wishes and tows are not in the problems of the bench."""
    if config.bench.first < config.days.test_from:
        raise UserError(f"bench.first {config.bench.first} is before days.test_from {config.days.test_from}")
    for name, given in (("rules.locked", config.rules.locked), ("tow.stays_over", config.tow.stays_over)):
        if given:
            raise UserError(f"{name} is not for the bench, whose days have no such thing")


@dataclass(frozen=True)
class Raced:
    """A problem and how each contender fared."""

    problem: Problem
    races: dict[str, Race]
    config: StandsConfig


def _one_size(departures, size: BenchSize, config: StandsConfig, run: Run) -> list[Measured]:  # type: ignore[no-untyped-def]
    """All races one by one, with the machine for themselves; then the bounds, side by side."""
    raced = []
    for number in run.track(size.name, range(size.problems)):
        day = config.bench.first + timedelta(days=number * config.bench.step)
        problem = bench_problem(departures, size, day, config)
        races = {
            name: race(problem, CONTENDERS[name], size.time_of(name), config, partial(warm_up, name))
            for name in size.contenders or CONTENDERS
        }
        raced.append(Raced(problem, races, config))
    return run.map(f"bounds of {size.name}", bounded, raced)


def bounded(raced: Raced) -> Measured:
    """What no plan can be cheaper than. It is found from scratch, so that it could have been beside a contender."""
    problem, races, config = raced.problem, raced.races, raced.config
    compile_all()
    began = time.perf_counter()
    start = greedy_cost(problem)
    since = time.perf_counter() - began
    bound = lower_bound(problem, start, config.prices.model_copy(update={"seconds": config.bench.bound_seconds}))
    bound.curve = [(since + at, value) for at, value in bound.curve]
    for name, one in races.items():
        if one.curve and one.curve[-1][1] < bound.value:
            raise AssertionError(f"{problem.turns.day}: {name} has a plan below the bound")
        # Only an optimum with a plan that holds, and that nobody beats, is one.
        lowest = min((other.curve[-1][1] for other in races.values() if other.curve), default=0)
        one.claims_best = one.claims_best and bool(one.curve) and one.curve[-1][1] <= lowest
    return Measured(problem.turns.day.isoformat(), len(problem.turns), problem.n_stands, bound, races)
