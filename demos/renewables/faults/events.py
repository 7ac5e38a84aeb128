"""The hand-labelled list of real events, and whether an alarm belongs to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from demos.renewables.faults.alarm import ACTION, DATA_KINDS, Alarm
from shared.errors import UserError
from shared.yaml12 import read_mapping

FILE = Path(__file__).with_name("events.yaml")
HOUR = 3600.0
KEYS = ("source", "channel", "start", "end", "kind", "why")


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
    """All events of a list in the form of events.yaml. Raises UserError with the number of the event."""
    rows = read_mapping(file).get("events")
    if not isinstance(rows, list):
        raise UserError(f"{file}: needs a list `events`, each with {', '.join(KEYS)}")
    return [_event(f"{file}: event {number}", row) for number, row in enumerate(rows, 1)]


def _event(where: str, row: object) -> Event:
    if not isinstance(row, dict) or set(row) != set(KEYS):
        raise UserError(f"{where}: must have {', '.join(KEYS)}, and nothing else")
    if row["kind"] not in ACTION:
        raise UserError(f"{where}: kind {row['kind']!r} is none of {', '.join(sorted(ACTION))}")
    start, end = (_seconds(where, key, row[key]) for key in ("start", "end"))
    if start >= end:
        raise UserError(f"{where}: ends before it starts")
    return Event(str(row["source"]), str(row["channel"]), start, end, str(row["kind"]), str(row["why"]))


def _seconds(where: str, key: str, text: object) -> float:
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise UserError(f'{where}: {key} {str(text)!r} must be a time with its offset, like "2013-06-01T12:00Z"')
    return time.timestamp()


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
