"""The sun against the power: when a plant starts and stops each day, measured in true solar time.

The edges of the day say more about a clock than the curve between them: at half a percent of the peak diffuse light is
enough, so that neither clouds nor the orientation of the modules move them far, and no model of the plant is needed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pvlib import solarposition

DAY = 1440.0  # minutes
EDGE = 0.005  # a plant works above this share of its peak
EDGE_ELEVATION = 2.5  # deg: the sun's elevation at which plants typically pass EDGE
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")


def wrapped(minutes: np.ndarray | float) -> np.ndarray:
    """Minutes folded into -720 to 720, so that 23 h late is 1 h early."""
    return (np.asarray(minutes, dtype=float) + DAY / 2) % DAY - DAY / 2


def solar_minutes(times: pd.DatetimeIndex, longitude: float) -> np.ndarray:
    """True solar time [min since the epoch] of UTC times at `longitude` [deg]; noon is when the sun is highest.

    Equation of time: Spencer 1971, good to half a minute.
    """
    since = (times - EPOCH) / pd.Timedelta(minutes=1)
    return np.asarray(since + 4 * longitude + solarposition.equation_of_time_spencer71(times.day_of_year), dtype=float)


def daylight_minutes(dates: pd.DatetimeIndex, latitude: float, above: float = EDGE_ELEVATION) -> np.ndarray:
    """Minutes a day with the sun higher than `above` [deg]: 0 in polar night, 1440 under the midnight sun."""
    declination = solarposition.declination_spencer71(dates.day_of_year)
    here, edge = np.radians(latitude), np.radians(above)
    cosine = (np.sin(edge) - np.sin(here) * np.sin(declination)) / (np.cos(here) * np.cos(declination))
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))) * 8)


def elevation(times: pd.DatetimeIndex, latitude: float, longitude: float) -> np.ndarray:
    """Elevation of the sun [deg] at UTC times, without refraction, to a tenth of a degree.

    Spencer's series rather than pvlib's full SPA: it is asked here only whether the sun is up.
    """
    hour_angle = np.radians(wrapped(solar_minutes(times, longitude) - DAY / 2) / 4)
    declination = solarposition.declination_spencer71(times.day_of_year)
    zenith = solarposition.solar_zenith_analytical(np.radians(latitude), hour_angle, declination)
    return np.asarray(90 - np.degrees(zenith))


def days_of(power: pd.Series, latitude: float, longitude: float, to_middle: pd.Timedelta) -> pd.DataFrame:
    """When the plant worked, one row per complete day with any power.

    power: any unit, UTC, regular grid; to_middle: from a stamp to the middle of its interval.
    Returns, indexed by solar date (no zone): offset, the middle of the working day against true solar noon [min], -720
    to 720, positive when the clock is late; length [min] from the middle of the first interval at work to that of the
    last; daylight [min] that the sun allows there.
    """
    step = (power.index[1] - power.index[0]) / pd.Timedelta(minutes=1)
    minute = solar_minutes(power.index + to_middle, longitude)
    values = _dark_filled(power, step).to_numpy(dtype=float)
    peak = np.nanquantile(values, 0.999)
    weight = np.nan_to_num(values).clip(0)
    # Where the day is centred is unknown as long as the clock is: the mean direction of all energy on a 24 h dial.
    late = float(np.angle((weight * np.exp(2j * np.pi * (minute % DAY - DAY / 2) / DAY)).sum()) / (2 * np.pi) * DAY)
    day = np.floor((minute - late) / DAY).astype(int)
    frame = pd.DataFrame({"day": day, "minute": minute - day * DAY - DAY / 2, "known": ~np.isnan(values)})
    complete = frame.groupby("day")["known"].sum() >= 0.95 * DAY / step
    lit = frame[values > EDGE * peak].groupby("day")["minute"].agg(["min", "max", "size"])
    lit = lit[complete.reindex(lit.index) & (lit["size"] >= 3)]
    dates = pd.DatetimeIndex(EPOCH.tz_localize(None) + pd.to_timedelta(lit.index, unit="D"), name="solar_date")
    return pd.DataFrame(
        {
            "offset": wrapped((lit["min"] + lit["max"]).to_numpy() / 2),
            "length": (lit["max"] - lit["min"]).to_numpy(),
            "daylight": daylight_minutes(dates, latitude),
        },
        index=dates,
    )


def _dark_filled(power: pd.Series, step: float) -> pd.Series:
    """Power with gaps up to an hour interpolated, and the nights of a daylight-only export set to 0: gaps under 20 h
    that begin and end near darkness."""
    if not power.isna().any():
        return power
    power = power.interpolate(limit=max(1, round(60 / step)), limit_area="inside")
    missing = power.isna()
    run = (missing != missing.shift()).cumsum()
    hours = missing.groupby(run).transform("size") * step / 60
    low = 0.05 * power.quantile(0.999)
    edges = (power.ffill() <= low) & (power.bfill() <= low)
    return power.mask(missing & edges & (hours < 20) & (hours >= 4), 0.0)
