"""The three embedded streams as plain tables; `seconds` since 1970 UTC are the start of each interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from demos.renewables.data import haute_borne, met_mast, system_50
from demos.renewables.site import system_50 as site_system_50

QUARTER = 900.0
TURBINES = ("R80711", "R80721", "R80736", "R80790")
TURBINE_CHANNELS = {"P_avg": "power", "Ws_avg": "wind_speed", "Ot_avg": "temp_air", "Wa_avg": "wind_direction"}
MAST_CHANNELS = (
    "Spd80mN", "Spd80mS", "Spd60mN", "Spd60mS", "Spd40mN", "Spd40mS", "Dir78mS", "Dir58mS", "Dir38mS", "T2m", "P2m",
)  # fmt: skip


def seconds_of(index: pd.DatetimeIndex) -> np.ndarray:
    """Seconds since 1970 UTC, whatever the resolution of the index."""
    return np.asarray((index - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=float)


def mended_system_50() -> pd.DataFrame:
    """System 50 with its clock mended: columns seconds, power [W], ghi [W/m2], temp_air [deg C]; 15 min, gaps kept.

    Clock: see `site.system_50`. Weather: the satellite frames of every 30 min, none later than the end of the interval;
    its winter temperatures are cut off at 0 as published.
    """
    watts = site_system_50.mended_system_50()[0] * 1000
    table = pd.DataFrame({"seconds": seconds_of(pd.DatetimeIndex(watts.index)), "power": watts})
    _, weather = system_50()
    at = seconds_of(pd.DatetimeIndex(weather["index"]).tz_convert("UTC"))
    clear = weather.ghi_clear.to_numpy(float)
    index_of_clearness = np.where(clear > 10, weather.ghi / np.maximum(clear, 10), 1.0)
    begins = table.seconds.to_numpy()
    # The first quarter of a frame can only hold the frame; the second one knows the next.
    reach = np.where(begins % 1800 < QUARTER, 0.0, QUARTER * 1.5)
    kc = np.interp(begins - begins % 1800 + reach, at, index_of_clearness)
    table["ghi"] = kc * np.interp(begins + QUARTER / 2, at, clear)
    table["temp_air"] = np.interp(begins, at, weather.temp_air.to_numpy(float))
    return table[["seconds", "power", "ghi", "temp_air"]]


def turbines() -> dict[str, pd.DataFrame]:
    """La Haute Borne by turbine, on one 10-min grid: seconds, power [kW], wind_speed, temp_air, wind_direction, pitch.

    Stamps that the spring clock change doubled are kept once, the first; what is missing stays NaN.
    """
    scada = haute_borne()
    scada["time"] = pd.to_datetime(scada.Date_time, utc=True)
    grid = pd.date_range(scada.time.min(), scada.time.max(), freq="10min")
    found = {}
    for name in TURBINES:
        one = scada[scada.Wind_turbine_name == name].drop_duplicates("time").set_index("time").sort_index()
        one = one.rename(columns={**TURBINE_CHANNELS, "Ba_avg": "pitch"}).reindex(grid)
        one["seconds"] = seconds_of(grid)
        found[name] = one[["seconds", *TURBINE_CHANNELS.values(), "pitch"]]
    return found


def mast() -> pd.DataFrame:
    """The met mast: seconds (its clock is taken as UTC) and the channels of MAST_CHANNELS, 10 min, gaps kept."""
    table = met_mast()
    table.index = pd.DatetimeIndex(table.Timestamp).tz_localize("UTC")
    table["seconds"] = seconds_of(table.index)
    return table[["seconds", *MAST_CHANNELS]].astype(float)
