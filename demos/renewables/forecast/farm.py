"""La Haute Borne, four wind turbines in France, every 10 minutes of 2014 and 2015, on a clock that is right.

The stamps of the file carry the offset of French local time, but it is wrong: their digits are UTC. They run through
both changes of daylight saving (in autumn no hour comes twice; in spring 02:00 to 02:50, which local clocks skip, was
moved onto 03:00 to 03:50, which therefore comes twice), and against the wind of ERA5 they are right to a quarter of an
hour in summer and in winter alike. The doubled hours are left unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demos.renewables.data import haute_borne
from demos.renewables.forecast.lagged import Array, rolling

STEP = pd.Timedelta(minutes=10)
HOUR = 6  # intervals
BIN = 0.5  # m/s, of the power curve
PLAUSIBLE_TEMPERATURE = (-30.0, 45.0)


@dataclass(frozen=True)
class Farm:
    """A wind farm every 10 minutes, T intervals; NaN where unknown.

    start: (T,) start of each interval, UTC (if the stamps mark ends, all times here are 10 min late); power: (T, 4)
    share of a turbine's capacity; wind_speed [m/s], direction [deg], temp_air [C], pitch [deg]: (T, 4) of the nacelles;
    capacity_kw: of the farm; doubled: rows left out because their stamps came twice.
    """

    start: pd.DatetimeIndex
    power: Array
    wind_speed: Array
    direction: Array
    temp_air: Array
    pitch: Array
    capacity_kw: float
    doubled: int

    @property
    def end(self) -> pd.DatetimeIndex:
        """(T,) end of each interval, UTC."""
        return self.start + STEP

    @property
    def total(self) -> Array:
        """(T,) share of the farm's capacity; known where all turbines are, so that no outage of a logger is a calm."""
        return self.power.mean(axis=1)


def clocked_scada() -> tuple[pd.DataFrame, int]:
    """(rows as published with their `start` in true UTC, without those whose stamps come twice; how many those are)."""
    raw = haute_borne("scada")
    stamps = pd.to_datetime(raw["Date_time"].str[:19], format="%Y-%m-%dT%H:%M:%S").dt.tz_localize("UTC")
    raw = raw.assign(start=stamps)
    doubled = raw.duplicated(["Wind_turbine_name", "start"], keep=False)
    return raw[~doubled], int(doubled.sum())


def read_farm() -> Farm:
    """La Haute Borne on one 10-minute grid of true UTC."""
    (raw, doubled), assets = clocked_scada(), haute_borne("assets")
    rated = assets["Rated_power"].unique()
    assert len(rated) == 1, "the turbines are of one type"
    grid = pd.date_range(raw["start"].min(), raw["start"].max(), freq=STEP, name="start")
    channels = {
        column: raw.pivot(index="start", columns="Wind_turbine_name", values=column).reindex(grid).to_numpy(dtype=float)
        for column in ("P_avg", "Ws_avg", "Wa_avg", "Ot_avg", "Ba_avg")
    }
    low, high = PLAUSIBLE_TEMPERATURE
    temperature = channels["Ot_avg"]
    return Farm(
        start=grid,
        power=channels["P_avg"] / rated[0],
        wind_speed=channels["Ws_avg"],
        direction=channels["Wa_avg"],
        temp_air=np.where((temperature > low) & (temperature < high), temperature, np.nan),
        pitch=(channels["Ba_avg"] + 180) % 360 - 180,
        capacity_kw=float(rated[0] * channels["P_avg"].shape[1]),
        doubled=doubled,
    )


def over_turbines(values: Array) -> Array:
    """(T,) mean of the known turbines, NaN where none is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan))


def hourly(values: Array) -> Array:
    """(T,) mean of the hour that ends with each interval, NaN unless all of it is known."""
    return rolling(values, HOUR, least=HOUR)


@dataclass(frozen=True)
class Curve:
    """The farm's power curve: mean hourly power, share of capacity, at hourly wind speed [m/s]."""

    speeds: Array
    powers: Array

    def power(self, speed: Array) -> Array:
        """(n,) share of capacity, linear between bins."""
        return np.asarray(np.interp(speed, self.speeds, self.powers))


def fit_curve(speed: Array, power: Array) -> Curve:
    """Means in bins of BIN with at least 5 hours. speed [m/s], power [share]: (n,), NaN where unknown."""
    known = np.isfinite(speed) & np.isfinite(power)
    bins = pd.Series(power[known]).groupby(np.round(speed[known] / BIN).astype(int))
    table = bins.mean()[bins.size() >= 5]
    return Curve(np.asarray(table.index, dtype=float) * BIN, np.asarray(table, dtype=float))
