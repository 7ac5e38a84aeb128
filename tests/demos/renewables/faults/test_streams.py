"""The embedded streams: whose clock, what a stamp marks, and that the satellite's future stays out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from demos.renewables.data import system_50
from demos.renewables.faults.streams import (
    QUARTER,
    TURBINES,
    causal_weather,
    mended_system_50,
    seconds_of,
    turbines,
)
from demos.renewables.forecast.farm import read_farm
from demos.renewables.site import system_50 as site_system_50

FRAME = pd.Timedelta("30min")


@pytest.fixture(scope="module")
def stream() -> pd.DataFrame:
    return mended_system_50()


@pytest.fixture(scope="module")
def frames() -> pd.DataFrame:
    """Of a week."""
    _, every = system_50()
    return every[(every["index"] >= "2012-05-29") & (every["index"] < "2012-06-05")].reset_index(drop=True)


@pytest.fixture(scope="module")
def starts(stream: pd.DataFrame) -> pd.DatetimeIndex:
    """Of two days."""
    every = pd.DatetimeIndex(stream.index)
    return every[(every >= "2012-06-01") & (every < "2012-06-03")]


def test_times_of_system_50_are_the_starts_of_intervals_whose_middles_were_stamped(stream: pd.DataFrame) -> None:
    stamped = site_system_50.mended_system_50()[0]
    np.testing.assert_array_equal(stream.seconds + QUARTER / 2, seconds_of(pd.DatetimeIndex(stamped.index)))
    np.testing.assert_array_equal(stream.seconds, seconds_of(pd.DatetimeIndex(stream.index)))
    np.testing.assert_allclose(stream.power, stamped * 1000)


@pytest.mark.parametrize("minutes", range(0, 24 * 60, 97))
def test_no_frame_later_than_the_end_of_an_interval_is_looked_at(
    minutes: int, starts: pd.DatetimeIndex, frames: pd.DataFrame
) -> None:
    """Garble every frame after a moment: no input of an interval that ends by then may move."""
    moment = starts[0] + pd.Timedelta(minutes=minutes)
    after = np.asarray(frames["index"] > moment)
    garbled = frames.copy()
    for name in ("ghi", "ghi_clear", "dni_clear", "dhi_clear", "temp_air"):
        garbled[name] = np.where(after, 777.0, frames[name])
    first, second = causal_weather(starts, frames), causal_weather(starts, garbled)
    ended = starts + pd.Timedelta(seconds=QUARTER) <= moment
    pd.testing.assert_frame_equal(first[ended], second[ended])
    assert not first[~ended].equals(second[~ended])


def test_the_newest_frame_is_used(starts: pd.DatetimeIndex, frames: pd.DataFrame) -> None:
    """A frame in the middle of an interval is that interval's; the one after it must do with the same."""
    middles = starts + pd.Timedelta(seconds=QUARTER / 2)
    on_frame = np.asarray(middles == middles.floor(FRAME))
    assert on_frame.sum() == len(starts) / 2
    snapshots = frames.set_index(pd.DatetimeIndex(frames["index"]).tz_convert("UTC"))
    weather = causal_weather(starts, frames)
    truth = snapshots.ghi.reindex(middles[on_frame]).to_numpy(float)
    clear = snapshots.ghi_clear.reindex(middles[on_frame]).to_numpy(float)
    told = weather.ghi[on_frame].to_numpy()
    cloudy = (truth < 0.9 * clear) & (truth > 0)
    np.testing.assert_allclose(told[cloudy], truth[cloudy])
    np.testing.assert_allclose(told[~cloudy], clear[~cloudy])
    newest = snapshots.temp_air.reindex(middles.floor(FRAME)).to_numpy(float)
    np.testing.assert_allclose(weather.temp_air, newest)
    assert ((weather.dni >= 0) & (weather.ghi >= 0)).all()


def test_turbines_are_read_by_the_clock_of_the_forecasts() -> None:
    farm, tables = read_farm(), turbines()
    rated = farm.capacity_kw / len(TURBINES)
    for place, name in enumerate(sorted(TURBINES)):
        table = tables[name]
        np.testing.assert_array_equal(table.seconds, seconds_of(farm.start))
        np.testing.assert_allclose(table.power, farm.power[:, place] * rated)
        np.testing.assert_array_equal(table.wind_speed, farm.wind_speed[:, place])
        np.testing.assert_array_equal(table.wind_direction, farm.direction[:, place])
        plausible = np.isfinite(farm.temp_air[:, place])
        np.testing.assert_array_equal(table.temp_air[plausible], farm.temp_air[plausible, place])
    # What is impossible is kept: the detector is to find it.
    assert tables["R80721"].temp_air.min() < -200
