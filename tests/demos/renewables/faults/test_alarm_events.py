from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from demos.renewables.faults.alarm import ACTION, DATA_KINDS, Alarm, write_lines
from demos.renewables.faults.events import Event, cause, false_alarms, read_events, touched
from demos.renewables.faults.streams import MAST_CHANNELS, TURBINES
from shared.errors import UserError

GOOD = """events:
  - {source: a, channel: power, start: "2013-01-01T00:00Z", end: "2013-01-02T00:00Z", kind: trip, why: "seen"}
"""
ALARM = Alarm("system_50", "power", "trip", 1_345_123_800.0, 1_345_125_600.0, 0.0, 819.4, "W", "no power")


def test_an_alarm_is_a_line_that_says_all(tmp_path: Path) -> None:
    file = tmp_path / "alarms.jsonl"
    assert write_lines([ALARM, ALARM], file) == 2
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first == second
    assert first == {
        "system": "system_50", "channel": "power", "kind": "trip", "severity": "critical",
        "first_seen": "2012-08-16T13:30:00Z", "raised": "2012-08-16T14:00:00Z", "value": 0.0, "expected": 819.4,
        "ratio": 0.0, "unit": "W", "seen": "no power", "action": ACTION["trip"],
    }  # fmt: skip


def test_a_ratio_without_an_expectation_is_null() -> None:
    record = Alarm("x", "power", "gap", 0.0, 0.0, 3.0, 0.0, "h", "gap").record()
    assert record["ratio"] is None
    assert record["severity"] == "info"


def test_what_is_not_known_is_null_and_never_breaks_the_line(tmp_path: Path) -> None:
    alarm = Alarm("x", "wind_direction", "stuck", 0.0, 0.0, 249.6, math.nan, "deg", "stands still")
    record = alarm.record()
    assert (record["value"], record["expected"], record["ratio"]) == (249.6, None, None)
    assert write_lines([replace(alarm, value=math.nan, expected=3.0)], tmp_path / "alarms.jsonl") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("events: 3", "needs a list `events`"),
        ("events:\n  - {source: a, start: 1}", "event 1: must have source, channel, start, end, kind, why"),
        (GOOD.replace("2013-01-02T00:00Z", "tomorrow"), "event 1: end 'tomorrow' must be a time"),
        (GOOD.replace("2013-01-02T00:00Z", "2013-01-02T00:00"), "must be a time with its offset"),
        (GOOD.replace("2013-01-02", "2012-01-02"), "event 1: ends before it starts"),
        (GOOD.replace("trip", "tripped"), "kind 'tripped' is none of clipping, "),
    ],
)
def test_a_list_of_events_is_checked(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "events.yaml"
    file.write_text(GOOD)
    assert read_events(file)[0].end - read_events(file)[0].start == 86400
    file.write_text(text)
    with pytest.raises(UserError, match=says) as error:
        read_events(file)
    assert "\n" not in str(error.value)


def test_every_kind_says_what_to_do() -> None:
    from typing import get_args

    from demos.renewables.faults.alarm import Kind

    assert set(get_args(Kind)) == set(ACTION)
    assert set(ACTION) > DATA_KINDS


EVENT = Event("a", "power", 1000.0, 2000.0, "trip", "made up")


@pytest.mark.parametrize(
    ("system", "channel", "raised", "explained"),
    [("a", "power", 1000.0, True), ("a", "power", 2000.0, True), ("a", "power", 999.0, False),
     ("a", "power", 2000.0 + 7200, True), ("a", "power", 2000.0 + 7201, False),
     ("b", "power", 1500.0, False), ("a", "wind_speed", 1500.0, False)],
)  # fmt: skip
def test_an_event_explains_alarms_of_its_own_time_and_channel(
    system: str, channel: str, raised: float, explained: bool
) -> None:
    alarm = Alarm(system, channel, "trip", 0.0, raised, 0.0, 1.0, "W", "")
    assert (cause(alarm, [EVENT]) is EVENT) is explained
    assert len(false_alarms([alarm], [EVENT], 0.0, 1e6)) == (not explained)


def test_facts_and_other_times_are_not_false_alarms() -> None:
    gap = Alarm("a", "stream", "gap", 0.0, 5000.0, 0.0, 0.0, "h", "")
    late = Alarm("a", "power", "trip", 0.0, 50_000.0, 0.0, 0.0, "W", "")
    assert false_alarms([gap, late], [EVENT], 0.0, 50_000.0) == []
    assert false_alarms([gap, late], [EVENT], 0.0, 50_001.0) == [late]


def test_touched_is_about_overlap() -> None:
    assert touched("a", 1999.0, 3000.0, [EVENT])
    assert not touched("a", 2000.0, 3000.0, [EVENT])
    assert not touched("b", 0.0, 5000.0, [EVENT])


def test_the_list_of_real_events_is_sound_and_has_the_known_ones() -> None:
    events = read_events()
    for event in events:
        assert event.start < event.end, event
        assert len(event.why) > 20, event
        assert event.kind in ACTION, event
        assert event.source in ("system_50", "mast", *TURBINES), event
        assert event.source != "mast" or event.channel in MAST_CHANNELS, event
    assert len({(e.source, e.channel, e.start, e.kind) for e in events}) == len(events)

    def at(source: str, channel: str, time: str) -> list[str]:
        seconds = pd.Timestamp(time, tz="UTC").timestamp()
        return [e.kind for e in events if (e.source, e.channel) == (source, channel) and e.start <= seconds < e.end]

    assert at("system_50", "power", "2012-08-16 19:00") == ["trip"]
    assert at("mast", "Spd80mS", "2017-10-01 00:00") == ["stuck"]
    assert at("R80721", "temp_air", "2014-06-09 00:00") == ["out_of_range"]
