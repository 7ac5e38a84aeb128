"""A PV plant on its regular grid, with the power that a clear sky would give.

pvlib's clear sky on the plane of the modules (site/clear_sky.py; reflection by Fresnel), turned into power by a factor
that moments of steady power in the training time decide. Power over clear-sky power is the clear-sky index k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.forecast.lagged import Array, rolling
from demos.renewables.site.clear_sky import clear_sky
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.renewables.site.load import Site

LIT = 0.02  # share of capacity: below that clear-sky power, k is only noise
LOW_SUN = 5.0  # deg: neither is it known below that elevation
STEADY = 0.02  # standard deviation of power over its clear-sky shape, in three intervals of a steady sky
LEAST_STEADY = 100  # of those, to fit the factor
TRUSTED = 0.1  # kW/m2 on the modules from which the shape is fitted


@dataclass(frozen=True)
class Plant:
    """A plant on its regular grid, T intervals; power and clear as a share of capacity.

    end: (T,) end of each interval, UTC; power: (T,) NaN where unknown; clear: (T,) what a clear sky would give;
    elevation (apparent), azimuth: (T,) of the sun at mid-interval [deg]; per_day: intervals a day; day: (T,) number
    of the local solar day; hour: (T,) local solar time [h]; season: (T,) angle [rad].
    """

    name: str
    end: pd.DatetimeIndex
    power: Array
    clear: Array
    elevation: Array
    azimuth: Array
    per_day: int
    day: NDArray[np.int64]
    hour: Array
    season: Array

    @property
    def index(self) -> Array:
        """(T,) clear-sky index, 0 and up, NaN where the sun is low or power unknown."""
        lit = (self.clear > LIT) & (self.elevation > LOW_SUN)
        return np.where(lit, self.power / np.where(lit, self.clear, 1.0), np.nan).clip(0)

    @property
    def minutes(self) -> int:
        """Length of an interval [min]."""
        return 1440 // self.per_day


def effective_irradiance(site: Site) -> tuple[Array, pd.DataFrame]:
    """((T,) clear-sky irradiance that enters the modules [kW/m2], the sun at mid-interval as pvlib gives it)."""
    from pvlib import iam, irradiance

    sky, sun = clear_sky(site, site.power.index + site.to_middle)
    modules = (site.surface_tilt, site.surface_azimuth)
    beam = iam.physical(irradiance.aoi(*modules, sun["apparent_zenith"], sun["azimuth"]))
    diffuse = iam.marion_diffuse("physical", site.surface_tilt)["sky"]
    entering = sky["poa_direct"] * beam + sky["poa_diffuse"] * diffuse
    return np.where(sun["apparent_elevation"] > 0, entering.fillna(0), 0.0) / 1000, sun


def make_plant(site: Site, learn_until: pd.Timestamp) -> Plant:
    """The plant with its clear-sky power; only power before `learn_until` decides how sunshine becomes power."""
    effective, sun = effective_irradiance(site)
    middle = site.power.index + site.to_middle
    solar = middle + pd.to_timedelta(4 * site.longitude, unit="min")
    end = middle + site.step / 2
    power = site.power.to_numpy(dtype=float) / site.capacity_kw
    season = 2 * np.pi * np.asarray(middle.day_of_year, dtype=float) / 365.25
    azimuth = sun["azimuth"].to_numpy()
    return Plant(
        name=site.name,
        end=end,
        power=power,
        clear=_clear_power(site.name, power, effective, season, azimuth, np.asarray(end <= learn_until)),
        elevation=sun["apparent_elevation"].to_numpy(),
        azimuth=azimuth,
        per_day=int(pd.Timedelta(days=1) / site.step),
        day=np.asarray((solar - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(days=1), dtype=np.int64),
        hour=np.asarray(solar.hour + solar.minute / 60, dtype=float),
        season=season,
    )


def _clear_power(
    name: str, power: Array, effective: Array, season: Array, azimuth: Array, known: NDArray[np.bool_]
) -> Array:
    """(T,) power under a clear sky: effective irradiance [kW/m2] times a factor linear in season, morning or afternoon,
    and the irradiance itself (hot modules give less), fitted by least squares on steady moments, outliers trimmed.

    Raises UserError when the training time has fewer than LEAST_STEADY steady moments.
    """
    shape = np.column_stack(
        [np.ones_like(season), np.cos(season), np.sin(season), np.sin(np.radians(azimuth)), effective]
    )
    bright = known & (effective > TRUSTED) & np.isfinite(power)
    ratio = np.where(bright, power / np.where(bright, effective, 1.0), np.nan)
    spread = np.asarray(pd.Series(ratio).rolling(3, center=True).std())
    usual = ratio / np.nanquantile(ratio, 0.8) if bright.any() else ratio
    chosen = bright & (spread < STEADY) & (usual > 0.75) & (usual < 1.3)
    factor = np.zeros(shape.shape[1])
    for _ in range(6):
        if chosen.sum() < LEAST_STEADY:
            raise UserError(
                f"{name}: only {int(chosen.sum())} steady sunny intervals before the test, needed are {LEAST_STEADY};"
                " give more data, set forecast.intraday.test_from later (a few sunny days must lie before it), or check"
                " site.latitude, site.longitude, site.tilt and site.azimuth"
            )
        factor, *_ = np.linalg.lstsq(shape[chosen] * effective[chosen, None], power[chosen], rcond=None)
        chosen &= np.abs(ratio / (shape @ factor) - 1) < 0.15
    return np.asarray((shape @ factor).clip(0) * effective)


def latest(k: Array, averaged: int, per_day: int) -> Array:
    """(T,) the mean k of the last `averaged` intervals; after dark the last of the day, for at most a day."""
    return np.asarray(pd.Series(rolling(k, averaged)).ffill(limit=per_day))
