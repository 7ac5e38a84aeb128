"""Real data: the embedded plant with its wrong clock, and a plant of the same campus with a right one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pvlib.irradiance import get_total_irradiance
from pvlib.solarposition import get_solarposition

from demos.renewables.site import system_50 as plant
from demos.renewables.site.checks import check_power
from demos.renewables.site.clock import clock_steps, usable
from demos.renewables.site.sun import days_of

AT_STAMP = pd.Timedelta(0)


@pytest.fixture(scope="module")
def mended() -> tuple[pd.Series, list]:
    return plant.mended_system_50()


def curve_offsets(
    power: pd.Series, expected: pd.Series, longitude: float, reach: int = 90, every: int = 5
) -> pd.Series:
    """Minutes by which the power of each day runs behind the curve that was expected, by the best correlation.

    power, expected: same regular UTC grid, any unit; longitude: [deg], splits the days at midnight; reach: greatest
    shift tried [min]; every: step of the trial [min]. Indexed by solar date; days without power are left out.
    An independent look at the clock: it needs an expected curve that is right, orientation included; `sun.days_of`
    needs none.
    """
    minute = np.asarray((power.index - power.index[0]) / pd.Timedelta(minutes=1))
    date = (power.index + pd.Timedelta(minutes=round(4 * longitude))).tz_localize(None).floor("D")
    measured = power.fillna(0.0)
    tried = np.arange(-reach, reach + 1, every)
    scores = {}
    for shift in tried:
        curve = pd.Series(np.interp(minute - shift, minute, expected.fillna(0.0)), index=power.index)
        total = pd.DataFrame({"xy": measured * curve, "xx": measured**2, "yy": curve**2}).groupby(date).sum()
        scores[shift] = total["xy"] / np.sqrt(total["xx"] * total["yy"]).replace(0.0, np.nan)
    return pd.DataFrame(scores).dropna().idxmax(axis=1).astype(float)


def days(power: pd.Series) -> pd.DataFrame:
    return usable(days_of(power, plant.LATITUDE, plant.LONGITUDE, AT_STAMP))


def test_the_steps_are_at_the_dates_of_us_daylight_saving() -> None:
    steps = clock_steps(days(plant.raw_system_50()), 15)
    dates = ["2011-11-06", "2012-03-11", "2012-11-04", "2013-03-10", "2013-11-03"]
    assert [step.minutes for step in steps] == [-60, 60, -60, 60, -60]
    apart = [abs(step.day - pd.Timestamp(date)).days for step, date in zip(steps, dates, strict=True)]
    assert max(apart) <= 2


def test_the_clock_is_mended_and_said(mended: tuple[pd.Series, list]) -> None:
    power, findings = mended
    (finding,) = [finding for finding in findings if finding.action == "mended"]
    assert finding.kind == "daylight saving"
    assert "America/Denver" in finding.message
    assert clock_steps(days(power), 15) == []
    raw = plant.raw_system_50()
    assert power.sum() == pytest.approx(raw.sum(), rel=1e-9)
    winter = pd.Timestamp("2012-01-10 12:00", tz="UTC")
    assert power[winter + pd.Timedelta(hours=7)] == raw[winter + pd.Timedelta(hours=7)]
    summer = pd.Timestamp("2012-07-10 18:00", tz="UTC")
    assert power[summer] == raw[summer + pd.Timedelta(hours=1)]


@pytest.mark.skipif(pd.__version__ >= "3", reason="pvanalytics 0.2.2's day mask fails with pandas 3")
@pytest.mark.filterwarnings("ignore")
def test_pvanalytics_sees_the_same_dates_before_and_none_after(mended: tuple[pd.Series, list]) -> None:
    """The peer: its day and night mask, and has_dst, which must be told the zone."""
    from pvanalytics.features.daytime import get_sunrise, get_sunset, power_or_irradiance
    from pvanalytics.quality.time import has_dst

    def dates(power: pd.Series) -> list[str]:
        local = power.tz_convert("Etc/GMT+7").asfreq("15min")
        day = power_or_irradiance(local, freq="15min", low_value_threshold=0.005)
        middle = get_sunrise(day) + (get_sunset(day) - get_sunrise(day)) / 2
        found = has_dst(middle.resample("D").first().dropna(), "America/Denver", missing="warn")
        return [f"{date:%Y-%m-%d}" for date in found.index[found]]

    assert dates(plant.raw_system_50()) == ["2011-11-06", "2012-03-11", "2012-11-04", "2013-03-10", "2013-11-03"]
    assert dates(mended[0]) == []


@pytest.fixture(scope="module")
def plane(mended: tuple[pd.Series, list]) -> pd.DataFrame:
    """Irradiance in the plane of the modules at the stamps of the power, from the satellite: cloudy and clear."""
    index = mended[0].index
    weather = plant.weather_system_50(index)
    sun = get_solarposition(index, plant.LATITUDE, plant.LONGITUDE)
    cosine = np.cos(np.radians(sun["apparent_zenith"])).clip(0)
    share = (weather["ghi"] / weather["ghi_clear"].where(weather["ghi_clear"] > 0)).fillna(0.0)
    beam = ((share - 0.5) / 0.5).clip(0, 1)
    skies = {}
    for name, ghi, dni in (
        ("cloudy", weather["ghi"], weather["dni_clear"] * beam),
        ("clear", weather["ghi_clear"], weather["dni_clear"]),
    ):
        sky = (dni, ghi, (ghi - dni * cosine).clip(0))
        skies[name] = get_total_irradiance(plant.TILT, plant.AZIMUTH, sun["apparent_zenith"], sun["azimuth"], *sky)[
            "poa_global"
        ]
    return pd.DataFrame(skies)


def test_the_mended_clock_is_within_ten_minutes_all_year(mended: tuple[pd.Series, list], plane: pd.DataFrame) -> None:
    """Against the satellite's irradiance in the plane of the modules, medians of 30 days."""
    power, _ = mended

    def worst(series: pd.Series) -> float:
        found = curve_offsets(series, plane["cloudy"].reindex(series.index), plant.LONGITUDE)
        return float(found.rolling(30, center=True, min_periods=10).median().abs().max())

    assert worst(power) <= 10
    assert worst(plant.raw_system_50().reindex(power.index)) >= 45


