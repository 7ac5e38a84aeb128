"""From forecasts to one job a day, and from finished days to files of plans and forecasts."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.airport import Airport
from demos.stands.learning.features import FIX_AHEAD
from demos.stands.learning.states import GRID, minutes_since_1970
from demos.stands.plan import HINDSIGHT, DayJob
from demos.stands.problem import UNASSIGNED
from demos.stands.rules.day_rules import require_known_locks
from demos.stands.rules.tows import split_long_stays
from demos.stands.turns import Turns, operating_day
from shared.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from demos.stands.learning.forecast import Forecasts


def planned_days(departures: pd.DataFrame, airport: Airport, config: StandsConfig) -> list[Turns]:
    """The turns of each test day. Raises UserError for a day without departures; cheap, so it comes before learning."""
    found, day = [], config.days.first
    while day <= config.days.last:
        turns = split_long_stays(operating_day(departures, airport.iata, day, config.turn), config.tow)
        if not len(turns):
            raise UserError(
                f"no departures of {airport.iata} on {day}; see days.first, days.last and data.airport."
                f" There are {_what_there_is(departures)}"
            )
        found.append(turns)
        day += timedelta(days=config.days.step)
    require_known_locks(found, airport, config.rules.locked)
    return found


def _what_there_is(departures: pd.DataFrame) -> str:
    if not len(departures):
        return "none at all"
    origins, std = sorted(set(departures["origin"])), departures["std"]
    more = f" and {len(origins) - 5} more" if len(origins) > 5 else ""
    return f"those of {', '.join(origins[:5])}{more}, {std.min():%Y-%m-%d} to {std.max():%Y-%m-%d}"


def day_jobs(forecasts: Forecasts, airport: Airport, config: StandsConfig) -> list[DayJob]:
    """One job per test day, with that day's forecasts. Raises UserError for a day without departures."""
    jobs = []
    for turns in planned_days(forecasts.departures, airport, config):
        rows = turns.table.index.to_numpy()
        early, late = forecasts.leads["T-24h"], forecasts.leads["T-2h"]
        # Of a long stay the parts that begin sooner are fixed sooner.
        midnight = minutes_since_1970(pd.Series([pd.Timestamp(turns.day)]))[0]
        begins = (midnight + turns.sibt - FIX_AHEAD) // GRID * GRID
        jobs.append(
            DayJob(
                turns,
                airport,
                config,
                forecasts.climatology_recalibrated[rows],
                early.recalibrated[rows],
                late.recalibrated[rows],
                np.minimum(late.decided_at[rows], begins),
                tuple((refresh.at[rows], refresh.quantiles[rows]) for refresh in forecasts.refreshed),
            )
        )
    return jobs


def write_plans(path: Path, days: Iterable[tuple[Turns, Mapping[str, NDArray[np.int64]]]], airport: Airport) -> None:
    """Every plan as CSV: day, method, flight, scheduled on-block and off-block [min after midnight], stand or empty."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["day", "method", "flight", "sibt_min", "sobt_min", "stand"])
        for turns, plans in days:
            for method, plan in plans.items():
                if method == HINDSIGHT:
                    continue
                names = ["" if stand == UNASSIGNED else airport.stands[stand].id for stand in plan]
                for row in zip(turns.table["flight"], turns.sibt, turns.sobt, names, strict=True):
                    out.writerow([turns.day, method, *row])


def write_forecasts(path: Path, jobs: Iterable[DayJob]) -> None:
    """What the plans of the day before were made with, as CSV: a turn's delay quantiles [min] at T-24 h."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        for number, job in enumerate(jobs):
            if number == 0:
                out.writerow(["day", "flight", "sibt_min", *(f"q{level:g}" for level in job.config.delay.levels)])
            columns = job.turns.table["flight"], job.turns.sibt, job.day_ahead.tolist()
            for flight, sibt, quantiles in zip(*columns, strict=True):
                out.writerow([job.turns.day, flight, sibt, *quantiles])
