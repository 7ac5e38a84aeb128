"""Synthetic plants: pvlib's clear sky through drifting clouds, made at one place and damaged by the tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pvlib.irradiance import get_total_irradiance
from pvlib.location import Location

from shared.seed import generator


@dataclass(frozen=True)
class Place:
    latitude: float
    longitude: float
    azimuth: float
    zone: str = "UTC"


PLACES = {
    "berlin": Place(52.5, 13.4, 180, "Europe/Berlin"),
    "denver": Place(39.7, -105.2, 158, "America/Denver"),
    "sydney": Place(-33.9, 151.2, 0, "Australia/Sydney"),
    "santiago": Place(-33.4, -70.6, 20, "America/Santiago"),
    "fiji": Place(-17.8, 178.9, 0, "Pacific/Fiji"),
    "tromso": Place(69.6, 18.9, 180, "Europe/Oslo"),
    "quito": Place(-0.2, -78.5, 90, "America/Guayaquil"),
    "nairobi": Place(-1.3, 36.8, 270, "Africa/Nairobi"),
}
CAPACITY = 10.0


def synthetic(
    place: Place, first: str = "2013-01-01", days: int = 365, minutes: int = 15, tilt: float = 30, seed: int = 0
) -> pd.Series:
    """AC power [kW], UTC, left-labelled: clear sky in the plane of the modules, clouds that last hours, clipped."""
    index = pd.date_range(first, periods=days * 1440 // minutes, freq=f"{minutes}min", tz="UTC", name="time")
    middle = index + pd.Timedelta(minutes=minutes) / 2
    site = Location(place.latitude, place.longitude)
    with warnings.catch_warnings():
        # pvlib 0.16 asks a DatetimeIndex for what pandas 3 has renamed.
        warnings.filterwarnings("ignore", message="DatetimeIndex.dayofyear")
        sun = site.get_solarposition(middle)
        sky = site.get_clearsky(middle, model="haurwitz", solar_position=sun)["ghi"]
    random = generator(seed, "clouds", str(place), first)
    hours = random.normal(size=days * 24 + 1)
    weather = np.zeros(len(hours))
    for at in range(1, len(hours)):
        weather[at] = 0.9 * weather[at - 1] + 0.44 * hours[at]
    clear = 1 - 0.85 / (1 + np.exp(-3 * (weather - 0.3)))
    share = np.interp(np.arange(len(index)) * minutes / 60, np.arange(len(hours)), clear)
    beam = np.clip((share - 0.4) / 0.6, 0, 1) * 0.8
    ghi = sky.to_numpy() * share
    cosine = np.cos(np.radians(sun["apparent_zenith"].to_numpy()))
    dni = np.where(cosine > 0.03, ghi * beam / np.maximum(cosine, 0.03), 0.0)
    plane = get_total_irradiance(
        tilt, place.azimuth, sun["apparent_zenith"], sun["azimuth"], dni, ghi, ghi * (1 - beam)
    )
    power = np.nan_to_num(np.asarray(plane["poa_global"])) / 1000 * 0.9 * CAPACITY
    return pd.Series(np.clip(power, 0, CAPACITY), index=index, name="power_kw")
