"""Delay forecasts of all departures that a run needs, at both decision times, with what they are worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.learning.delay import (
    DelayModel,
    climatology,
    delays,
    fit,
    recalibrate,
    require_past,
    shift_to_fit,
    split_by_time,
)
from demos.stands.learning.features import LEADS, Lead, build_features
from demos.stands.learning.refresh import Refresh, fit_on_the_day, refresh_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from demos.stands.data import Flights
    from shared.demo import Run


@dataclass(frozen=True)
class LeadForecast:
    """One lead: quantiles (n, k) [min] as planned with, and two simpler calibrations of the same model beside it."""

    decided_at: NDArray[np.int64]
    recalibrated: NDArray[np.float64]
    bare: NDArray[np.float64]
    one_month: NDArray[np.float64]
    model: DelayModel


@dataclass(frozen=True)
class Forecasts:
    """departures: the rows forecast, from the calibration month on; all arrays have one row for each."""

    departures: pd.DataFrame
    delay: NDArray[np.float64]
    test: NDArray[np.bool_]
    climatology: NDArray[np.float64]
    climatology_recalibrated: NDArray[np.float64]
    leads: dict[Lead, LeadForecast]
    refreshed: tuple[Refresh, ...] = ()

    def judged(self, origin: str) -> NDArray[np.bool_]:
        """(n,) the departures of an airport on the test days that have left: none if these are yet to come."""
        return self.test & (self.departures["origin"] == origin).to_numpy()


def make_forecasts(flights: Flights, config: StandsConfig, origin: str, run: Run) -> Forecasts:
    """Train on the past, forecast from the calibration month on. Raises UserError if there is too little past."""
    if config.delay.train_on == "airport":
        flights = replace(flights, departures=flights.departures[flights.departures["origin"] == origin])
    departures = flights.departures.reset_index(drop=True)
    flights = replace(flights, departures=departures)
    delay, split = delays(departures), split_by_time(departures, config.days)
    require_past(split)
    std = departures["std"]
    end = pd.Timestamp(config.days.last + timedelta(days=2))
    rows = np.flatnonzero((std >= pd.Timestamp(config.days.calibrate_from)) & (std < end))
    kept = departures.iloc[rows].reset_index(drop=True)
    levels, window, since = config.delay.levels, config.delay.recalibrate_days, config.days.test_from
    leads = {}
    for lead in LEADS:
        run.say(f"learning delay quantiles at {lead} from {split.train.sum():,} departures")
        features = build_features(flights, lead, config.turn)
        if lead == "T-24h":
            model = fit(features.values, delay, split.train, config.delay, config.seed)
        else:
            model = fit_on_the_day(flights, features, split.train, config)
        bare, decided_at = model.predict(features.values.iloc[rows]), features.decided_at[rows]
        month = shift_to_fit(bare, delay[rows], split.calibrate[rows], levels)
        rolling = recalibrate(bare, kept, decided_at, levels, window, since)
        leads[lead] = LeadForecast(decided_at, rolling, bare, np.sort(bare + month, axis=1), model)
    usual = climatology(departures, delay, split.train, levels)[rows]
    # The peer gets what ours gets: as of the earlier lead, it too is shifted to fit the last days.
    recalibrated = recalibrate(usual, kept, leads["T-24h"].decided_at, levels, window, since)
    refreshed = refresh_all(flights, rows, leads["T-2h"].model, config, origin)
    tested = split.test[rows] & (kept["std"] < pd.Timestamp(config.days.last + timedelta(days=1))).to_numpy()
    return Forecasts(kept, delay[rows], tested, usual, recalibrated, leads, refreshed)
