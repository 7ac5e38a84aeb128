"""Forecasts that are made anew through the day, for departures that have not left.

One model serves T-2 h and all later moments: its features are those of the moment, the time to go among them, and what
it learns is the delay still to come. It is trained on departures at moments drawn before anything is known of them, of
which those are left out at which they were gone: so at each moment it has seen who then still waits, and nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.learning.delay import DelayModel, delays, fit, recalibrate
from demos.stands.learning.features import Features, features_at
from demos.stands.learning.states import GRID, minutes_since_1970
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from demos.stands.data import Flights


@dataclass(frozen=True)
class Refresh:
    """A later look at the departures that still wait at `at` (n,), minutes since 1970: quantiles (n, k) [min] of delay.

    NaN where a departure has left, or is not of this airport.
    """

    at: NDArray[np.int64]
    quantiles: NDArray[np.float64]


def waited(departures: pd.DataFrame, rows: NDArray[np.int64], moments: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m,) minutes each departure has waited beyond its schedule at a moment; 0 before it."""
    return np.maximum(moments - minutes_since_1970(departures["std"])[rows], 0)


def fit_on_the_day(flights: Flights, decision: Features, train: NDArray[np.bool_], config: StandsConfig) -> DelayModel:
    """Learn from the training departures (mask) at T-2 h, at a moment before their schedule and at two from it on."""
    departures = flights.departures
    std, atd = minutes_since_1970(departures["std"]), minutes_since_1970(departures["atd"])
    draws = generator(config.seed, "moments")
    refresh = np.array(config.delay.refresh, dtype=np.int64)
    rows, moments = [np.flatnonzero(train)], [decision.decided_at[train]]
    for leads in (refresh[refresh < 0], refresh[refresh >= 0], refresh[refresh >= 0]):
        if len(leads):
            rows.append(rows[0])
            moments.append((std[rows[0]] + draws.choice(leads, len(rows[0]))) // GRID * GRID)
    row, moment = np.concatenate(rows), np.concatenate(moments)
    waits = atd[row] > moment
    row, moment = row[waits], moment[waits]
    to_come = delays(departures)[row] - waited(departures, row, moment)
    values = features_at(flights, row, moment).values
    return fit(values, to_come, np.ones(len(row), dtype=bool), config.delay, config.seed)


def refresh_all(
    flights: Flights, kept: NDArray[np.int64], model: DelayModel, config: StandsConfig, origin: str
) -> tuple[Refresh, ...]:
    """The forecasts of the `kept` departures (rows) at each moment of `delay.refresh`, recalibrated daily."""
    if not config.delay.refresh:
        return ()
    departures, settings = flights.departures, config.delay
    std, atd = minutes_since_1970(departures["std"])[kept], minutes_since_1970(departures["atd"])[kept]
    here = (departures["origin"].iloc[kept] == origin).to_numpy()
    moments = (std[:, None] + np.array(settings.refresh)) // GRID * GRID
    row, column = np.nonzero(here[:, None] & (atd[:, None] > moments))
    at = moments[row, column]
    so_far = waited(departures, kept[row], at)
    learned = model.predict(features_at(flights, kept[row], at).values) + so_far[:, None]
    found = []
    for index in range(len(settings.refresh)):
        some = column == index
        table = departures.iloc[kept[row[some]]].reset_index(drop=True)
        fitted = recalibrate(
            learned[some], table, at[some], settings.levels, settings.recalibrate_days, config.days.test_from
        )
        everyone = np.full((len(kept), len(settings.levels)), np.nan)
        everyone[row[some]] = np.maximum(fitted, (at[some] - std[row[some]])[:, None])
        found.append(Refresh(moments[:, index], everyone))
    return tuple(found)
