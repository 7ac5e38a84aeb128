"""GEFCom2014, solar track: 15 monthly tasks, three plants, day-ahead weather forecasts, 99 quantiles.

The rules of the competition: the power of a task's month is forecast for every hour from the weather forecasts issued
at 00 UTC of each day and from all power measured before that month; nothing of the month's own power may be used. This
is retrospective: the answers have been public since 2014.

Times: stamps are the end of the hour, in UTC. The fluxes of ECMWF are sums since the issue; they are differenced within
each issue. Features may look back into the issue before, which is known by then, and never into the next one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pvlib import clearsky, solarposition

from demos.renewables.data import gefcom_solar

FIRST_TASK = pd.Timestamp("2013-04-01", tz="UTC")
LEVELS = tuple(np.round(np.arange(1, 100) / 100, 2).tolist())
HOURS = 24
# The organisers withheld the coordinates. These fit the hours of daylight in the forecasts' own net radiation at the
# top of the atmosphere, which is astronomy, not weather; a test repeats the search.
LATITUDE, LONGITUDE = -36.0, 149.0
ECMWF = {
    "VAR78": "liquid_water",  # kg/m2
    "VAR79": "ice_water",  # kg/m2
    "VAR134": "pressure",  # Pa
    "VAR157": "relative_humidity",  # %
    "VAR164": "cloud_cover",  # 0 to 1
    "VAR165": "wind_u",  # m/s
    "VAR166": "wind_v",  # m/s
    "VAR167": "temp_air",  # K
    "VAR169": "ghi",  # J/m2 since the issue
    "VAR175": "longwave_down",  # J/m2 since the issue
    "VAR178": "top_net_solar",  # J/m2 since the issue
    "VAR228": "precipitation",  # m since the issue
}
SINCE_ISSUE = ("ghi", "longwave_down", "top_net_solar", "precipitation")
MIDPOINTS = tuple(range(5, 60, 10))  # minutes before the end of the hour at which the sun is looked at
LIGHT = 15.0  # W/m2 of clear-sky irradiance below which a clearness index is only noise


def task_start(task: int) -> pd.Timestamp:
    """First instant of a task's month; its stamps (ends of hours) are later. task: 1 to 15."""
    return FIRST_TASK + pd.DateOffset(months=task - 1)


def load_rows() -> pd.DataFrame:
    """All rows, (59112, ...): site, issue_time, valid_time, power (0 to 1), daylight, scale and the features.

    issue_time is the first stamp of the issue (01:00). Ordered by site, then time, 24 rows an issue.
    """
    raw = gefcom_solar()
    sites = list(raw.columns.get_level_values("site").unique())
    issue, valid = (raw.index.get_level_values(name) for name in ("ref_datetime", "valid_datetime"))
    sky = clear_sky(pd.DatetimeIndex(valid))
    weather = {site: _weather(raw[site]) for site in sites}
    clearness = np.stack([_clearness(weather[site]["ghi"].to_numpy(), sky["ghi_clear"].to_numpy()) for site in sites])
    frames = []
    for number, site in enumerate(sites):
        rows = pd.concat([sky, _features(weather[site], sky["ghi_clear"].to_numpy())], axis=1)
        rows["clearness_mean"], rows["clearness_low"], rows["clearness_high"] = (
            clearness.mean(0),
            clearness.min(0),
            clearness.max(0),
        )
        rows["ghi_all_sites"] = np.mean([weather[one]["ghi"] for one in sites], axis=0)
        for one in range(len(sites)):
            rows[f"is_site_{one + 1}"] = float(one == number)
        rows = rows.assign(
            site=site,
            issue_time=issue,
            valid_time=valid,
            power=raw[site]["Power"].to_numpy(),
            scale=np.maximum(sky["ghi_clear"].to_numpy() / 1000, 0.02),
            daylight=sky["elevation"].to_numpy() > 0,
        )
        frames.append(rows)
    return pd.concat(frames, ignore_index=True)


NOT_FEATURES = ("site", "issue_time", "valid_time", "power", "scale", "daylight")


def feature_names(rows: pd.DataFrame) -> list[str]:
    """Columns that a model may look at."""
    return [name for name in rows.columns if name not in NOT_FEATURES]


