"""Intraday PV: physics that is exact on clear days, forecasts that know nothing of what comes after their issue."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from demos.renewables.chapter import Chapter
from demos.renewables.forecast import intraday, references
from demos.renewables.forecast.horizons import Case, score
from demos.renewables.forecast.horizons_config import LEARNERS, IntradayConfig
from demos.renewables.forecast.lagged import Split
from demos.renewables.forecast.models_config import TreesConfig
from demos.renewables.forecast.plant import effective_irradiance, latest, make_plant
from demos.renewables.site.clear_sky import clear_sky
from demos.renewables.site.config import SiteConfig
from demos.renewables.site.finding import Finding
from demos.renewables.site.load import Site
from shared.errors import UserError
from shared.result import Figure
from tests.demos.renewables.forecast.pv_sites import CAPACITY, SMALL, a_site, clouds, forecast, serial


@pytest.fixture(scope="module")
def cloudy() -> tuple[Site, list[Case]]:
    site = a_site(clouds())
    return site, forecast(site)


@pytest.mark.parametrize("label", ["center", "left"])
def test_clear_sky_persistence_is_exact_on_clear_days_and_persistence_is_not(label: str) -> None:
    for case in forecast(a_site(label=label), SMALL.model_copy(update={"learners": ()})):
        for mask in ("daylight", "all hours"):
            assert score(case, references.REFERENCE, "RMSE", mask) < 0.01
            assert score(case, "pvlib clear sky alone", "RMSE", mask) < 0.01
        assert score(case, "persistence", "RMSE", "daylight") > 1


def test_clear_sky_power_is_that_of_the_plant_although_clouds_pass() -> None:
    site = a_site(clouds())
    plant = make_plant(site, site.power.index[-1])
    truth = 0.8 * effective_irradiance(site)[0]
    bright = truth > 0.2
    np.testing.assert_allclose(plant.clear[bright], truth[bright], rtol=0.03)
    assert (plant.clear[plant.elevation <= 0] == 0).all()


def test_the_index_is_unknown_at_low_sun_and_after_dark_the_last_one_stays_for_a_day() -> None:
    plant = make_plant(a_site(), pd.Timestamp("2021-07-01", tz="UTC"))
    low = plant.elevation <= 5
    assert np.isnan(plant.index[low]).all()
    assert plant.index[~low & (plant.clear > 0.02)] == pytest.approx(1, abs=0.01)
    k = np.array([0.5, 0.7, np.nan, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(latest(k, 1, 3), [0.5, 0.7, 0.7, 0.7, 0.7, np.nan])
    np.testing.assert_allclose(latest(k, 2, 3)[:3], [0.5, 0.6, 0.7])


def test_no_method_knows_what_comes_after_its_issue_time(cloudy: tuple[Site, list[Case]]) -> None:
    site, before = cloudy
    moment = pd.Timestamp("2021-06-25 18:07:30", tz="UTC")  # the end of an interval, at noon there
    power = site.power.copy()
    later = power.index + pd.Timedelta(minutes=7.5) > moment
    power[later] = 0.3 * CAPACITY - 0.25 * power[later]
    after = forecast(replace(site, power=power))
    for first, second in zip(before, after, strict=True):
        known = first.issue_time <= moment
        assert (first.issue_time == second.issue_time).all()
        assert known.any()
        for name, prediction in first.predictions.items():
            changed = second.predictions[name]
            np.testing.assert_array_equal(prediction.mean[known], changed.mean[known], err_msg=name)
            np.testing.assert_array_equal(prediction.median[known], changed.median[known], err_msg=name)
            if prediction.quantiles is not None and changed.quantiles is not None:
                np.testing.assert_array_equal(prediction.quantiles[known], changed.quantiles[known], err_msg=name)
        # The very last interval known does count: forecasts issued one step later differ.
        assert not np.array_equal(
            first.predictions["LightGBM"].mean[~known], second.predictions["LightGBM"].mean[~known]
        )


def test_a_forecast_uses_the_interval_that_has_just_ended(cloudy: tuple[Site, list[Case]]) -> None:
    site, cases = cloudy
    for case in cases:
        last = site.power.reindex(case.issue_time - pd.Timedelta(minutes=7.5)).to_numpy() / CAPACITY
        np.testing.assert_allclose(case.predictions["persistence"].mean, last)
        then = site.power.reindex(case.valid_time - pd.Timedelta(minutes=7.5)).to_numpy() / CAPACITY
        np.testing.assert_allclose(case.y, then)
        assert ((case.valid_time - case.issue_time) == pd.Timedelta(minutes=case.minutes)).all()


def test_all_methods_forecast_the_same_rows_and_all_in_range(cloudy: tuple[Site, list[Case]]) -> None:
    _, cases = cloudy
    for case in cases:
        assert next(iter(case.predictions)) == "network and trees"
        assert set(LEARNERS) < set(case.predictions)
        for name, prediction in case.predictions.items():
            parts = [prediction.mean, prediction.median]
            if prediction.quantiles is not None:
                assert prediction.quantiles.shape[0] == len(case.y)
                assert (np.diff(prediction.quantiles, axis=1) >= 0).all(), name
                parts.append(prediction.quantiles)
            assert all(len(part) == len(case.y) for part in parts)
            assert all(np.isfinite(part).all() and part.min() >= 0 and part.max() <= 1.25 for part in parts), name
        assert case.masks["daylight"].sum() < case.masks["all hours"].sum() == len(case.y)
        # Scored are all hours: nearly every interval of the test is there once.
        assert len(np.unique(case.issue_time)) == len(case.y) > 0.9 * 10 * 96


def test_daylight_asks_for_the_sun_at_issue_and_at_valid_time(cloudy: tuple[Site, list[Case]]) -> None:
    site, cases = cloudy
    _, sun = effective_irradiance(site)
    up = pd.Series(sun["apparent_elevation"].to_numpy() > 5, site.power.index + pd.Timedelta(minutes=7.5))
    for case in cases:
        both = up.reindex(case.issue_time).to_numpy() & up.reindex(case.valid_time).to_numpy()
        np.testing.assert_array_equal(case.masks["daylight"], both)


def test_ets_counts_lit_intervals_so_that_the_night_is_no_time() -> None:
    site = a_site(clouds())
    split = intraday.make_split(site, SMALL, own=True)
    plant = make_plant(site, split.start)
    rows = intraday.make_rows(plant, 16, intraday.known_features(plant), SMALL, split)
    job = intraday.ets_job(plant, [rows], SMALL)
    issue, steps = rows.issue[rows.test], job.steps[0]
    lit = np.isfinite(plant.index)
    noon = np.array([lit[one : one + 17].all() for one in issue])
    before_dawn = ~lit[issue] & lit[issue + 16]
    assert set(steps[noon]) == {16}
    assert set(steps[before_dawn]) >= {1, 2, 10}
    assert (steps[before_dawn] == [lit[one + 1 : one + 17].sum() for one in issue[before_dawn]]).all()
    known = latest(plant.index, 1, plant.per_day)[issue]
    np.testing.assert_allclose(job.values[job.origins[0]], known.clip(0, 1.2))


def test_solar_time_and_solar_days_are_those_of_the_place() -> None:
    plant = make_plant(a_site(), pd.Timestamp("2021-07-01", tz="UTC"))
    for day in np.unique(plant.day)[1:-1]:
        whole = np.flatnonzero(plant.day == day)
        assert len(whole) == 96
        assert plant.hour[whole[np.argmax(plant.elevation[whole])]] == pytest.approx(12, abs=0.3)


def test_gaps_are_neither_scored_nor_learned_from() -> None:
    site = a_site(clouds())
    power = site.power.copy()
    gap = (power.index >= "2021-06-24 15:00") & (power.index < "2021-06-24 20:00")
    power[gap] = np.nan
    for case in forecast(replace(site, power=power), SMALL.model_copy(update={"learners": ("LightGBM",)})):
        assert np.isfinite(case.y).all()
        stamps = power.index[gap] + pd.Timedelta(minutes=7.5)
        assert not np.isin(case.issue_time, stamps).any()
        assert not np.isin(case.valid_time, stamps).any()
        assert all(np.isfinite(one.mean).all() for one in case.predictions.values())


def test_training_rows_end_before_the_test_begins() -> None:
    site = a_site(clouds())
    split = Split(pd.Timestamp("2021-06-21", tz="UTC"), pd.Timestamp("2021-06-28", tz="UTC"))
    plant = make_plant(site, split.start)
    rows = intraday.make_rows(plant, 4, intraday.known_features(plant), SMALL, split)
    assert plant.end[rows.valid[rows.train]].max() <= split.start
    assert plant.end[rows.issue[rows.test]].min() >= split.start
    assert plant.end[rows.valid[rows.test]].max() <= split.end
    assert not (rows.train & rows.test).any()


def test_sparser_issue_times_are_a_part_of_all() -> None:
    config = SMALL.model_copy(update={"learners": ()})
    (dense, *_), (sparse, *_) = (
        forecast(a_site(clouds()), config.model_copy(update={"issue_every": every})) for every in (None, 30)
    )
    both = np.isin(dense.issue_time, sparse.issue_time)
    assert both.sum() == len(sparse.y) == pytest.approx(len(dense.y) / 2, abs=2)
    pick = [pd.Series(case.y, index=case.issue_time).reindex(sparse.issue_time) for case in (dense, sparse)]
    np.testing.assert_array_equal(pick[0], pick[1])


def test_hourly_data_work_too() -> None:
    hourly = a_site(days=60, step="60min")
    config = SMALL.model_copy(update={"horizons": (60, 240), "learners": ("LightGBM",), "test_from": date(2021, 7, 10)})
    found = forecast(hourly, config)
    assert [case.minutes for case in found] == [60, 240]
    assert score(found[0], references.REFERENCE, "RMSE", "daylight") < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"horizons": (20,)},
            r"20 min is no multiple of the 15 min of made up; set .* 'forecast\.intraday\.horizons=\[15, 60\]'",
        ),
        ({"horizons": (20, 30, 45)}, r"'forecast\.intraday\.horizons=\[30, 45\]'"),
        (
            {"test_from": date(2022, 1, 1)},
            "does not lie in the data of made up, 2021-06-01 to 2021-07-01; set forecast.intraday.test_from",
        ),
        ({"test_from": date(2021, 6, 2)}, "made up: only 32 steady sunny intervals before the test, needed are 100"),
        (
            {"test_from": date(2021, 6, 8), "train_every": 1440},
            r"made up: \d+ rows to learn from at 15 min; needed are at least 200: give more data, or set"
            r" forecast\.intraday\.test_from later \(it is 2021-06-08\), or set forecast\.intraday\.train_every=null",
        ),
        (
            {"test_from": date(2021, 6, 30)},
            r"made up: \d+ rows to test on at 15 min; .*, or set forecast\.intraday\.test_from earlier"
            r" \(it is 2021-06-30\)$",
        ),
    ],
)
def test_unusable_settings_are_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        forecast(a_site(clouds()), SMALL.model_copy(update={"learners": (), **change}))
    assert "\n" not in str(caught.value)


def test_a_plant_that_never_saw_the_sun_is_refused() -> None:
    with pytest.raises(UserError, match="steady sunny intervals"):
        forecast(a_site(np.random.default_rng(0).uniform(0, 1, 30 * 96)), SMALL)


def test_the_embedded_plant_is_tested_on_2013_and_ones_own_on_its_last_third() -> None:
    site = a_site()
    assert intraday.make_split(site, IntradayConfig(), own=True).start == pd.Timestamp("2021-06-21", tz="UTC")
    long = replace(site, power=pd.Series(0.0, pd.date_range("2012-12-01", "2013-03-01", freq="15min", tz="UTC")))
    assert intraday.make_split(long, IntradayConfig(), own=False).start == pd.Timestamp("2013-01-01", tz="UTC")


def with_weather(site: Site, step: str = "60min") -> Site:
    """Weather that sees each cloud `LEAD` before the plant does."""
    share = pd.Series(site.power.to_numpy() / (0.8 * CAPACITY), site.power.index).div(effective_irradiance(site)[0])
    stamps = pd.date_range(site.power.index[0], site.power.index[-1], freq=step)
    bare = replace(site, power=pd.Series(0.0, stamps))
    sky, _ = clear_sky(bare, stamps + bare.to_middle)
    cloud = share.shift(freq=-LEAD).resample(step).mean().reindex(stamps).ffill().fillna(1.0)
    weather = pd.DataFrame({"ghi": sky["ghi"].to_numpy() * cloud.to_numpy(), "temp_air": 20.0}, stamps)
    return replace(site, weather=weather)


LEAD = pd.Timedelta("60min")
TREES = SMALL.model_copy(update={"learners": ("LightGBM",), "trees": TreesConfig(rounds=60, leaves=8, min_leaf=20)})


def test_weather_measured_at_the_plant_helps_and_what_comes_after_the_issue_does_not_enter() -> None:
    site = with_weather(a_site(clouds(), label="left"), "15min")
    moment = pd.Timestamp("2021-06-25 18:00", tz="UTC")
    weather, power = (table.copy() for table in (site.weather, site.power))
    assert weather is not None
    for table in (weather, power):
        later = table.index + pd.Timedelta("15min") > moment
        table[later] = 0.4 * table[later] + 1.0
    found = forecast(site, TREES)
    for before, after in zip(found, forecast(replace(site, weather=weather, power=power), TREES), strict=True):
        known = before.issue_time <= moment
        for name, prediction in before.predictions.items():
            np.testing.assert_array_equal(prediction.mean[known], after.predictions[name].mean[known], err_msg=name)
        trees = [case.predictions["LightGBM"].quantiles for case in (before, after)]
        assert trees[0] is not None
        assert trees[1] is not None
        np.testing.assert_array_equal(trees[0][known], trees[1][known])
    for with_it, without in zip(found, forecast(replace(site, weather=None), TREES), strict=True):
        helped, alone = (score(case, "LightGBM", "RMSE", "daylight") for case in (with_it, without))
        # No reference looks at it.
        assert score(with_it, references.MIXED, "RMSE", "daylight") == score(
            without, references.MIXED, "RMSE", "daylight"
        )
        assert helped < 0.9 * alone


def test_weather_that_is_not_there_to_be_learned_from_is_refused() -> None:
    site = with_weather(a_site(clouds()))
    assert site.weather is not None
    late = replace(site, weather=site.weather["2021-06-21":])  # type: ignore[misc]
    with pytest.raises(
        UserError, match=r"weather, ghi_index: known in 0\.0% of the daylight before the test, 2021-06-21"
    ):
        forecast(late, TREES)


def figure(drawing: Any, name: str, *, title: str, caption: str, alt: str) -> Figure:
    drawing.canvas.draw()
    pyplot.close(drawing)
    return Figure(file=f"{name}.svg", title=title, caption=caption, alt=alt)


def chapter_of(
    cloudy: tuple[Site, list[Case]], monkeypatch: pytest.MonkeyPatch, files: SiteConfig, settings: IntradayConfig
) -> tuple[Chapter, list[str]]:
    """The chapter of forecasts that are there already, and what was said on the way."""
    site, cases = cloudy
    said: list[str] = []
    monkeypatch.setattr("demos.renewables.site.load.load_site", lambda _: site)
    monkeypatch.setattr(intraday, "forecast_site", lambda *_, **__: cases)
    config = SimpleNamespace(forecast=SimpleNamespace(intraday=settings), site=files, seed=0, device="cpu")
    run = SimpleNamespace(map=serial, figure=figure, say=said.append)
    return intraday.run_intraday(config, run), said  # type: ignore[arg-type]


def test_the_chapter_of_a_run_names_its_reference_and_its_targets(
    cloudy: tuple[Site, list[Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    chapter, said = chapter_of(cloudy, monkeypatch, SiteConfig(), SMALL)
    assert said == []
    assert [target.asked for target in chapter.targets] == ["intraday PV 60 min ahead: RMSE skill at least 10 %"]
    assert [line.peer for line in chapter.headlines] == [references.REFERENCE]
    assert chapter.data[0].name.endswith("system_50_ac_power.parquet")
    assert len(chapter.figures) == 2
    assert len(chapter.tables) == 2


def test_ones_own_plant_is_told_what_was_found_and_is_not_judged_by_our_targets(
    cloudy: tuple[Site, list[Case]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site, cases = cloudy
    power, weather = tmp_path / "a.csv", tmp_path / "there" / "a.csv"
    weather.parent.mkdir()
    power.write_text("p")
    weather.write_text("w")
    odd = [Finding("unit", "taken as W", "mended"), Finding("gaps", "gaps: 2", "noted")]
    own = replace(with_weather(site), findings=odd)
    place = {"latitude": 40.0, "longitude": -105.0, "capacity": CAPACITY, "power": power}
    files = SiteConfig.model_validate({**place, "weather": weather})
    chapter, said = chapter_of((own, cases[:1]), monkeypatch, files, SMALL.model_copy(update={"horizons": (15,)}))
    assert said == [
        "made up: mended: taken as W",
        "made up: noted: gaps: 2",
        "made up: with ghi, temp_air measured there up to each issue time",
    ]
    assert chapter.targets == []
    # Not one of the horizons that were asked of this project, and still a headline.
    assert [line.name for line in chapter.headlines] == ["intraday PV 15 min ahead, RMSE, daylight"]
    assert [use.name for use in chapter.data] == ["a.csv", "weather: a.csv"]
    assert "the weather measured at the plant until then (ghi, temp_air), no weather forecast" in chapter.notes[0]
    assert any("taken as W" in note for note in chapter.notes)
    same, _ = chapter_of((own, cases), monkeypatch, files.model_copy(update={"weather": power}), SMALL)
    assert [use.name for use in same.data] == ["a.csv"]
    assert [line.name for line in same.headlines] == ["intraday PV 60 min ahead, RMSE, daylight"]
