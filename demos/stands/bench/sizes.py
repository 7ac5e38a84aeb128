"""The problems of the bench: one airport's day, three airports in one, and three such days at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.airport import Airport, load_airport, with_stands
from demos.stands.learning.delay import climatology, delays, require_past, split_by_time
from demos.stands.learning.risk import expected_overlap, sample_delays
from demos.stands.problem import Problem, build_problem
from demos.stands.turns import Turns, occupation, operating_day
from demos.stands.units import MINUTES_PER_DAY
from shared.errors import UserError
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.bench.config import BenchSize
    from demos.stands.config import StandsConfig


def bench_problem(departures: pd.DataFrame, size: BenchSize, day: date, config: StandsConfig) -> Problem:
    """The problem of a size that begins on `day`, under climatology risk, which needs no training.

    Raises UserError where there are no departures, or too few to know the usual delays.
    """
    airport, turns = _case(departures, size, day, config)
    split = split_by_time(departures, config.days)
    require_past(split)
    usual = climatology(departures, delays(departures), split.train, config.delay.levels)
    draws = generator(config.seed, "delays", turns.day.isoformat())
    quantiles = usual[turns.table.index.to_numpy()]
    samples = sample_delays(quantiles, config.delay.levels, config.delay.scenarios, draws)
    overlap = expected_overlap(*occupation(turns, samples, config.turn), turns, tail=config.cost.tail)
    return build_problem(turns, airport, config.cost, overlap, config.rules, config.tow)


def _case(departures: pd.DataFrame, size: BenchSize, day: date, config: StandsConfig) -> tuple[Airport, Turns]:
    if size.airports:
        airport = pooled([load_airport(name) for name in size.airports])
        origins = [load_airport(name).iata for name in size.airports]
    else:
        airport = load_airport(config.data.airport)
        origins = [airport.iata]
    parts = []
    for ahead in range(size.days):
        for origin in origins:
            turns = operating_day(departures, origin, day + timedelta(days=ahead), config.turn)
            if not len(turns):
                raise UserError(f"no departures of {origin} on {turns.day}; see bench.first and data.airport")
            parts.append(_moved(turns, ahead, origin if size.airports else ""))
    return with_stands(airport, size.stands), _together(parts)


def pooled(airports: list[Airport]) -> Airport:
    """One airport with all stands of several, as they are; terminals and airlines carry the name of theirs, so that an
    airline still prefers its own terminals. It exists nowhere.
    """
    parts = [_named_after_itself(airport) for airport in airports]
    names = [airport.iata for airport in airports]
    together = {
        field: tuple(entry for part in parts for entry in getattr(part, field))
        for field in ("stands", "shadows", "mars", "rows", "closures")
    }
    # Where one says where to park at night and another does not, all stands of the other will do.
    parking = tuple(
        name for part in parts for name in part.night_parking or tuple(stand.id for stand in part.stands)
    ) if any(part.night_parking for part in parts) else ()  # fmt: skip
    return Airport(
        name=f"{', '.join(names)} in one (made up)",
        iata="+".join(names),
        source="the models of these airports",
        night_parking=parking,
        preferences={carrier: wanted for part in parts for carrier, wanted in part.preferences.items()},
        **together,
    )


def _named_after_itself(airport: Airport) -> Airport:
    """The airport with its code before the name of each stand, terminal and airline."""

    def own(name: str) -> str:
        return f"{airport.iata}-{name}"

    def all_own(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(own(name) for name in names)

    return airport.model_copy(
        update={
            "stands": tuple(
                stand.model_copy(update={"id": own(stand.id), "terminal": own(stand.terminal)})
                for stand in airport.stands
            ),
            "shadows": tuple(
                shadow.model_copy(update={"stand": own(shadow.stand), "blocks": own(shadow.blocks)})
                for shadow in airport.shadows
            ),
            "mars": tuple(
                entry.model_copy(update={"wide": own(entry.wide), "narrow": all_own(entry.narrow)})
                for entry in airport.mars
            ),
            "rows": tuple(all_own(row) for row in airport.rows),
            "night_parking": all_own(airport.night_parking),
            "closures": tuple(closure.model_copy(update={"stand": own(closure.stand)}) for closure in airport.closures),
            "preferences": {own(carrier): all_own(wanted) for carrier, wanted in airport.preferences.items()},
        }
    )


def _moved(turns: Turns, days: int, origin: str) -> Turns:
    """These turns so many days later on the clock, their airlines named after where they fly from."""
    table = turns.table
    if origin:
        table = table.assign(carrier=origin + "-" + table["carrier"], flight=origin + "-" + table["flight"])
    later = days * MINUTES_PER_DAY
    return replace(turns, table=table, sibt=turns.sibt + later, sobt=turns.sobt + later)


def _together(parts: list[Turns]) -> Turns:
    table = pd.concat([part.table for part in parts])
    sibt, sobt = (np.concatenate([getattr(part, name) for part in parts]) for name in ("sibt", "sobt"))
    order = np.lexsort((table["flight"].to_numpy(str), sobt, sibt))

    def joined(name: str) -> NDArray[np.bool_]:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    return Turns(
        parts[0].day, table.iloc[order], sibt[order], sobt[order], joined("night_stop"), joined("reconstructed"),
        parts[0].day_start,
    )  # fmt: skip