def clear_sky(hour_ends: pd.DatetimeIndex) -> pd.DataFrame:
    """Where the sun is and what a clear sky would give, for hours that end at `hour_ends` (UTC).

    cos_zenith (0 to 1) and ghi_clear [W/m2] (Haurwitz) are means over six moments of the hour; elevation, azimuth_north
    [deg] (0 = north, east positive) at its middle; the season as cosine and sine.
    """
    cosine, ghi = np.zeros(len(hour_ends)), np.zeros(len(hour_ends))
    for minutes in MIDPOINTS:
        times = hour_ends - pd.Timedelta(minutes=minutes)
        zenith = solarposition.get_solarposition(times, LATITUDE, LONGITUDE)["zenith"]
        cosine += np.cos(np.radians(zenith.to_numpy())).clip(0) / len(MIDPOINTS)
        ghi += clearsky.haurwitz(zenith)["ghi"].to_numpy() / len(MIDPOINTS)
    middle = solarposition.get_solarposition(hour_ends - pd.Timedelta(minutes=30), LATITUDE, LONGITUDE)
    season = 2 * np.pi * np.asarray(hour_ends.day_of_year) / 365.25
    return pd.DataFrame(
        {
            "cos_zenith": cosine,
            "ghi_clear": ghi,
            "elevation": middle["elevation"].to_numpy(),
            "azimuth_north": (middle["azimuth"].to_numpy() + 180) % 360 - 180,
            "season_cos": np.cos(season),
            "season_sin": np.sin(season),
            "lead": np.where(hour_ends.hour == 0, HOURS, hour_ends.hour).astype(float),
        }
    )


def _weather(raw: pd.DataFrame) -> pd.DataFrame:
    """One site's forecasts with plain names; fluxes as hourly means [W/m2] and precipitation in mm an hour."""
    table = raw.rename(columns=ECMWF)[list(ECMWF.values())]
    for name in SINCE_ISSUE:
        sums = table[name]
        hourly = sums.groupby(level="ref_datetime").diff()
        table[name] = hourly.where(sums.groupby(level="ref_datetime").cumcount() > 0, sums)
    table[["ghi", "longwave_down", "top_net_solar"]] /= 3600
    table["precipitation"] *= 1000
    return table.reset_index(drop=True)


def _features(weather: pd.DataFrame, ghi_clear: NDArray[np.float64]) -> pd.DataFrame:
    """What one site's forecast says about each hour and the hours around it."""
    ghi = weather["ghi"].to_numpy()
    clearness, cover = _clearness(ghi, ghi_clear), weather["cloud_cover"].to_numpy()
    liquid = np.log10(weather["liquid_water"].to_numpy().clip(0) + 1e-5)
    table = {
        "ghi": ghi,
        "top_net_solar": weather["top_net_solar"].to_numpy(),
        "longwave_down": weather["longwave_down"].to_numpy(),
        "clearness": clearness,
        "clearness_top": _clearness(weather["top_net_solar"].to_numpy(), ghi_clear, 2.0),
        "cloud_cover": cover,
        "log_liquid_water": liquid,
        "log_ice_water": np.log10(weather["ice_water"].to_numpy().clip(0) + 1e-6),
        "log_precipitation": np.log10(weather["precipitation"].to_numpy().clip(0) + 1e-3),
        "relative_humidity": weather["relative_humidity"].to_numpy(),
        "temp_air": weather["temp_air"].to_numpy() - 273.15,
        "pressure": weather["pressure"].to_numpy() / 100,
        "wind_u": weather["wind_u"].to_numpy(),
        "wind_v": weather["wind_v"].to_numpy(),
        "wind_speed": np.hypot(weather["wind_u"], weather["wind_v"]).to_numpy(),
    }
    for hours in (-2, -1, 1, 2):
        table[f"ghi{hours:+d}h"] = _shifted(ghi, hours)
    for hours in (-3, -1, 1, 3):
        table[f"clearness{hours:+d}h"] = _shifted(clearness, hours)
    for hours in (-1, 1):
        table[f"cloud_cover{hours:+d}h"] = _shifted(cover, hours)
    for name in ("log_liquid_water", "log_ice_water", "relative_humidity", "longwave_down"):
        for hours in (-2, -1, 1, 2):
            table[f"{name}{hours:+d}h"] = _shifted(table[name], hours)
    for hours in (-3, 3):
        table[f"pressure{hours:+d}h"] = _shifted(table["pressure"], hours)
    around = [clearness, _shifted(clearness, -1), _shifted(clearness, 1)]
    table["clearness_3h"] = _mean_of_known(np.stack(around))
    return pd.DataFrame(table)


def _clearness(flux: NDArray[np.float64], clear: NDArray[np.float64], limit: float = 1.6) -> NDArray[np.float64]:
    """flux over clear-sky irradiance, 0 to limit; NaN in the dark."""
    return np.where(clear > LIGHT, (flux / np.maximum(clear, LIGHT)).clip(0, limit), np.nan)


def _shifted(values: NDArray[np.float64], hours: int) -> NDArray[np.float64]:
    """The value `hours` later (earlier when negative): earlier ones from the issue before where this one has none (an
    issue begins in mid-morning there), later ones from the same issue alone; NaN where nothing is known."""
    moved = np.full(len(values), np.nan)
    if hours < 0:
        moved[-hours:] = values[:hours]
    else:
        moved.reshape(-1, HOURS)[:, :-hours] = values.reshape(-1, HOURS)[:, hours:]
    return moved


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(values.shape[1:], np.nan), where=known.any(axis=0))