@pytest.mark.parametrize("months", [(11, 12, 1, 2), (5, 6, 7, 8)])
def test_clouds_pass_when_the_satellite_sees_them(
    mended: tuple[pd.Series, list], plane: pd.DataFrame, months: tuple[int, ...]
) -> None:
    """Whatever the orientation: best lag between clouds in the power and clouds in PSM3, changes within a day."""
    power, _ = mended
    bright = plane["clear"] > 150
    at_plant = (power / plane["clear"]).where(bright & power.index.month.isin(months)).interpolate(limit=1)
    weather = plant.weather_system_50(power.index)
    from_space = (weather["ghi"] / weather["ghi_clear"]).where(bright & power.index.minute.isin([0, 30])).dropna()
    minute = np.asarray((power.index - power.index[0]) / pd.Timedelta(minutes=1))
    stamps = np.asarray((from_space.index - power.index[0]) / pd.Timedelta(minutes=1))
    date = (from_space.index - pd.Timedelta(hours=7)).floor("D")
    score = {}
    for lag in range(-30, 31, 5):
        shifted = pd.Series(np.interp(stamps + lag, minute, at_plant), index=from_space.index)
        both = pd.DataFrame({"plant": shifted, "space": from_space}).dropna()
        day = both.groupby(date[from_space.index.isin(both.index)])
        changes = both - day.transform("mean")
        score[lag] = changes["plant"].corr(changes["space"])
    assert abs(max(score, key=lambda lag: score[lag])) <= 5
    assert max(score.values()) > 0.4


def test_the_orientation_is_fitted_on_the_years_before_the_test_year(mended: tuple[pd.Series, list]) -> None:
    power, _ = mended
    tilt, azimuth, r2 = plant.orientation(power)
    assert abs(tilt - plant.TILT) < 1
    assert abs(azimuth - plant.AZIMUTH) < 1
    assert r2 > 0.9
    assert abs(plant.TILT - plant.DOCUMENTED_TILT) < 2
    assert abs(plant.AZIMUTH - plant.DOCUMENTED_AZIMUTH) < 5
    changed = power.copy()
    changed[pd.Timestamp(plant.FIT_BEFORE, tz="UTC") :] = 0.0
    assert plant.orientation(changed) == (tilt, azimuth, r2)


def test_a_good_real_plant_has_a_good_clock() -> None:
    """SERF East, 15 minutes, July to October 2016: its only oddities are its unit and the standby draw."""
    spec = find_spec("pvanalytics")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "data" / "serf_east_15min_ac_power.csv"
    table = pd.read_csv(file).dropna(subset=["measured_on"])
    power = pd.Series(table["ac_power"].to_numpy(), index=pd.DatetimeIndex(table["measured_on"]).tz_convert("UTC"))
    findings = check_power(power, 39.742, -105.1727, 6.0, interval_label="right")[1]
    assert [(finding.kind, finding.action) for finding in findings] == [
        ("unit", "mended"),
        ("negative power", "mended"),
    ]
