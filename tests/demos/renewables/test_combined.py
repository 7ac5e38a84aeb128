"""Chapters put together: order, targets first, data once; a chapter alone; the bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from demos.renewables.chapter import Chapter, Target, targets_table
from demos.renewables.config import RenewablesConfig
from demos.renewables.demo import DEMO
from demos.renewables.evaluate import DECIDES, combined, has_settings_of, side_by_side
from shared.config import load
from shared.errors import UserError
from shared.execute import Options, execute
from shared.result import Column, DataUse, Figure, Headline, Metric, Part, Table

OWN_SITE = ["site.power=plant.csv", "site.latitude=48.0", "site.longitude=11.0", "site.capacity=9.0"]
TITLES = ["PV", "WIND", "FAULTS"]


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


def titled(name: str) -> Chapter:
    result = chapter(name, met=True)
    headline = Headline(name=name, value=1, unit="1", direction="lower", peer="peer", peer_value=2)
    figure = Figure(file=f"{name}.svg", title=name, caption="", alt="")
    more = {"title": name.upper(), "intro": "Simulated.", "headlines": [headline], "figures": [figure]}
    return result.model_copy(update=more)


def test_titled_chapters_are_parts_and_marks_stay() -> None:
    inner = Chapter(name="forecast", targets=[], **dict(side_by_side([titled("pv"), titled("wind")])))
    result = combined([inner, titled("faults"), chapter("plain")])
    assert result.parts == [Part(title=name, intro="Simulated.", notes=[f"note of {name.lower()}"]) for name in TITLES]
    assert result.notes == ["note of plain"]
    assert [table.part for table in result.tables] == ["", *TITLES, ""]
    assert [headline.part for headline in result.headlines] == TITLES
    assert [figure.part for figure in result.figures] == TITLES
    whole = inner.model_copy(update={"title": "FORECAST", "tables": [*inner.tables, *chapter("both").tables]})
    assert [table.part for table in side_by_side([whole]).tables] == ["PV", "WIND", "FORECAST"]


@pytest.mark.parametrize(
    ("profile", "overrides", "same"),
    [
        ("cpu", [], True),
        ("cpu", ["seed=3", "device=cpu", "chapters=[forecast]", "forecast.parts=[wind]"], True),
        ("cpu", ["chapters=[faults]", "dispatch.days.step=7"], True),
        ("cpu", ["chapters=[dispatch]", "dispatch.days.step=7"], False),
        ("cpu", ["forecast.parts=[wind]", "forecast.wind.block_days=2"], False),
        ("cpu", ["forecast.intraday.issue_every=2"], False),
        ("cpu", ["forecast.intraday.issue_every=2", *OWN_SITE], True),
        ("smoke", [], False),
        ("gpu", [], False),
    ],
)
def test_settings_are_those_that_the_targets_are_meant_for(profile: str, overrides: list[str], same: bool) -> None:
    config = load(RenewablesConfig, "renewables", profile, overrides=overrides)
    assert has_settings_of(config, load(RenewablesConfig, "renewables", DECIDES)) is same


def test_targets_of_another_run_say_so() -> None:
    chapters = [chapter("first", met=True)]
    assert combined(chapters).tables[0].caption == ""
    assert "not those of profile cpu" in combined(chapters, decides=False).tables[0].caption


@pytest.mark.slow
def test_a_chapter_runs_alone(tmp_path: Path) -> None:
    config = load(RenewablesConfig, "renewables", "smoke", overrides=["chapters=[dispatch]"])
    _, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True, engine="serial"))
    titles = [table.title for table in envelope.result.tables]
    assert titles[0] == "Targets, met or missed in a run of other settings"
    assert "not those of profile cpu" in envelope.result.tables[0].caption
    met = {str(row[0]): row[2] for row in envelope.result.tables[0].rows}
    assert len(met) == 7
    assert met["dispatch: PuLP and OR-Tools agree to 1e-6"] == "yes"
    assert len(envelope.result.parts) == 1
    assert {table.part for table in envelope.result.tables[1:]} == {envelope.result.parts[0].title}
    assert not any("PV" in name.name for name in envelope.result.headlines)


def test_the_bench_says_which_chapters_it_knows(tmp_path: Path) -> None:
    config = load(RenewablesConfig, "renewables", "smoke", overrides=["chapters=[forecast]"])
    with pytest.raises(UserError, match="chapters must hold dispatch or faults"):
        execute(DEMO, config, "smoke", Options(tmp_path, quiet=True, engine="serial"), verb="bench")


@pytest.mark.parametrize("again", ["chapters=[faults,faults]", "forecast.parts=[wind,wind]"])
def test_what_is_named_twice_is_refused_before_it_is_run(again: str) -> None:
    with pytest.raises(UserError, match="must each be named once"):
        load(RenewablesConfig, "renewables", "smoke", overrides=[again])
