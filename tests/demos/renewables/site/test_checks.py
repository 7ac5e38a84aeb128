from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demos.renewables.site.checks import check_power
from demos.renewables.site.finding import Finding, Refusal
from demos.renewables.site.sun import elevation
from shared.seed import generator
from tests.demos.renewables.site.plants import CAPACITY, PLACES, synthetic

Year = Callable[[str], pd.Series]
BERLIN = PLACES["berlin"]


def check(power: pd.Series, place: str = "berlin", **settings: object) -> tuple[pd.Series, list[Finding]]:
    where = PLACES[place]
    return check_power(power, where.latitude, where.longitude, CAPACITY, **settings)  # type: ignore[arg-type]


def only(findings: list[Finding], kind: str, action: str) -> Finding:
    (finding,) = findings
    assert (finding.kind, finding.action) == (kind, action)
    assert "\n" not in finding.message
    return finding


@pytest.mark.parametrize("place", PLACES)
def test_a_good_table_yields_nothing_and_stays_as_it_is(year: Year, place: str) -> None:
    power, findings = check(year(place), place)
    assert findings == []
    pd.testing.assert_series_equal(power, year(place), check_freq=False)


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [5, 10, 30, 60])
@pytest.mark.parametrize("place", PLACES)
def test_no_false_findings_over_many_plants(place: str, minutes: int) -> None:
    for seed in range(1, 7):
        power = synthetic(
            PLACES[place], first=f"20{10 + seed}-0{seed}-01", minutes=minutes, tilt=15 * seed - 10, seed=seed
        )
        assert check(power, place)[1] == []


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_shuffling_and_doubling_rows_changes_nothing(year: Year, seed: int) -> None:
    power = year("sydney")["2013-03":"2013-06"]  # type: ignore[misc]
    random = generator(seed, "rows")
    doubled = pd.concat([power, power.iloc[random.integers(0, len(power), 50)]])
    mended, findings = check(doubled.iloc[random.permutation(len(doubled))], "sydney")
    pd.testing.assert_series_equal(mended, check(power, "sydney")[0], check_freq=False)
    assert {finding.kind for finding in findings} == {"unsorted", "duplicates"}


@pytest.mark.parametrize(("factor", "unit"), [(1000, "W"), (0.001, "MW")])
def test_units_off_by_1000_are_mended(year: Year, factor: float, unit: str) -> None:
    mended, findings = check(year("berlin") * factor)
    assert f"taken as {unit}" in only(findings, "unit", "mended").message
    np.testing.assert_allclose(mended, year("berlin"))


@pytest.mark.parametrize("factor", [3, 60, 1 / 60, 1e-6, 1e6])
def test_other_scales_are_refused(year: Year, factor: float) -> None:
    with pytest.raises(Refusal, match=r"power peaks at .* neither kW nor W nor MW; check unit and capacity"):
        check(year("berlin") * factor)


def test_power_that_is_no_power_is_refused(year: Year) -> None:
    with pytest.raises(Refusal, match="power is negative by day"):
        check(-year("berlin"))
    with pytest.raises(Refusal, match="power never exceeds 0"):
        check(year("berlin") * 0)
    with pytest.raises(Refusal, match="every value is empty"):
        check(year("berlin") * np.nan)


def test_standby_draw_is_set_to_zero_and_more_is_refused(year: Year) -> None:
    power = year("berlin")
    night = power == 0
    mended, findings = check(power.mask(night, -0.02))
    assert (
        f"{night.sum()} negative values, -0.02 kW at the lowest" in only(findings, "negative power", "mended").message
    )
    pd.testing.assert_series_equal(mended, power, check_freq=False)
    power.iloc[4] = -3
    with pytest.raises(Refusal, match="power falls to -3 kW at 2013-01-01 01:00 UTC, more than an inverter draws"):
        check(power)


