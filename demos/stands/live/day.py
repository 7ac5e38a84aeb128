"""One day, event by event: what happened is applied, stands are decided anew, the journal keeps it, aircraft come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from demos.stands.live.events import Event, OnBlock, apply
from demos.stands.live.journal import Entry, Journal, as_record
from demos.stands.live.state import DayState, clock

# A state after news, and the minute: the state with the stands decided.
Decide = Callable[[DayState, int], DayState]


@dataclass(frozen=True)
class Moved:
    """A stand changed at a minute of the day. stands: positions before and after; lead: minutes to on-block."""

    at: int
    turn: int
    before: int
    after: int
    lead: int


@dataclass(frozen=True)
class Wait:
    """An aircraft came at `since` to a stand that was taken, and had one at `until`, or left then, without one."""

    turn: int
    since: int
    until: int
    left: bool = False


@dataclass(frozen=True)
class LiveDay:
    """A day that is over. state: with the stands as they were used; moved: every change, those at one event together;
    seconds: of each decision; open: how many turns could still move at each event."""

    state: DayState
    moved: tuple[tuple[Moved, ...], ...]
    waits: tuple[Wait, ...]
    seconds: tuple[float, ...]
    open: tuple[int, ...]


def run_day(state: DayState, events: Sequence[Event], decide: Decide, journal: Journal | None = None) -> LiveDay:
    """Feed the events. What the journal has decided already stands as it is."""
    done = journal.entries if journal else []
    moved, seconds, still_open = [], [], []
    waiting: dict[int, int] = {}
    waits: list[Wait] = []
    for place, event in enumerate(events):
        began = time.perf_counter()
        state = _to_stands(apply(state, event), event.at, waiting, waits)
        known = done[place] if place < len(done) else None
        after = _as_decided(state, event.at, known.changes) if known else decide(state, event.at)
        changes = [(turn, int(after.plan[turn])) for turn in np.flatnonzero(after.plan != state.plan).tolist()]
        took = known.seconds if known else time.perf_counter() - began
        if journal and not known:
            journal.add(Entry(as_record(event), changes, took))
        moved.append(tuple(_moved(state, after, turn, event.at) for turn, _ in changes))
        seconds.append(took)
        still_open.append(int(state.movable.sum()))
        state = _to_stands(after, event.at, waiting, waits)
    return LiveDay(state, tuple(moved), tuple(waits), tuple(seconds), tuple(still_open))


def keep(state: DayState, now: int) -> DayState:
    """Decide nothing: every aircraft waits for the stand it was planned on, whatever is expected."""
    return state


def _as_decided(state: DayState, now: int, changes: Sequence[tuple[int, int]]) -> DayState:
    state = clock(state, now)
    plan = state.plan.copy()
    for turn, stand in changes:
        plan[turn] = stand
    return replace(state, plan=plan, touched=np.zeros_like(state.touched))


def _moved(before: DayState, after: DayState, turn: int, now: int) -> Moved:
    return Moved(now, turn, int(before.plan[turn]), int(after.plan[turn]), int(after.turns.sibt[turn] - now))


def _to_stands(state: DayState, now: int, waiting: dict[int, int], waits: list[Wait]) -> DayState:
    """Who waits goes to its stand as soon as that is free, first come first. waiting: turn -> since when."""
    for turn in np.flatnonzero(state.landed).tolist():
        waiting.setdefault(turn, now)
    for turn, since in list(waiting.items()):
        left = bool(state.gone[turn])
        if state.landed[turn]:
            state = apply(state, OnBlock(now, turn))
        if not state.landed[turn]:
            if now > since:
                waits.append(Wait(turn, since, now, left))
            del waiting[turn]
    return state
