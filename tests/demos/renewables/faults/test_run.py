"""The chapter end to end on the real data, small: what it must say, and that it says the same twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from demos.renewables.chapter import Chapter
from demos.renewables.faults import bench, prepare
from demos.renewables.faults.chapter import ALARMS, run_chapter
from demos.renewables.faults.config import FaultsConfig
from demos.renewables.faults.evaluate import headlines, wilson
from demos.renewables.faults.events import read_events
from demos.renewables.faults.mast_detector import MastDetector, speed_ratios
from demos.renewables.faults.prepare import held_out_days, pv_plant
from demos.renewables.faults.streams import MAST_CHANNELS, mast, mended_system_50
from shared.progress import Progress
from shared.result import Metric
from shared.run import RunFolder

PRINTED = {"trip", "stuck", "soiling", "string_outage", "clipping", "drift", "snow", "out_of_range", "units"}


def little(**more: Any) -> Any:
    faults = FaultsConfig(injections=8, trees=10, timed_samples=500, training_days=60, **more)
    return cast(Any, SimpleNamespace(seed=3, faults=faults))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def chapter(folder: Path) -> Chapter:
    return run_chapter(little(), RunFolder(folder, Progress(quiet=True), workers=1))


def test_a_run_says_what_it_must(chapter: Chapter, folder: Path) -> None:
    assert [figure.file for figure in chapter.figures] == ["fault-timeline.svg", "fault-recall.svg", "fault-delay.svg"]
    assert all((folder / figure.file).stat().st_size > 1000 for figure in chapter.figures)
    assert {headline.peer for headline in chapter.headlines} <= {
        "pvanalytics filters", "IsolationForest", "OpenOA filters (re-implemented)",
    }  # fmt: skip
    assert all(headline.interval for headline in chapter.headlines)
    assert {used.name.split(": ")[-1] for used in chapter.data} >= {"la_haute_borne.zip", "met_mast.csv"}
    recall = chapter.tables[0]
    assert len(recall.rows) == 10
    assert {row[1] for row in recall.rows} == {8}
    assert "injected" in recall.caption


def test_targets_say_what_this_run_measured(chapter: Chapter) -> None:
    values = {metric.name: metric.value for metric in chapter.metrics}
    trip = next(target for target in chapter.targets if target.asked.startswith("inverter trip"))
    assert trip.met is (values["PV trip noticed: streaming detector"] >= 99)
    few = next(target for target in chapter.targets if "at least 200" in target.asked)
    assert not few.met
    rate = next(target for target in chapter.targets if target.asked.startswith("wind: at most one"))
    assert rate.met is (values["wind false alarms: streaming detector"] <= 1)
    assert {"µs"} == {metric.unit for metric in chapter.metrics if metric.name.startswith("latency")}


def test_only_events_that_were_replayed_count_as_missed(chapter: Chapter) -> None:
    """Two months of training are replayed here: the sunny outage of August 2012 is not in them, and not missed."""
    (table,) = [table for table in chapter.tables if table.title.startswith("Real events")]
    labelled = {str(row[0]): row[1] for row in table.rows}
    assert "system 50: trip" not in labelled
    assert labelled["system 50: snow"] == sum(
        event.source == "system_50" and event.kind == "snow" and event.start >= 1_351_600_000 for event in read_events()
    )
    assert f"of the {len(read_events())} labelled events" in table.caption


def test_a_plant_without_an_injection_has_no_headline() -> None:
    assert headlines({}, {"wind": []}, []) == []


def test_alarms_are_written_in_order_and_documented(chapter: Chapter, folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / ALARMS).read_text().splitlines()]
    assert lines == sorted(lines, key=lambda line: line["raised"])
    card = (Path(prepare.__file__).parent / "README.md").read_text()
    for key in lines[0]:
        assert f"`{key}`" in card, key
    dead = [line for line in lines if line["channel"] == "Spd80mS" and line["raised"] > "2017-09"]
    assert dead[0]["kind"] == "stuck"
    assert dead[0]["raised"] < "2017-09-04T02"
    assert {line["kind"] for line in lines} & PRINTED


@pytest.mark.slow
def test_the_same_seed_gives_the_same_metrics(chapter: Chapter, tmp_path: Path) -> None:
    again = run_chapter(little(), RunFolder(tmp_path, Progress(quiet=True), workers=1))

    def stable(one: Chapter) -> list[tuple[str, float]]:
        numbers: list[Metric] = one.metrics
        return [(number.name, number.value) for number in numbers if number.unit != "µs"]

    assert stable(again) == stable(chapter)


def test_held_out_power_changes_nothing_that_is_learned() -> None:
    """The leak test: garble every held-out sample, and the model and the alarms of training stay what they were."""
    config = little().faults
    stream = mended_system_50()
    late = stream.index >= pd.Timestamp(config.split.pv_from, tz="UTC")
    garbled = stream.assign(power=np.where(late, 77.0, stream.power), ghi=np.where(late, 300.0, stream.ghi))
    first, second = (pv_plant(table, config, "system_50") for table in (stream, garbled))
    assert first.site == second.site
    assert first.before.alarms == second.before.alarms
    assert first.replay.alarms != second.replay.alarms


def test_the_sunny_outage_is_a_trip_and_its_neighbours_are_not() -> None:
    config = little().faults
    stream = mended_system_50()["2011-06":"2013-03"]  # type: ignore[misc]
    plant = pv_plant(stream, FaultsConfig(training_days=150), "system_50")
    (outage,) = [
        alarm for alarm in plant.before.alarms
        if alarm.kind == "trip" and "2012-08-14" <= str(pd.Timestamp(alarm.raised, unit="s")) < "2012-08-19"
    ]  # fmt: skip
    assert str(pd.Timestamp(outage.raised, unit="s")).startswith("2012-08-16")
    assert config.pv.nameplate == 3400


def test_a_mast_whose_channels_are_healthy_raises_nothing() -> None:
    table = mast()
    part = table["2016-07-26":"2016-08-30"]  # type: ignore[misc]
    detector = MastDetector("mast", speed_ratios(table[:"2016-12-31"]), FaultsConfig().wind_detector)  # type: ignore[misc]
    found = []
    for row in part.itertuples(index=False):
        values = dict(zip(MAST_CHANNELS, row[1:], strict=True))
        values["Spd60mN"] = math_nan() if row[0] % 7200 == 0 else values["Spd60mN"]
        found += detector.update(float(row[0]), values)
    assert found == []


def math_nan() -> float:
    return float("nan")


def test_bench_times_each_detector(tmp_path: Path) -> None:
    result = bench.measure(little(), RunFolder(tmp_path, Progress(quiet=True), workers=1))
    assert len(result.metrics) == 3
    assert all(metric.value > 0 for metric in result.metrics)


def test_wilson_is_the_textbook_interval() -> None:
    assert wilson(200, 200) == pytest.approx((0.9812, 1.0), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_months_of_the_bootstrap_cover_the_held_out_time_once() -> None:
    start = pd.Timestamp("2015-07-15", tz="UTC")
    end = pd.Timestamp("2015-10-01 06:00", tz="UTC").timestamp()
    months = [str(pd.Timestamp(at, unit="s").date()) for at in held_out_days(start.date(), end)]
    assert months == ["2015-07-15", "2015-08-01", "2015-09-01"]


def test_events_are_of_the_embedded_time() -> None:
    for event in read_events():
        assert replace(event).start > 1.29e9
        assert event.end < 1.52e9