def test_gaps_and_empty_values_are_kept_and_counted(year: Year) -> None:
    power = year("berlin")
    day = power.index.floor("D") == pd.Timestamp("2013-05-05", tz="UTC")
    mended, findings = check(power[~day])
    assert (
        "gaps: 1, 0.3% of daylight; the longest, 24 h, from 2013-05-05 00:00" in only(findings, "gaps", "noted").message
    )
    assert mended[day].isna().all()
    empty = power.mask(day)
    assert "96 empty values" in only(check(empty)[1], "empty values", "noted").message


def test_too_many_gaps_are_refused(year: Year) -> None:
    power = year("berlin")
    with pytest.raises(Refusal, match="more than 50% of daylight is missing"):
        check(power[power.index.day % 5 < 2])


def test_a_table_of_daylight_rows_alone_is_good(year: Year) -> None:
    power = year("berlin")
    mended, findings = check(power[power > 0])
    assert "0.0% of daylight" in only(findings, "gaps", "noted").message or findings[0].count > 300
    np.testing.assert_array_equal(mended.fillna(0), power[mended.index[0] : mended.index[-1]])


def test_power_above_capacity_is_noted(year: Year) -> None:
    power = year("berlin")
    power.iloc[[50, 150 * 96 + 48]] = 11.0
    power.iloc[50] = 0
    message = only(check(power)[1], "above capacity", "noted").message
    assert "1 values above capacity (10 kW), up to 11 kW, first 2013-05-31 12:00 UTC" in message


def test_a_short_table_is_not_held_against_the_sun(year: Year) -> None:
    finding = only(check(year("berlin")[: 96 * 5])[1], "clock not checked", "noted")
    assert "days are too few" in finding.message


def test_power_in_the_dark_is_refused(year: Year) -> None:
    power = year("berlin")
    power[(power.index.hour == 0) & (power.index.minute == 0) & (power.index.day_of_year % 7 == 0)] = 9.0
    with pytest.raises(Refusal, match=r"of the energy comes while the sun is down, most at 2013-"):
        check(power)
    with pytest.raises(Refusal, match=r"never rests|sun is down|works 24"):
        check(year("berlin") + 0.5)


def _odd(power: pd.Series, name: str) -> pd.Series:
    """Plants that look odd and whose clock and place are right."""
    hour = (power.index.hour + BERLIN.longitude / 15) % 24
    up = elevation(power.index + pd.Timedelta("7.5min"), BERLIN.latitude, BERLIN.longitude)
    random = generator(0, "odd", name)
    day = power.index.day_of_year
    return {
        "in a valley": power.where(up > 12, power * 0.02),
        "a hill to the west": power.where((up > 15) | (hour < 12), power * 0.005),
        "a tenth missing": power.mask(random.random(len(power)) < 0.1),
        "days missing": power[~day.isin(random.choice(365, 110, replace=False))],
        "clipped at half": power.clip(upper=CAPACITY / 2),
        "a month of snow": power.mask(day < 31, 0.0),
        "noise at night": power + np.abs(random.normal(0, 0.01, len(power))),
        "curtailed at noon": power.mask((hour > 11) & (hour < 14) & (day > 100) & (day < 200), 0.0),
    }[name]


ODD = {
    "in a valley": {"short days"},
    "a hill to the west": {"days off centre"},
    "a tenth missing": {"empty values"},
    "days missing": {"gaps"},
    "clipped at half": set(),
    "a month of snow": set(),
    "noise at night": set(),
    "curtailed at noon": set(),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_plant_is_not_refused(year: Year, name: str) -> None:
    power = _odd(year("berlin"), name)
    mended, findings = check(power)
    assert {finding.kind for finding in findings} == ODD[name]
    assert {finding.action for finding in findings} <= {"noted"}
    np.testing.assert_array_equal(mended.reindex(power.index), power)


@pytest.mark.parametrize("azimuth", [90, 270])
def test_upright_modules_to_east_and_west_are_good(azimuth: int) -> None:
    for place in ("berlin", "denver", "tromso"):
        power = synthetic(replace(PLACES[place], azimuth=azimuth), tilt=90)
        assert check(power, place)[1] == []
