"""The problems of the bench: one airport's day, three airports in one, and three such days at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.airport import Airport, Stand, load_airport, with_stands
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
    overlap = expected_overlap(*occupation(turns, samples, config.turn), turns)
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
    """One airport with all stands of several; terminals and airlines carry the name of theirs, so that an airline
    still prefers its own terminals. It exists nowhere.
    """
    stands: list[Stand] = []
    preferences: dict[str, tuple[str, ...]] = {}
    shadows = []
    for airport in airports:
        name = f"{airport.iata}-"
        stands += [
            stand.model_copy(update={"id": name + stand.id, "terminal": name + stand.terminal})
            for stand in airport.stands
        ]
        preferences |= {
            name + carrier: tuple(name + terminal for terminal in wanted)
            for carrier, wanted in airport.preferences.items()
        }
        shadows += [
            shadow.model_copy(update={"stand": name + shadow.stand, "blocks": name + shadow.blocks})
            for shadow in airport.shadows
        ]
    names = [airport.iata for airport in airports]
    return Airport(
        name=f"{', '.join(names)} in one (made up)",
        iata="+".join(names),
        source="the models of these airports",
        stands=tuple(stands),
        shadows=tuple(shadows),
        preferences=preferences,
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
