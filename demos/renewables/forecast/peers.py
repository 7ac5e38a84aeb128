"""Day-ahead peers: NGBoost, physics by pvlib dressed with its own past errors, and climatology."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.forecast.gefcom import LATITUDE, LEVELS, LONGITUDE
from demos.renewables.forecast.horizons_config import NgboostConfig
from demos.renewables.forecast.lagged import in_season
from demos.renewables.forecast.ngboost_peer import normals

TILTS = (0, 10, 20, 30, 40)  # deg
AZIMUTHS = (270, 300, 330, 0, 30, 60, 90)  # deg; the plants are in the south, so they may face north
TEMPERATURE_COEFFICIENT = -0.004  # 1/K, PVWatts
NEIGHBOURS = 400  # past hours whose errors dress a physical forecast


def climatology(train: pd.DataFrame, test: pd.DataFrame) -> NDArray[np.float64]:
    """(n, 99) quantiles of past power at this plant, at this hour, within 30 days of the season."""
    found = np.zeros((len(test), len(LEVELS)))
    past = _hours(train)
    for (site, hour), rows in test.groupby(["site", test["valid_time"].dt.hour]).indices.items():
        same = past[(past["site"] == site) & (past["hour"] == hour)]
        days = test["valid_time"].dt.day_of_year.to_numpy()[rows]
        power, season = same["power"].to_numpy(), same["day"].to_numpy()
        for day in np.unique(days):
            found[rows[days == day]] = np.quantile(in_season(power, season, day), LEVELS)
    return found


def boosted_normal(
    train: pd.DataFrame, test: pd.DataFrame, names: list[str], config: NgboostConfig, *, seed: int
) -> NDArray[np.float64]:
    """(n, 99) quantiles of NGBoost's normal distribution of power over its scale."""
    from scipy.stats import norm

    target = train["power"].to_numpy() / train["scale"].to_numpy()
    mean, spread = normals(train[names], target, test[names], config, seed=seed)
    table = mean[:, None] + spread[:, None] * norm.ppf(LEVELS)
    return np.asarray(table * test["scale"].to_numpy()[:, None])


def dressed_physics(train: pd.DataFrame, test: pd.DataFrame) -> NDArray[np.float64]:
    """(n, 99) quantiles: pvlib's plane-of-array power plus the errors it made in past hours most like this one.

    The orientation of each plant is searched on `train`; like means close in forecast power and in the sun's elevation.
    """
    from scipy.spatial import cKDTree

    found = np.zeros((len(test), len(LEVELS)))
    for site, rows in test.groupby("site").indices.items():
        past, ahead = train[train["site"] == site], test.iloc[rows]
        orientation, gain = _fitted_orientation(past)
        before, now = (gain * _plane_power(part, *orientation) for part in (past, ahead))
        errors = past["power"].to_numpy() - before
        tree = cKDTree(np.column_stack([before, past["cos_zenith"]]))
        _, near = tree.query(np.column_stack([now, ahead["cos_zenith"]]), k=min(NEIGHBOURS, len(past)))
        found[rows] = now[:, None] + np.quantile(errors[near], LEVELS, axis=1).T
    return found


def _fitted_orientation(past: pd.DataFrame) -> tuple[tuple[float, float], float]:
    """((tilt, azimuth) [deg], power per unit of plane irradiance) with the least squared error."""
    power, tried = past["power"].to_numpy(), []
    for tilt in TILTS:
        for azimuth in AZIMUTHS if tilt else AZIMUTHS[:1]:
            plane = _plane_power(past, tilt, azimuth)
            gain = float((plane * power).sum() / (plane * plane).sum())
            tried.append((float(((power - gain * plane) ** 2).sum()), (float(tilt), float(azimuth)), gain))
    _, orientation, gain = min(tried)
    return orientation, gain


def _plane_power(rows: pd.DataFrame, tilt: float, azimuth: float) -> NDArray[np.float64]:
    """(n,) power per kW of capacity from the forecast's GHI: Erbs, Hay-Davies, a PVWatts temperature loss."""
    from pvlib import irradiance, solarposition

    middle = pd.DatetimeIndex(rows["valid_time"]) - pd.Timedelta(minutes=30)
    sun = solarposition.get_solarposition(middle, LATITUDE, LONGITUDE)
    zenith, ghi = sun["apparent_zenith"].to_numpy(), rows["ghi"].to_numpy().clip(0)
    parts = irradiance.erbs(ghi, zenith, middle)
    plane = irradiance.get_total_irradiance(
        tilt,
        azimuth,
        zenith,
        sun["azimuth"].to_numpy(),
        parts["dni"],
        ghi,
        parts["dhi"],
        dni_extra=irradiance.get_extra_radiation(middle).to_numpy(),
        model="haydavies",
    )["poa_global"]
    cell = rows["temp_air"].to_numpy() + 0.03 * plane  # Ross, a rise of 30 K at 1000 W/m2
    return np.nan_to_num(np.asarray(plane) / 1000 * (1 + TEMPERATURE_COEFFICIENT * (cell - 25)))


def _hours(rows: pd.DataFrame) -> pd.DataFrame:
    times = rows["valid_time"].dt
    return pd.DataFrame({"site": rows["site"], "power": rows["power"], "hour": times.hour, "day": times.day_of_year})
