"""The hand-labelled list of real events, and whether an alarm belongs to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from demos.renewables.faults.alarm import DATA_KINDS, Alarm
from shared.yaml12 import read_mapping

FILE = Path(__file__).with_name("events.yaml")
HOUR = 3600.0


@dataclass(frozen=True)
class Event:
    """One real event. start, end: s since 1970 UTC."""

    source: str
    channel: str
    start: float
    end: float
    kind: str
    why: str


def read_events(file: Path = FILE) -> list[Event]:
    """All events of a list in the form of events.yaml."""
    return [
        Event(
            source=row["source"],
            channel=row["channel"],
            start=_seconds(row["start"]),
            end=_seconds(row["end"]),
            kind=row["kind"],
            why=row["why"],
        )
        for row in read_mapping(file)["events"]
    ]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def cause(alarm: Alarm, events: Sequence[Event], after: float = 2 * HOUR) -> Event | None:
    """The event that an alarm of the same source and channel is about, if any.

    An alarm belongs to an event when it is raised during it, or up to `after` seconds [s] later (a window of samples
    that still holds the event); an alarm raised before its start never does.
    """
    for event in events:
        same = event.source == alarm.system and event.channel == alarm.channel
        if same and event.start <= alarm.raised <= event.end + after:
            return event
    return None


def false_alarms(alarms: Sequence[Alarm], events: Sequence[Event], start: float, end: float) -> list[Alarm]:
    """Alarms raised from start to before end [s since 1970 UTC] that no event explains; facts left out."""
    return [
        alarm
        for alarm in alarms
        if start <= alarm.raised < end and alarm.kind not in DATA_KINDS and cause(alarm, events) is None
    ]


def touched(source: str, start: float, end: float, events: Sequence[Event]) -> bool:
    """Whether any event of the source overlaps start to end [s since 1970 UTC]."""
    return any(event.source == source and event.start < end and event.end > start for event in events)
