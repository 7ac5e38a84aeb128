"""The three embedded streams as plain tables; `seconds` since 1970 UTC are the start of each interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from demos.renewables.data import met_mast, system_50
from demos.renewables.faults.pv import haurwitz, sun
from demos.renewables.forecast.farm import clocked_scada
from demos.renewables.site import system_50 as site_system_50

QUARTER = 900.0
OLDER = 0.2  # weight of the frame before the newest
LIT = 50.0  # W/m2 of a clear sky, below which a frame says nothing about clouds
DIMMING = 2.5  # of beam irradiance by clouds, as a power of the clear-sky index
FAINT = 0.9  # of a clear sky's irradiance: from here on the power does not see the clouds that the satellite sees
TURBINES = ("R80711", "R80721", "R80736", "R80790")
TURBINE_CHANNELS = {"P_avg": "power", "Ws_avg": "wind_speed", "Ot_avg": "temp_air", "Wa_avg": "wind_direction"}
MAST_CHANNELS = (
    "Spd80mN", "Spd80mS", "Spd60mN", "Spd60mS", "Spd40mN", "Spd40mS", "Dir78mS", "Dir58mS", "Dir38mS", "T2m", "P2m",
)  # fmt: skip


def seconds_of(index: pd.DatetimeIndex) -> np.ndarray:
    """Seconds since 1970 UTC, whatever the resolution of the index."""
    return np.asarray((index - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=float)


def mended_system_50() -> pd.DataFrame:
    """System 50 with its clock mended: columns seconds, power [W], ghi, dni [W/m2], temp_air [deg C].

    Every 15 min, gaps kept. Clock: see `site.system_50`. Its stamps are the middle of their intervals; here, converted
    once, all times are the start, 7.5 min earlier. Weather: `causal_weather`; its winter temperatures are cut off at 0
    as published.
    """
    watts = site_system_50.mended_system_50()[0] * 1000
    assert site_system_50.INTERVAL_LABEL == "center"
    starts = pd.DatetimeIndex(watts.index) - pd.Timedelta(seconds=QUARTER / 2)
    table = pd.DataFrame({"seconds": seconds_of(starts), "power": watts.to_numpy()}, index=starts)
    _, frames = system_50()
    return table.join(causal_weather(starts, frames))


def causal_weather(starts: pd.DatetimeIndex, frames: pd.DataFrame) -> pd.DataFrame:
    """What the satellite can have said by the end of each quarter of an hour: ghi, dni [W/m2], temp_air [deg C].

    starts: (n,) of the intervals; frames: PSM3 snapshots with columns index, ghi, ghi_clear, dni_clear, temp_air, of
    which none later than the interval's end is looked at. The newest one's irradiance over a clear sky's is carried to
    the middle of the interval along the clear sky's shape (Haurwitz); where that is later, a fifth comes from the one
    before. Faint clouds are taken as none. dni is the snapshot's for a clear sky, dimmed by the clear-sky index to the
    power DIMMING. The constants are those that leave the least error of the power on training time.
    """
    at = seconds_of(pd.DatetimeIndex(frames["index"]).tz_convert("UTC"))
    middle = seconds_of(starts) + QUARTER / 2
    newest = np.searchsorted(at, middle + QUARTER / 2, side="right") - 1
    assert newest.min() > 0, "the frames begin before the power"
    clear, here = _haurwitz(at), _haurwitz(middle)
    seen, cloudless = frames.ghi.to_numpy(float), frames.ghi_clear.to_numpy(float)
    share = np.where(seen >= FAINT * cloudless, cloudless, seen) / np.maximum(clear, 1.0)
    weight = np.where((middle > at[newest]) & (clear[newest - 1] > LIT), OLDER, 0.0)
    share = (1 - weight) * share[newest] + weight * share[newest - 1]
    # At sunrise a faint frame must not become a bright interval.
    ghi = share * np.minimum(here, 3 * clear[newest])
    ghi_clear = cloudless[newest] * here / np.maximum(clear[newest], 1.0)
    index = np.clip(ghi / np.maximum(ghi_clear, 1.0), 0.0, 1.0)
    dni = frames.dni_clear.to_numpy(float)[newest] * index**DIMMING
    temp_air = frames.temp_air.to_numpy(float)[newest]
    return pd.DataFrame({"ghi": ghi, "dni": dni, "temp_air": temp_air}, index=starts)


def _haurwitz(seconds: np.ndarray) -> np.ndarray:
    site = site_system_50
    heights = np.array([sun(float(at), site.LATITUDE, site.LONGITUDE)[0] for at in seconds])
    return np.array([haurwitz(float(sine)) for sine in np.sin(np.radians(heights))])


def turbines() -> dict[str, pd.DataFrame]:
    """La Haute Borne by turbine, on one 10-min grid: seconds, power [kW], wind_speed, temp_air, wind_direction, pitch.

    Clock: see `forecast.farm`. Values are as published, impossible ones too: they
    are what is judged. What is missing stays NaN.
    """
    scada, _ = clocked_scada()
    grid = pd.date_range(scada.start.min(), scada.start.max(), freq="10min")
    found = {}
    for name in TURBINES:
        one = scada[scada.Wind_turbine_name == name].set_index("start")
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
