"""Chapters put together: order, targets first, data once; a chapter alone; the bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from demos.renewables.chapter import Chapter, Target, targets_table
from demos.renewables.config import RenewablesConfig
from demos.renewables.demo import DEMO
from demos.renewables.evaluate import combined, side_by_side
from shared.config import load
from shared.errors import UserError
from shared.execute import Options, execute
from shared.result import Column, DataUse, Metric, Table


def chapter(name: str, *, met: bool | None = None) -> Chapter:
    targets = [] if met is None else [Target(asked=f"{name} works", reached="7", met=met, note="so")]
    return Chapter(
        name=name,
        headlines=[],
        metrics=[Metric(name=name, value=1.0, unit="1")],
        tables=[Table(title=name, columns=[Column(name="a")], rows=[["b"]])],
        figures=[],
        data=[DataUse(name="both", version="1", sha256="0" * 64, licence="MIT")],
        notes=[f"note of {name}"],
        targets=targets,
    )


def test_targets_lead_and_say_yes_or_no() -> None:
    result = combined([chapter("first", met=True), chapter("second", met=False)])
    assert [table.title for table in result.tables] == ["Targets, met or missed", "first", "second"]
    assert result.tables[0].rows == [
        ["first: first works", "7", "yes", "so"],
        ["second: second works", "7", "NO", "so"],
    ]
    assert [metric.name for metric in result.metrics] == ["first", "second"]
    assert result.notes == ["note of first", "note of second"]


def test_data_of_two_chapters_are_named_once() -> None:
    chapters = [chapter("first"), chapter("second")]
    assert len(combined(chapters).data) == 1
    assert len(side_by_side([combined([one]) for one in chapters]).data) == 1
    assert [table.title for table in combined(chapters).tables] == ["first", "second"]


def test_targets_have_a_row_each() -> None:
    assert len(targets_table([chapter("a", met=True), chapter("b"), chapter("c", met=True)]).rows) == 2


def test_a_chapter_runs_alone(tmp_path: Path) -> None:
    config = load(RenewablesConfig, "renewables", "smoke", overrides=["chapters=[dispatch]"])
    _, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True, engine="serial"))
    titles = [table.title for table in envelope.result.tables]
    assert titles[0] == "Targets, met or missed"
    assert not any("PV" in name.name for name in envelope.result.headlines)


def test_the_bench_says_which_chapters_it_knows(tmp_path: Path) -> None:
    config = load(RenewablesConfig, "renewables", "smoke", overrides=["chapters=[forecast]"])
    with pytest.raises(UserError, match="chapters must hold dispatch or faults"):
        execute(DEMO, config, "smoke", Options(tmp_path, quiet=True, engine="serial"), verb="bench")
