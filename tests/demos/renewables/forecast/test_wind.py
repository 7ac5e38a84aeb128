"""Wind: a clock that is right, hours that are whole, forecasts from the past alone, and a ceiling that says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demos.renewables.data import haute_borne
from demos.renewables.forecast import horizons, wind
from demos.renewables.forecast.farm import Farm, fit_curve, hourly, over_turbines, read_farm
from demos.renewables.forecast.horizons import Case
from demos.renewables.forecast.horizons_config import LEARNERS, EtsConfig, NgboostConfig, WindConfig
from demos.renewables.forecast.models_config import NetworkConfig, TreesConfig
from shared.errors import UserError

SMALL = WindConfig(
    horizons=(1, 3),
    test_from=date(2015, 2, 10),
    test_until=date(2015, 3, 2),
    learners=LEARNERS,
    trees=TreesConfig(rounds=10, leaves=4, min_leaf=20, levels=(0.1, 0.5, 0.9)),
    network=NetworkConfig(members=1, hidden=16, layers=1, epochs=2, batch=64),
    ngboost=NgboostConfig(rounds=5, row_share=1.0),
    ets=EtsConfig(window=300, refit_every=500),
)


def a_farm(days: int = 60, seed: int = 0) -> Farm:
    """Wind that wanders, four turbines with a curve, stamps from 2015-01-01."""
    draws = np.random.default_rng(seed)
    start = pd.date_range("2015-01-01", periods=days * 144, freq="10min", tz="UTC")
    level = np.zeros(len(start))
    for at in range(1, len(level)):
        level[at] = 0.99 * level[at - 1] + draws.normal(0, 0.4)
    speed = np.abs(7 + level)[:, None] + draws.normal(0, 0.4, (len(start), 4))
    power = np.clip((speed / 12) ** 3, -0.01, 1)
    around = np.repeat((200 + np.cumsum(draws.normal(0, 1, len(start))))[:, None], 4, axis=1)
    return Farm(start, power, speed, around % 360, np.full_like(speed, 8.0), np.zeros_like(speed), 8200.0, 0)


def serial(label: str, function: Any, items: Any) -> list[Any]:
    return [function(item) for item in items]


def forecast(farm: Farm, config: WindConfig = SMALL) -> list[Case]:
    return wind.forecast_farm(farm, config, seed=0, device="cpu", mapped=serial)


@pytest.fixture(scope="module")
def windy() -> tuple[Farm, list[Case]]:
    farm = a_farm()
    return farm, forecast(farm)


@pytest.fixture(scope="module")
def borne() -> Farm:
    return read_farm()


def test_the_digits_of_the_stamps_are_utc_in_summer_and_in_winter(borne: Farm) -> None:
    era5 = haute_borne("era5")
    reference = pd.Series(era5["ws_100m"].to_numpy(), pd.to_datetime(era5["datetime"], utc=True))["2014":"2015"]  # type: ignore[misc]
    speed = pd.Series(over_turbines(borne.wind_speed), borne.start + pd.Timedelta(minutes=5)).interpolate()
    smooth = speed.rolling(6, center=True).mean()
    for months in ((1, 2, 11, 12), (5, 6, 7, 8)):
        chosen = np.isin(reference.index.month, months)
        fit = {}
        for minutes in range(-120, 121, 10):
            moved = smooth.set_axis(smooth.index + pd.Timedelta(minutes=minutes))
            near = moved.reindex(reference.index, method="nearest")
            fit[minutes] = near.diff(2)[chosen].corr(reference.diff(2)[chosen])
        # Were the written offsets true, the best shift would be 60 min in winter and 120 in summer.
        assert abs(max(fit, key=lambda minutes: fit[minutes])) <= 30


def test_the_farm_is_on_one_grid_and_the_doubled_hours_are_unknown(borne: Farm) -> None:
    assert (np.diff(borne.start) == np.timedelta64(10, "m")).all()
    assert borne.capacity_kw == 8200
    assert borne.doubled == 2 * 2 * 6 * 4  # two springs, an hour twice, four turbines
    for day in ("2014-03-30", "2015-03-29"):
        hours = pd.Series(borne.total, borne.start)[day].groupby(lambda stamp: stamp.hour)
        assert [hour for hour, power in hours if power.isna().all()] == [2, 3]
    for day in ("2014-10-26", "2015-10-25"):
        assert np.isfinite(pd.Series(borne.total, borne.start)[day].iloc[:30]).all()
    assert np.nanmax(borne.total) <= wind.HIGHEST
    assert np.nanmin(borne.total) >= wind.LOWEST
    assert np.nanmax(np.abs(borne.pitch)) <= 180


def test_an_hour_is_known_when_all_of_it_is_and_the_farm_when_all_turbines_are() -> None:
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, np.nan, 9, 10, 11, 12, 13, 14])
    found = hourly(values)
    assert found[5:7].tolist() == [3.5, 4.5]
    assert np.isnan(found[[0, 4, 7, 12]]).all()
    assert found[13] == pytest.approx(np.mean(values[8:]))
    farm = a_farm(2)
    farm.power[7, 2] = np.nan
    assert np.flatnonzero(np.isnan(farm.total)).tolist() == [7]
    np.testing.assert_array_equal(over_turbines(np.array([[1.0, np.nan], [np.nan, np.nan]])), [1.0, np.nan])


def test_the_target_is_the_hour_that_ends_at_valid_time_and_persistence_the_one_before_issue(
    windy: tuple[Farm, list[Case]],
) -> None:
    farm, cases = windy
    power = pd.Series(farm.total, farm.start)
    for case in cases:
        for at in (0, 17, len(case.y) - 1):
            issue, valid = case.issue_time[at], case.valid_time[at]
            assert issue.minute == 0
            assert valid - issue == pd.Timedelta(minutes=case.minutes)
            ten = pd.Timedelta(minutes=10)
            assert case.y[at] == pytest.approx(power[valid - 6 * ten : valid - ten].mean())
            before = power[issue - 6 * ten : issue - ten].mean()
            assert case.predictions[wind.REFERENCE].mean[at] == pytest.approx(before)


def test_no_forecast_knows_what_comes_after_its_issue_time(windy: tuple[Farm, list[Case]]) -> None:
    farm, before = windy
    moment = pd.Timestamp("2015-02-20 12:00", tz="UTC")
    later = farm.end > moment
    changed = {
        name: np.where(later[:, None], getattr(farm, name)[::-1] * 0.7, getattr(farm, name))
        for name in ("power", "wind_speed", "direction", "temp_air", "pitch")
    }
    for first, second in zip(before, forecast(replace(farm, **changed)), strict=True):
        known = first.issue_time <= moment
        assert known.any()
        assert not known.all()
        for name, prediction in first.predictions.items():
            other = second.predictions[name]
            np.testing.assert_array_equal(prediction.mean[known], other.mean[known], err_msg=name)
            np.testing.assert_array_equal(prediction.median[known], other.median[known], err_msg=name)
            if name != "climatology":
                assert not np.array_equal(prediction.mean[~known], other.mean[~known]), name


def test_only_the_ceiling_sees_the_reanalysis(windy: tuple[Farm, list[Case]], monkeypatch: pytest.MonkeyPatch) -> None:
    farm, before = windy
    era5 = haute_borne("era5")
    era5["ws_100m"] = 20 - era5["ws_100m"]
    monkeypatch.setattr(wind, "haute_borne", lambda _: era5)
    for first, second in zip(before, forecast(farm), strict=True):
        different = {
            name
            for name, prediction in first.predictions.items()
            if not np.array_equal(prediction.mean, second.predictions[name].mean)
        }
        assert different == {wind.CEILING}


def test_the_ceiling_says_that_it_is_no_forecast_and_never_leads(windy: tuple[Farm, list[Case]]) -> None:
    _, cases = windy
    assert "not a forecast" in wind.CEILING
    assert "perfect-weather ceiling" in wind.CEILING
    for case in cases:
        assert list(case.predictions)[-1] == wind.CEILING
        assert horizons.ours(case) == "network and trees"
    lines = horizons.headlines(cases, wind.SCHEME)
    assert [line.peer for line in lines] == [wind.REFERENCE] * 2
    assert all(wind.CEILING not in f"{line.name} {line.note}" for line in lines)
    only = forecast(windy[0], SMALL.model_copy(update={"learners": ("LightGBM",)}))
    assert horizons.ours(only[0]) == "LightGBM"


def test_reanalysis_is_taken_at_both_ends_of_the_hour_that_is_forecast(windy: tuple[Farm, list[Case]]) -> None:
    farm, _ = windy
    split, known = wind.make_split(farm, SMALL), wind.known_features(farm)
    rows = wind.make_rows(farm, 3, known, SMALL, split)
    stamps = pd.date_range("2014-12-31", "2015-03-10", freq="h")
    columns = ["ws_100m", "u_100", "v_100", "t_2m", "dens_100m"]
    era5 = pd.DataFrame({"datetime": stamps.astype(str), **dict.fromkeys(columns, np.arange(len(stamps), dtype=float))})
    features = wind.with_reanalysis(farm, rows, era5).features
    hours = (farm.end[rows.valid] - pd.Timestamp("2014-12-31", tz="UTC")) / pd.Timedelta(hours=1)
    np.testing.assert_allclose(features["era5_ws_100m_end"], hours)
    np.testing.assert_allclose(features["era5_ws_100m_start"], hours - 1)
    np.testing.assert_allclose(features["era5_now"], hours - 3)


def test_all_methods_forecast_the_same_rows_and_all_in_range(windy: tuple[Farm, list[Case]]) -> None:
    _, cases = windy
    for case in cases:
        assert set(LEARNERS) < set(case.predictions)
        for name, prediction in case.predictions.items():
            assert len(prediction.mean) == len(prediction.median) == len(case.y), name
            assert np.isfinite(prediction.mean).all(), name
            if prediction.quantiles is not None:
                assert (np.diff(prediction.quantiles, axis=1) >= 0).all(), name
                assert prediction.quantiles.min() >= wind.LOWEST
                assert prediction.quantiles.max() <= wind.HIGHEST


def test_hours_with_a_missing_turbine_are_neither_learned_from_nor_scored() -> None:
    farm = a_farm()
    gap = (farm.start >= "2015-02-20 10:20") & (farm.start < "2015-02-20 10:40")
    farm.power[gap, 1] = np.nan
    for case in forecast(farm, SMALL.model_copy(update={"learners": ("LightGBM",), "ceiling": False})):
        for times in (case.issue_time, case.valid_time):
            assert pd.Timestamp("2015-02-20 11:00", tz="UTC") not in times
            assert pd.Timestamp("2015-02-20 09:00", tz="UTC") in times
        assert wind.CEILING not in case.predictions


def test_training_ends_before_the_test_and_is_denser_than_it() -> None:
    farm = a_farm()
    split = wind.make_split(farm, SMALL)
    rows = wind.make_rows(farm, 3, wind.known_features(farm), SMALL, split)
    assert farm.end[rows.valid[rows.train]].max() <= split.start <= farm.end[rows.issue[rows.test]].min()
    assert set(farm.end[rows.issue[rows.train]].minute) == {0, 30}
    assert set(farm.end[rows.issue[rows.test]].minute) == {0}


def test_sparser_issue_times_are_every_other_hour() -> None:
    config = SMALL.model_copy(update={"learners": (), "ceiling": False, "issue_every": 2})
    for case in forecast(a_farm(), config):
        assert set(case.issue_time.hour) == set(range(0, 24, 2))


def test_the_bootstrap_draws_blocks_of_days(windy: tuple[Farm, list[Case]]) -> None:
    _, cases = windy
    days = pd.Series(cases[0].issue_time.floor("D")).groupby(cases[0].block).nunique()
    assert days.max() == SMALL.block_days == 3
    assert len(days) == 7  # 20 days


def test_the_power_curve_is_found_again() -> None:
    farm = a_farm()
    speed, power = hourly(over_turbines(farm.wind_speed)), hourly(farm.total)
    curve = fit_curve(speed, power)
    assert curve.power(np.array([8.0, 10.0])) == pytest.approx([(8 / 12) ** 3, (10 / 12) ** 3], abs=0.03)
    assert curve.power(np.array([99.0])) == pytest.approx(curve.powers[-1])


def test_climatology_follows_the_hour_of_the_day() -> None:
    farm = a_farm()
    hour = np.asarray(farm.start.hour)
    farm.power[:] = np.where(hour[:, None] < 12, 0.2, 0.8)
    for case in forecast(farm, SMALL.model_copy(update={"learners": (), "ceiling": False})):
        said = pd.Series(case.predictions["climatology"].mean).groupby(case.valid_time.hour).mean()
        assert said[6] == pytest.approx(0.2)  # the hour from 05:00 to 06:00
        assert said[18] == pytest.approx(0.8)


def test_ets_starts_from_the_last_value_and_aims_at_the_middle_of_the_hour() -> None:
    farm = a_farm()
    farm.power[1000:1003] = np.nan
    split, known = wind.make_split(farm, SMALL), wind.known_features(farm)
    every = [wind.make_rows(farm, hours, known, SMALL, split) for hours in (1, 3)]
    job = wind.ets_job(farm, every, SMALL)
    assert [set(steps) for steps in job.steps] == [{4}, {16}]
    for rows, origin in zip(every, job.origins, strict=True):
        np.testing.assert_array_equal(job.values[origin], farm.total[rows.issue[rows.test]])
    assert np.isfinite(job.values).all()


def test_the_tuned_mix_is_the_best_on_training_rows() -> None:
    draws = np.random.default_rng(0)
    latest, mean = draws.uniform(size=500), draws.uniform(size=500)
    train = np.arange(500) < 50
    target = np.where(train, 0.3 * latest + 0.7 * mean, latest)
    np.testing.assert_allclose(wind._mixed(latest, mean, target, train), 0.3 * latest + 0.7 * mean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_from": date(2016, 2, 1), "test_until": date(2016, 3, 1)}, "does not lie"),
        ({"test_from": date(2015, 1, 2)}, "rows to learn from"),
        ({"test_until": date(2015, 2, 12)}, "rows to test on"),
    ],
)
def test_unusable_settings_are_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        forecast(a_farm(), SMALL.model_copy(update={"learners": (), "ceiling": False, **change}))
    assert "\n" not in str(caught.value)
