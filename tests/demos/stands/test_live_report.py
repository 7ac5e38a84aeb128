"""What a run with mode=live says: its tables are its metrics, its targets are judged, its picture moves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demos.stands import demo
from demos.stands.config import StandsConfig
from demos.stands.data import Flights
from demos.stands.live import report
from demos.stands.live.measure import AFRESH, KEPT, LIVE, MENDED, USUAL, WAYS, LiveJob, live_day
from demos.stands.plan import DAY_AHEAD, ON_THE_DAY, DayJob
from demos.stands.problem import UNASSIGNED
from shared.errors import UserError
from shared.progress import Progress
from shared.result import Result
from shared.run import RunFolder
from tests.demos.stands.test_live_day import SMALL, made_up_job


def with_config(job: DayJob, **live: object) -> DayJob:
    mending = {"rounds": 1, "matchings": 2, "parts": False}
    return replace(job, config=StandsConfig.model_validate({**SMALL, "mode": "live", "mending": mending, "live": live}))


def run_into(folder: Path, flights: Flights, *jobs: DayJob) -> Result:
    """A run of days that need no forecasts."""
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "load_flights", lambda path: flights)
        patch.setattr(report, "load_airport", lambda name: jobs[0].airport)
        for name, found in (("planned_days", []), ("make_forecasts", None), ("day_jobs", list(jobs))):
            patch.setattr(report, name, lambda *arguments, found=found: found)
        return demo.run(jobs[0].config, RunFolder(folder, Progress(quiet=True), workers=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def jobs() -> list[DayJob]:
    return [with_config(made_up_job(seed, turns=12), afresh_every=3, closures={"B1": "10:30-12:00"}) for seed in (1, 2)]


@pytest.fixture(scope="module")
def result(folder: Path, flights: Flights, jobs: list[DayJob]) -> Result:
    later = replace(jobs[1], turns=replace(jobs[1].turns, day=pd.Timestamp("2013-10-03").date()))
    return run_into(folder, flights, jobs[0], later)


def test_metrics_are_the_tables(result: Result) -> None:
    metrics = {metric.name: metric.value for metric in result.metrics}
    stands, price, leads, *_ = result.tables
    assert [row[0] for row in stands.rows] == list(WAYS)
    for row in stands.rows:
        assert metrics[f"conflict minutes a day: {row[0]}"] == row[1]
        assert metrics[f"waits a day: {row[0]}"] == row[4]
    assert [row[0] for row in price.rows] == [LIVE, USUAL, AFRESH, MENDED]
    for index, way in enumerate((LIVE, USUAL, AFRESH)):
        assert metrics[f"stands changed a day: {way}"] == price.rows[index][5]
        assert sum(row[1 + index] for row in leads.rows) == pytest.approx(price.rows[index][5])


def test_rules_that_did_not_hold_on_the_day_are_listed(jobs: list[DayJob], folder: Path) -> None:
    """As the decisions tell it: whose stand changed within the frozen window, and who never had one."""
    found = live_day(LiveJob(jobs[1], LIVE, folder / "broken.jsonl"))
    frozen = [one for event in found.moved for one in event if one.lead <= 30 and one.before >= 0]
    assert [one.rule for one in found.broken] == ["frozen window"] * len(frozen) + ["a stand for each"] * found.stranded
    flights, names = jobs[1].turns.table["flight"].tolist(), [one.id for one in jobs[1].airport.stands]
    for one, listed in zip(frozen, found.broken, strict=False):
        to = f"moves from {names[one.before]} to {names[one.after]}" if one.after >= 0 else f"loses {names[one.before]}"
        assert listed.sentence.startswith(f"{flights[one.turn]} {to} at ")
    assert {one.after >= 0 for one in frozen} == {True, False}


def test_the_report_lists_the_rules_of_re_planning_alone(result: Result) -> None:
    table = next(table for table in result.tables if table.title == "Rules that could not hold")
    assert {row[0] for row in table.rows} <= {"frozen window", "a stand for each"}
    assert f"frozen window {sum(row[0] == 'frozen window' for row in table.rows)}" in table.caption
    assert table.caption.startswith("Re-planned after each event, on the day")


def test_headlines_say_whether_targets_are_met(result: Result) -> None:
    seconds, share, changes, minutes, learned = result.headlines
    assert "target below 1 s: met" in seconds.note
    # On a day of twelve turns a single change is more than one in a hundred.
    assert "missed" in share.note
    assert changes.value < changes.peer_value
    assert (minutes.peer, minutes.interval is None) == (KEPT, False)
    assert (learned.peer, learned.value) == (USUAL, minutes.value)
    assert any("Closed unannounced: B1 10:30-12:00" in note for note in result.notes)


def test_a_run_leaves_journal_plans_and_forecasts(result: Result, folder: Path, jobs: list[DayJob]) -> None:
    plans = pd.read_csv(folder / "plans.csv")
    assert set(plans["method"]) == {DAY_AHEAD, ON_THE_DAY, LIVE}
    assert len(pd.read_csv(folder / "forecasts.csv")) == 24
    events = [len((folder / f"journal-2013-10-0{day}.jsonl").read_text().splitlines()) - 1 for day in (2, 3)]
    assert result.tables[1].rows[0][1] == np.mean(events)


def test_the_picture_moves_and_is_still_a_picture(result: Result, folder: Path) -> None:
    figure, still = result.figures
    assert "<animate" not in (folder / still.file).read_text()
    drawn = (folder / figure.file).read_text()
    assert drawn.count("<animate ") > 12
    assert "<script" not in drawn
    for times in re.findall(r'keyTimes="([^"]*)"', drawn):
        moments = [float(one) for one in times.split(";")]
        assert moments == sorted(moments)
        assert moments[0] == 0
        assert moments[-1] <= 1
    assert (folder / figure.file).with_suffix(".png").stat().st_size > 5000


def test_a_finished_journal_is_taken_up_and_gives_the_same(
    jobs: list[DayJob], flights: Flights, tmp_path: Path
) -> None:
    book = tmp_path / "book.jsonl"
    job = with_config(made_up_job(1, turns=12), journal=book)
    first = run_into(tmp_path / "one", flights, job)
    again = run_into(tmp_path / "two", flights, job)
    assert any(note.startswith("Taken up again") for note in again.notes)
    assert not any(note.startswith("Taken up again") for note in first.notes)
    assert [metric for metric in again.metrics if metric.name.endswith(LIVE)] == [
        metric for metric in first.metrics if metric.name.endswith(LIVE)
    ]
    assert (tmp_path / "two" / "journal-2013-10-02.jsonl").read_bytes() == book.read_bytes()


def test_who_waits_until_it_leaves_never_had_a_stand(tmp_path: Path) -> None:
    job = with_config(made_up_job(3, turns=14), closures={"A1": "10:00-14:00", "B1": "10:00-14:00"})
    found = live_day(LiveJob(job, KEPT, tmp_path / "unused"))
    left = [wait.turn for wait in found.waits if wait.left]
    assert left
    assert (found.used[left] == UNASSIGNED).all()
    assert found.stranded >= len(left)
    flights = job.turns.table["flight"].to_numpy(str)
    told = " ".join(one.sentence for one in found.broken if one.rule == "a stand for each")
    assert all(flights[turn] in told for turn in left)


def test_the_stands_of_t_2_h_are_kept_when_they_are_followed(jobs: list[DayJob], tmp_path: Path) -> None:
    found = live_day(LiveJob(jobs[0], MENDED, tmp_path / "unused"))
    assert (found.changes, (tmp_path / "unused").exists()) == (0, False)
    flew = jobs[0].turns.table["atd"].notna().to_numpy()
    assert np.array_equal(found.used[flew], found.before[flew])


def test_a_journal_of_several_days_is_one_line(tmp_path: Path) -> None:
    config = StandsConfig.model_validate(
        {"mode": "live", "live": {"journal": tmp_path / "x"}, "days": {"first": "2013-11-26", "last": "2013-11-27"}}
    )
    with pytest.raises(UserError, match=r"live\.journal is of one day"):
        demo.run(config, RunFolder(tmp_path, Progress(quiet=True), workers=1))
