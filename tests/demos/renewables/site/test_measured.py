"""Measured weather as features: shares of a clear sky that are known in time, and nothing that is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.renewables.site.clear_sky import clear_sky
from demos.renewables.site.load import Site
from demos.renewables.site.measured import measured_weather

DAYS = pd.date_range("2021-06-01", "2021-06-05", freq="15min", tz="UTC", inclusive="left")


def a_site(freq: str = "60min", label: str = "left", cloud: float = 0.5) -> Site:
    """Weather of half a clear sky at 40 N, whose temperature counts the intervals."""
    times = pd.date_range("2021-06-01", "2021-06-05", freq=freq, tz="UTC", inclusive="left")
    site = Site("here", 40.0, -105.0, 30.0, 180.0, 5.0, pd.Series(0.0, DAYS), None, label, [])
    middle = times + (pd.Timedelta(freq) / 2 if label == "left" else pd.Timedelta(0))
    sky, _ = clear_sky(site, middle)
    weather = cloud * sky[["ghi", "poa_global", "dni"]].set_axis(times)
    weather = weather.assign(dhi=cloud * sky["ghi"].to_numpy(), temp_air=np.arange(len(times), dtype=float))
    return Site(**{**vars(site), "weather": weather})


@pytest.mark.parametrize("label", ["left", "center"])
def test_each_irradiance_is_a_share_of_its_clear_sky(label: str) -> None:
    found = measured_weather(a_site("15min", label), DAYS + pd.Timedelta("15min"))
    for name in ("ghi", "poa_global", "dni", "dhi"):
        known = found[f"{name}_index"].dropna()
        assert 0.3 * len(DAYS) < len(known) < 0.6 * len(DAYS)
        np.testing.assert_allclose(known, 0.5)
        np.testing.assert_allclose(found[f"{name}_index_1h"].dropna(), 0.5)
        np.testing.assert_allclose(found[f"{name}_trend_1h"].dropna(), 0, atol=1e-12)


def test_the_last_interval_that_has_ended_counts_and_the_running_one_does_not() -> None:
    at = pd.DatetimeIndex(["2021-06-01 00:45", "2021-06-01 01:00", "2021-06-01 01:45", "2021-06-01 02:00"], tz="UTC")
    left = measured_weather(a_site(), at)["temp_air"]
    np.testing.assert_array_equal(left, [np.nan, 0, 0, 1])
    # Stamps at mid-interval end half an hour later.
    centre = measured_weather(a_site(label="center"), at)["temp_air"]
    np.testing.assert_array_equal(centre, [0, 0, 1, 1])


def test_gaps_and_the_time_after_the_last_row_are_unknown() -> None:
    site = a_site()
    assert site.weather is not None
    site.weather.loc["2021-06-02 16:00":"2021-06-02 18:59", ["temp_air", "ghi"]] = np.nan  # type: ignore[misc]
    at = pd.date_range("2021-06-02 15:30", "2021-06-02 21:30", freq="60min", tz="UTC")
    found = measured_weather(site, at)
    assert found["temp_air"].isna().tolist() == [False, False, True, True, True, False, False]
    assert found["ghi_index"].isna().tolist() == [False, False, True, True, True, False, False]
    assert found["ghi_trend_1h"].isna().tolist() == [False, False, True, True, True, True, False]
    assert found["dni_index"].notna().all()
    after = measured_weather(site, pd.DatetimeIndex(["2021-06-05 00:45", "2021-06-05 01:00"], tz="UTC"))
    assert after["temp_air"].isna().tolist() == [False, True]


@settings(deadline=None, derandomize=True, max_examples=25)
@given(at=st.integers(1, 4 * 96 - 1), freq=st.sampled_from(["5min", "15min", "60min"]))
def test_nothing_that_ends_after_the_instant_enters(at: int, freq: str) -> None:
    site, known_at = a_site(freq), DAYS + pd.Timedelta("15min")
    assert site.weather is not None
    later = site.weather.index + pd.Timedelta(freq) > known_at[at]
    changed = site.weather.copy()
    changed.loc[later] = 1000 - 0.5 * changed.loc[later]
    before = measured_weather(site, known_at)
    after = measured_weather(Site(**{**vars(site), "weather": changed}), known_at)
    pd.testing.assert_frame_equal(before.iloc[: at + 1], after.iloc[: at + 1], check_exact=True)
