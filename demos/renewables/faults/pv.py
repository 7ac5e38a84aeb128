"""Expected power of a PV system, one sample at a time: sun position, decomposition, transposition, temperature.

Plain Python numbers, so that nothing is precomputed for a stream; the tests hold every step against pvlib. What physics
leaves over (shading, incidence angle, the horizon) is a table over the sun's position, learned on training days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

AZIMUTH_STEP, ELEVATION_STEP = 10.0, 4.0
COLUMNS, ROWS = 36, 23
J2000 = 946_728_000.0  # 2000-01-01 12:00 UTC in seconds since 1970
ALBEDO = 0.2

# On the log ratio of a clear day: constant, air warmer than usual [1/K], sine and cosine of the season, clearness.
Effects = tuple[float, float, float, float, float]
NO_EFFECTS: Effects = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PvSite:
    """A fixed array. Angles in degrees, pvlib's conventions (azimuth east of north); power in W."""

    latitude: float
    longitude: float
    surface_tilt: float
    surface_azimuth: float
    nameplate: float
    power_at_stc: float = 0.0
    gamma: float = -0.004
    clear_scale: tuple[float, ...] = (1.0,) * 12  # by month: haze of the site's clear sky
    correction: tuple[float, ...] = field(default=(1.0,) * (COLUMNS * ROWS), repr=False)
    effects: Effects = NO_EFFECTS


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the system should give now: power [W], clear-sky index of the weather [-], solar elevation [deg]."""

    power: float
    clear_index: float
    elevation: float


def sun(seconds: float, latitude: float, longitude: float) -> tuple[float, float]:
    """Elevation without refraction and azimuth east of north [deg] at `seconds` since 1970 UTC.

    Astronomical Almanac's approximation, 0.01 degrees between 1950 and 2050. Source: Michalsky, Solar Energy 40 (1988).
    """
    days = (seconds - J2000) / 86400.0
    mean = math.radians((357.528 + 0.9856003 * days) % 360.0)
    ecliptic = math.radians((280.460 + 0.9856474 * days + 1.915 * math.sin(mean) + 0.020 * math.sin(2 * mean)) % 360.0)
    tilt = math.radians(23.439 - 4e-7 * days)
    right_ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal = 15.0 * ((6.697375 + 0.0657098242 * days + (seconds % 86400.0) / 3600.0) % 24.0) + longitude
    hour_angle = math.radians(sidereal) - right_ascension
    phi = math.radians(latitude)
    sine = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour_angle)
    azimuth = math.atan2(
        -math.cos(declination) * math.sin(hour_angle),
        math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour_angle),
    )
    return math.degrees(math.asin(max(-1.0, min(1.0, sine)))), math.degrees(azimuth) % 360.0


def haurwitz(cos_zenith: float) -> float:
    """Clear-sky global horizontal irradiance [W/m2]; Haurwitz, Journal of Meteorology 2 (1945)."""
    return 1098.0 * cos_zenith * math.exp(-0.059 / cos_zenith) if cos_zenith > 0 else 0.0


def extra_radiation(seconds: float) -> float:
    """Extraterrestrial normal irradiance [W/m2], Spencer's series (1971)."""
    day = 2.0 * math.pi * ((seconds / 86400.0) % 365.2425) / 365.2425
    return 1366.1 * (
        1.00011
        + 0.034221 * math.cos(day)
        + 0.00128 * math.sin(day)
        + 0.000719 * math.cos(2 * day)
        + 7.7e-05 * math.sin(2 * day)
    )


def erbs(ghi: float, cos_zenith: float, extra: float) -> tuple[float, float]:
    """Direct normal and diffuse horizontal irradiance [W/m2] from global; Erbs et al., Solar Energy 28 (1982)."""
    kt = max(0.0, min(1.0, ghi / (extra * max(cos_zenith, 0.065))))
    if kt <= 0.22:
        fraction = 1.0 - 0.09 * kt
    elif kt <= 0.8:
        fraction = 0.9511 - 0.1604 * kt + 4.388 * kt**2 - 16.638 * kt**3 + 12.336 * kt**4
    else:
        fraction = 0.165
    dhi = ghi * fraction
    return max(0.0, (ghi - dhi) / max(cos_zenith, 0.065)), dhi


def poa_global(
    ghi: float, elevation: float, azimuth: float, seconds: float, site: PvSite, dni: float = math.nan
) -> float:
    """Plane-of-array irradiance [W/m2] by Hay-Davies with an isotropic ground of albedo 0.2; dni by Erbs where NaN."""
    cos_zenith = math.sin(math.radians(elevation))
    if cos_zenith <= 0 or ghi <= 0:
        return 0.0
    extra = extra_radiation(seconds)
    if math.isfinite(dni):
        dni = max(0.0, min(dni, extra, ghi / max(cos_zenith, 0.065)))
        dhi = max(0.0, ghi - dni * cos_zenith)
    else:
        dni, dhi = erbs(ghi, cos_zenith, extra)
    tilt = math.radians(site.surface_tilt)
    cos_incidence = cos_zenith * math.cos(tilt) + math.cos(math.radians(elevation)) * math.sin(tilt) * math.cos(
        math.radians(azimuth - site.surface_azimuth)
    )
    beam = max(0.0, cos_incidence)
    # pvlib too keeps the ratio bounded near the horizon.
    anisotropy, ratio = dni / extra, beam / max(cos_zenith, 0.01745)
    sky = dhi * (anisotropy * ratio + (1 - anisotropy) * (1 + math.cos(tilt)) / 2)
    return dni * beam + sky + ghi * ALBEDO * (1 - math.cos(tilt)) / 2


def correction(site: PvSite, elevation: float, azimuth: float) -> float:
    """The learned table at the sun's position, bilinear."""
    x, y = azimuth / AZIMUTH_STEP, min(max(elevation / ELEVATION_STEP, 0.0), ROWS - 1.001)
    column, row = int(x), int(y)
    right, up = x - column, y - row
    table, left_at, right_at = site.correction, column % COLUMNS, (column + 1) % COLUMNS
    low = table[row * COLUMNS + left_at] * (1 - right) + table[row * COLUMNS + right_at] * right
    high = table[(row + 1) * COLUMNS + left_at] * (1 - right) + table[(row + 1) * COLUMNS + right_at] * right
    return low * (1 - up) + high * up


def expected(site: PvSite, middle: float, ghi: float, temp_air: float, dni: float = math.nan) -> Expectation:
    """Expected AC power in the interval whose middle is `middle` [s since 1970 UTC].

    ghi, dni: mean global horizontal and direct normal irradiance of the interval [W/m2], dni NaN where unknown;
    temp_air [deg C]. Cell temperature: 30 K above the
    air at 800 W/m2 (a roof mount between pvlib's SAPM presets); power as in PVWatts, Dobos (NREL, 2014).
    """
    elevation, azimuth = sun(middle, site.latitude, site.longitude)
    if elevation <= 0:
        return Expectation(0.0, 0.0, elevation)
    poa = poa_global(ghi, elevation, azimuth, middle, site, dni)
    cell = temp_air + poa * 0.0375
    power = site.power_at_stc * poa / 1000.0 * (1 + site.gamma * (cell - 25.0)) * correction(site, elevation, azimuth)
    month = int(middle / 86400.0 % 365.2425 / 30.4369)
    clear = site.clear_scale[month] * haurwitz(math.sin(math.radians(elevation)))
    return Expectation(max(0.0, power), ghi / clear if clear > 20 else 0.0, elevation)
