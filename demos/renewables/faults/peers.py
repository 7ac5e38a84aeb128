"""What every peer has in common: flags of samples, alarms out of flags, and settings chosen on training data.

A peer judges a whole record at once and may look ahead; ours may not. Its settings are the most sensitive ones, of the
documented range, whose alarms on the training months stay within the same budget as ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from demos.renewables.faults.events import Event
from demos.renewables.faults.inject import Injection, faulty
from demos.renewables.faults.replay import Outcome, PvRecord, TurbineRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 86400.0
MONTH = 30.4375 * DAY
CONTEXT = 6 * DAY
R = TypeVar("R", bound=PvRecord | TurbineRecord)


class Peer(Protocol):
    """A method that flags samples of a record."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def note(self) -> str:
        """What it may that ours may not, or otherwise."""

    def flags(self, record: PvRecord | TurbineRecord) -> NDArray[np.bool_]:
        """(n,) whether each sample looks wrong."""


@dataclass(frozen=True)
class Filter:
    """One filter with its settings from sensitive to tolerant, the last one off; `name` says which fault it means."""

    name: str
    settings: Sequence[float]
    flags: Callable[[PvRecord | TurbineRecord, float], NDArray[np.bool_]]


@dataclass(frozen=True)
class Chosen:
    """A peer that is a set of filters, each with the setting chosen on training data; NaN: left off."""

    name: str
    note: str
    filters: tuple[tuple[Filter, float], ...]

    def flags(self, record: PvRecord | TurbineRecord) -> NDArray[np.bool_]:
        """Whether any filter flags."""
        found = np.zeros(len(record.seconds), dtype=bool)
        for one, setting in self.filters:
            if not np.isnan(setting):
                found |= one.flags(record, setting)
        return found


def cut(record: R, start: float, end: float) -> R:
    """The part of a record from start to before end [s since 1970 UTC]."""
    first, last = np.searchsorted(record.seconds, [start, end])
    arrays: dict[str, Any] = {
        one.name: getattr(record, one.name)[first:last]
        for one in fields(record)
        if isinstance(getattr(record, one.name), np.ndarray)
    }
    return replace(record, **arrays)


def system(record: PvRecord | TurbineRecord) -> str:
    """The name under which the record's events are listed."""
    return record.system if isinstance(record, PvRecord) else record.name


def false_episodes(flags: NDArray[np.bool_], record: PvRecord | TurbineRecord, events: Sequence[Event]) -> int:
    """Alarms out of flags: flags less than a day apart are one alarm; those that an event explains are left out."""
    times = record.seconds[flags]
    firsts = times[np.r_[True, np.diff(times) > DAY]] if len(times) else times
    explained = np.zeros(len(firsts), dtype=bool)
    for event in events:
        if event.source == system(record):
            explained |= (firsts >= event.start) & (firsts <= event.end + 2 * 3600)
    return int((~explained).sum())


def months(records: Sequence[PvRecord | TurbineRecord]) -> float:
    """System-months of a list of records."""
    return float(sum((record.seconds[-1] - record.seconds[0]) / MONTH for record in records))


def choose(
    name: str,
    note: str,
    filters: Sequence[Filter],
    records: Sequence[PvRecord | TurbineRecord],
    events: Sequence[Event],
    budget: float,
) -> Chosen:
    """The most sensitive settings within the budget [false alarms per system-month on training].

    Each filter first gets an equal part of the budget; what is left then goes to the filters in turns.
    """
    allowed = budget * months(records)
    flags = [[[one.flags(record, value) for record in records] for value in one.settings] for one in filters]
    off = [np.zeros(len(record.seconds), dtype=bool) for record in records]

    def alarms(places: Sequence[int]) -> int:
        chosen = [flags[at][place] if place < len(flags[at]) else off for at, place in enumerate(places)]
        unions = [np.logical_or.reduce(list(parts)) for parts in zip(*chosen, strict=True)]
        return sum(false_episodes(union, record, events) for union, record in zip(unions, records, strict=True))

    def alone(at: int, place: int) -> int:
        return alarms([place if other == at else len(filters[other].settings) for other in range(len(filters))])

    places = []
    for at, one in enumerate(filters):
        fits = [place for place in range(len(one.settings)) if alone(at, place) <= allowed / len(filters)]
        places.append(min(fits, default=len(one.settings)))
    # What is left of the budget goes to whichever filter can still use it, in turns.
    loosened = True
    while loosened:
        loosened = False
        for at in range(len(filters)):
            more = [place - (other == at) for other, place in enumerate(places)]
            if more[at] >= 0 and alarms(more) <= allowed:
                places, loosened = more, True
    picked = [
        (one, float(one.settings[place]) if place < len(one.settings) else float("nan"))
        for one, place in zip(filters, places, strict=True)
    ]
    return Chosen(name, note, tuple(picked))


def peer_outcome(
    peer: Peer, record: PvRecord | TurbineRecord, untouched: NDArray[np.bool_], injection: Injection, seed: int
) -> Outcome:
    """Whether a peer flags anything in time that it does not flag without the fault.

    untouched: its flags of the whole record as it is. The faulty one is judged from six days before the onset.
    """
    part = cut(record, injection.onset - CONTEXT, injection.until + 1.0)
    first = int(np.searchsorted(record.seconds, part.seconds[0]))
    values = faulty(getattr(part, injection.channel), part.seconds, injection, seed)
    changed = _with_channel(part, injection.channel, values)
    new = peer.flags(changed) & ~untouched[first : first + len(part.seconds)] & (part.seconds >= injection.onset)
    if not new.any():
        return Outcome(injection, None, 0, 0.0, 0.0)
    at = int(np.argmax(new))
    samples = at - int(np.searchsorted(part.seconds, injection.onset)) + 1
    return Outcome(injection, "flag", samples, samples * record.minutes, abs(injection.size(float(part.seconds[at]))))


def _with_channel(record: R, channel: str, values: NDArray[np.float64]) -> R:
    """The record with one channel replaced, and what a turbine's own wind speed leads to."""
    changed: dict[str, Any] = {channel: values}
    if isinstance(record, TurbineRecord) and channel == "wind_speed":
        changed["by_own"] = _own_curve(record, values)
    return replace(record, **changed)


def _own_curve(record: TurbineRecord, speed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected power at other speeds, read off the record's own (wind_speed, by_own) pairs."""
    good = np.isfinite(record.wind_speed) & np.isfinite(record.by_own)
    order = np.argsort(record.wind_speed[good])
    known = np.interp(speed, record.wind_speed[good][order], record.by_own[good][order])
    return np.where(np.isfinite(speed), known, np.nan)


def run_length(values: NDArray[np.float64], tolerance: float = 3e-4) -> NDArray[np.float64]:
    """(n,) how many samples in a row have been equal, within a relative tolerance, up to each one; capped at 50."""
    equal = np.r_[False, np.abs(np.diff(values)) <= tolerance * np.abs(values[1:])]
    places = np.arange(len(values))
    start = np.maximum.accumulate(np.where(equal, 0, places))
    return np.minimum(places - start, 50).astype(float)
