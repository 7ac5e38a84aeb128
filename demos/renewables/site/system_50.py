"""PVDAQ system 50, the embedded plant: where it stands, what is wrong with its clock, and the mended series.

Place: the PVFleets example of pvanalytics (39.7406 N, 105.1775 W, Golden, Colorado); the same example gives tilt 45 and
azimuth 158. The stamps say UTC-07:00 all year, but the clock followed US daylight saving.

What a stamp marks is not documented for these 15-minute values. Passing clouds against the satellite (PSM3) put the
middle of an interval within 2 min of its stamp, in winter as in summer, whatever the orientation: so "center", as far
as PSM3's own stamps are right. A fit of power against clear-sky irradiance cannot decide it: stamps 7.5 min later go
with modules turned 3 deg further west (right and 158, center and 161, left and 164 fit alike within 5 % of squared
error).
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from demos.renewables.data import system_50
from demos.renewables.site.checks import check_power
from demos.renewables.site.finding import Finding

NAME = "PVDAQ system 50, Golden"
LATITUDE, LONGITUDE = 39.7406, -105.1775
DOCUMENTED_TILT, DOCUMENTED_AZIMUTH = 45.0, 158.0
TILT, AZIMUTH = 45.0, 162.0  # fitted by `orientation` on 2011 and 2012
CAPACITY_KW = 3.0  # assumed: a fit gives 2.8 kW at 1000 W/m2 and 25 C; cloud edges lift 15-minute means to 3.4
INTERVAL_LABEL = "center"
FIT_BEFORE = "2013-01-01"  # 2013 is the test year of the forecasts


def raw_system_50() -> pd.Series:
    """AC power [kW] as published: 15 min, stamps in UTC as their label says, so an hour late in summer."""
    frame, _ = system_50()
    index = pd.DatetimeIndex(frame["measured_on"]).tz_convert("UTC").rename("time")
    return pd.Series(frame["ac_power_2"].to_numpy(dtype=float) / 1000, index=index, name="power_kw")


def mended_system_50() -> tuple[pd.Series, list[Finding]]:
    """AC power [kW], 15 min, true UTC, stamps at the middle of their intervals; and what was found."""
    return check_power(
        raw_system_50(), LATITUDE, LONGITUDE, CAPACITY_KW, interval_label=INTERVAL_LABEL, source="PVDAQ system 50"
    )


def weather_system_50(index: pd.DatetimeIndex) -> pd.DataFrame:
    """PSM3 satellite weather at UTC stamps, interpolated from its 30-minute snapshots: ghi, ghi_clear, dni_clear,
    dhi_clear [W/m2], temp_air [C]. The snapshots are instantaneous: their closure with the sun is best at the stamp.

    Measured afterwards from space: no forecast may use it as known in advance.
    """
    _, frame = system_50()
    names = ["ghi", "ghi_clear", "dni_clear", "dhi_clear", "temp_air"]
    table = frame.set_index(pd.DatetimeIndex(frame["index"]).tz_convert("UTC"))[names].astype(float)
    both = table.index.union(index)
    return table.reindex(both).interpolate(method="time", limit_area="inside").reindex(index).rename_axis("time")


def orientation(power: pd.Series) -> tuple[float, float, float]:
    """(surface_tilt [deg], surface_azimuth [deg], r2) that fit clear moments before FIT_BEFORE best.

    power: of `mended_system_50`. Method: pvanalytics.system.infer_orientation_fit_pvwatts on moments when the satellite
    saw a clear sky for an hour on either side.
    """
    from pvanalytics.system import infer_orientation_fit_pvwatts
    from pvlib.solarposition import get_solarposition

    power = power[: pd.Timestamp(FIT_BEFORE, tz="UTC")]
    weather = weather_system_50(power.index)
    clear = (weather["ghi"] == weather["ghi_clear"]).astype(float).rolling(9, center=True).min() == 1
    with warnings.catch_warnings():
        # pvlib 0.16 asks a DatetimeIndex for what pandas 3 has renamed; nothing that we could write differently.
        warnings.filterwarnings("ignore", message="DatetimeIndex.dayofyear")
        sun = get_solarposition(power.index, LATITUDE, LONGITUDE)
    chosen = np.asarray(clear & power.notna() & (sun["apparent_elevation"] > 10))
    power, weather, sun = power[chosen], weather[chosen], sun[chosen]
    # Clear-sky GHI from its parts, so that interpolated snapshots close with the sun of the moment.
    ghi = weather["dni_clear"] * np.cos(np.radians(sun["apparent_zenith"])) + weather["dhi_clear"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="DatetimeIndex.dayofyear")
        tilt, azimuth, r2 = infer_orientation_fit_pvwatts(
            power * 1000,
            ghi,
            weather["dhi_clear"],
            weather["dni_clear"],
            sun["apparent_zenith"],
            sun["azimuth"],
            temperature=weather["temp_air"],
            azimuth_min=90,
            azimuth_max=270,
        )
    return float(tilt), float(azimuth), float(r2)
