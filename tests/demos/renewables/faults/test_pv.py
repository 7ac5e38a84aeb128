from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.renewables.faults.config import PvConfig
from demos.renewables.faults.pv import (
    COLUMNS,
    ROWS,
    PvSite,
    correction,
    erbs,
    expected,
    extra_radiation,
    poa_global,
    sun,
)
from demos.renewables.faults.pv_fit import fit_site
from demos.renewables.faults.streams import mended_system_50
from tests.demos.renewables.faults.conftest import FEW, SITE, clear_days

PLACES = [(39.742, -105.173), (-33.9, 18.4), (52.5, 13.4)]


@pytest.mark.parametrize(("latitude", "longitude"), PLACES)
def test_sun_agrees_with_pvlib(latitude: float, longitude: float) -> None:
    times = pd.date_range("2013-01-03", "2013-12-30", freq="613min", tz="UTC")
    truth = pvlib.solarposition.get_solarposition(times, latitude, longitude)
    ours = np.array([sun(at.timestamp(), latitude, longitude) for at in times])
    assert np.abs(ours[:, 0] - truth.elevation).max() < 0.05
    high = (truth.elevation > 5) & (truth.elevation < 80)
    apart = np.abs(ours[:, 1] - truth.azimuth)[high]
    assert np.minimum(apart, 360 - apart).max() < 0.2


def test_poa_agrees_with_pvlib() -> None:
    times = pd.date_range("2013-06-01 14:00", "2013-06-01 23:00", freq="30min", tz="UTC")
    sky = pvlib.solarposition.get_solarposition(times, SITE.latitude, SITE.longitude)
    ghi = pd.Series(np.linspace(120, 900, len(times)), index=times)
    extra = pvlib.irradiance.get_extra_radiation(times)
    parts = pvlib.irradiance.erbs(ghi, sky.zenith, times)
    truth = pvlib.irradiance.get_total_irradiance(
        SITE.surface_tilt, SITE.surface_azimuth, sky.zenith, sky.azimuth, parts["dni"], ghi, parts["dhi"],
        dni_extra=extra, albedo=0.2, model="haydavies",
    ).poa_global  # fmt: skip
    for at, value, elevation, azimuth in zip(times, ghi, sky.elevation, sky.azimuth, strict=True):
        ours = poa_global(float(value), float(elevation), float(azimuth), at.timestamp(), SITE)
        assert ours == pytest.approx(float(truth[at]), rel=0.01)
        assert extra_radiation(at.timestamp()) == pytest.approx(float(extra[at]), rel=0.002)


@FEW
@given(st.floats(0, 1300), st.floats(0.05, 1))
def test_erbs_splits_without_loss(ghi: float, cos_zenith: float) -> None:
    dni, dhi = erbs(ghi, cos_zenith, 1366.0)
    assert dni >= 0
    assert 0 <= dhi <= ghi + 1e-9
    if cos_zenith > 0.065:
        assert dhi + dni * cos_zenith == pytest.approx(ghi, abs=1e-6)


def test_correction_is_read_at_the_sun() -> None:
    table = [1.0] * (COLUMNS * ROWS)
    table[5 * COLUMNS + 18] = 0.5  # elevation 20, azimuth 180
    site = PvSite(40, 0, 30, 180, 1000, 1000, correction=tuple(table))
    assert correction(site, 20, 180) == pytest.approx(0.5)
    assert correction(site, 20, 185) == pytest.approx(0.75)
    assert correction(site, 22, 180) == pytest.approx(0.75)
    assert correction(site, 40, 180) == 1.0
    assert correction(site, 89.9, 359.9) == 1.0


def test_a_given_dni_is_used_and_closes_with_ghi() -> None:
    at, elevation, azimuth = 1_371_495_600.0, 70.0, 170.0
    dni, dhi = erbs(800.0, float(np.sin(np.radians(elevation))), extra_radiation(at))
    assert dhi > 0
    own = poa_global(800.0, elevation, azimuth, at, SITE)
    assert poa_global(800.0, elevation, azimuth, at, SITE, dni) == pytest.approx(own)
    # More beam, less of the sky; never more beam than there is irradiance.
    assert poa_global(800.0, elevation, azimuth, at, SITE, 9999.0) < 1.3 * own


def test_no_power_is_expected_at_night_and_less_in_the_heat() -> None:
    assert expected(SITE, 1_371_441_600.0, 0.0, 20.0).power == 0
    day = 1_371_495_600.0
    assert expected(SITE, day, 900, 40).power < 0.95 * expected(SITE, day, 900, 10).power


def test_fit_finds_a_known_array_and_looks_at_nothing_else() -> None:
    samples = clear_days(30)
    stream = pd.DataFrame([(s.seconds, s.power, s.ghi, s.dni, s.temp_air) for s in samples])
    stream.columns = ["seconds", "power", "ghi", "dni", "temp_air"]
    site = fit_site(stream, PvConfig())
    assert site.surface_tilt == pytest.approx(35, abs=1.5)
    assert site.surface_azimuth == pytest.approx(180, abs=3)
    assert site.power_at_stc == pytest.approx(3200, rel=0.03)
    worse = stream.assign(power=stream.power * 0.8)
    assert fit_site(worse, PvConfig()).power_at_stc == pytest.approx(0.8 * site.power_at_stc, rel=0.01)


def test_the_clock_of_system_50_is_mended() -> None:
    """Around each switch the middle of the power of clear days lies at solar noon, as pvlib has it."""
    stream = mended_system_50()
    assert stream.index.is_monotonic_increasing
    assert not stream.index.has_duplicates
    for first in ("2011-11-03", "2011-11-07", "2012-11-05", "2013-03-05", "2013-03-18"):
        middles = []
        for day in pd.date_range(first, periods=6, tz="Etc/GMT+7"):
            power = stream.power[day : day + pd.Timedelta("23h59min")]
            if power.max() > 2500:
                lit = power.index[power > 100]
                noon = pvlib.solarposition.sun_rise_set_transit_spa(pd.DatetimeIndex([day]), 39.742, -105.173)
                middle = lit[0] + (lit[-1] - lit[0]) / 2 + pd.Timedelta("7.5min")  # stamps are starts
                middles.append((middle - noon.transit.iloc[0]) / pd.Timedelta("1min"))
        assert middles
        assert abs(np.median(middles)) < 35, first
