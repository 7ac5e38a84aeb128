"""What can happen while a day runs, and what each of it changes in what is known. Nothing here moves an aircraft.

Turns are rows of the day, stands are named, times are minutes after midnight of the operating day. A tow is the
off-block of one part of a long stay, then the on-block of the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.live.state import DayState, expect, forecast, problem_now, with_times
from demos.stands.problem import UNASSIGNED
from demos.stands.search.greedy import met_on
from demos.stands.turns import Turns
from shared.errors import UserError
from shared.names import did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OnBlock:
    """An aircraft has reached its stand, or would have: where that is still taken, or closed, it waits beside it."""

    at: int
    turn: int


@dataclass(frozen=True)
class OffBlock:
    """An aircraft has left its stand, or where it waited for one."""

    at: int
    turn: int


@dataclass(frozen=True)
class Estimate:
    """When an aircraft is now expected on block or off block; None: no news of that."""

    at: int
    turn: int
    on_block: int | None = None
    off_block: int | None = None


@dataclass(frozen=True)
class Forecast:
    """A fresh forecast of departure delay: its quantiles [min] at the levels of the config."""

    at: int
    turn: int
    delays: tuple[float, ...]


@dataclass(frozen=True)
class Cancelled:
    """A flight is cancelled and needs no stand any more."""

    at: int
    turn: int


@dataclass(frozen=True)
class Swap:
    """Two flights change aircraft: size, seats and arrival go along, and the stand of an aircraft that is on block."""

    at: int
    first: int
    second: int


@dataclass(frozen=True)
class Closed:
    """A stand is closed at once, unannounced; who is on it stays."""

    at: int
    stand: str


@dataclass(frozen=True)
class Reopened:
    """A closed stand can be used again."""

    at: int
    stand: str


@dataclass(frozen=True)
class Locked:
    """The planner wishes a flight on a stand."""

    at: int
    turn: int
    stand: str


Event = OnBlock | OffBlock | Estimate | Forecast | Cancelled | Swap | Closed | Reopened | Locked


def apply(state: DayState, event: Event) -> DayState:
    """What is known after an event. Raises UserError for an unknown stand, or a turn that cannot have that event."""
    match event:
        case OnBlock(at, turn):
            return _on_block(state, at, turn)
        case OffBlock(at, turn):
            _require(state.there[turn] or state.landed[turn], state, turn, "leaves, and was not on block")
            left = expect(state, turn, off_block=at, certain=True)
            return replace(
                left, there=_with(left.there, turn, False), landed=_with(left.landed, turn, False),
                gone=_with(left.gone, turn, True),
            )  # fmt: skip
        case Estimate(_, turn, on_block, off_block):
            _require(not state.gone[turn], state, turn, "is estimated, and has left or is cancelled")
            _require(on_block is None or not state.there[turn], state, turn, "is estimated, and is on block")
            return expect(state, turn, on_block, off_block)
        case Forecast(_, turn, delays):
            _require(not state.gone[turn], state, turn, "is forecast, and has left or is cancelled")
            return forecast(state, turn, delays)
        case Cancelled(_, turn):
            _require(not state.gone[turn], state, turn, "is cancelled, and has left or is cancelled")
            return replace(
                state, gone=_with(state.gone, turn, True), there=_with(state.there, turn, False),
                landed=_with(state.landed, turn, False), plan=_with(state.plan, turn, UNASSIGNED),
                touched=_with(state.touched, turn, True),
            )  # fmt: skip
        case Swap(_, first, second):
            return _swap(state, first, second)
        case Closed(_, stand):
            place = _place(state, stand)
            touched = state.touched | (state.plan == place) & state.movable
            return replace(state, closed=_with(state.closed, place, True), touched=touched)
        case Reopened(_, stand):
            reopened = _with(state.closed, _place(state, stand), False)
            return replace(state, closed=reopened, touched=state.touched | state.movable)
        case Locked(_, turn, stand):
            _place(state, stand)
            flight = str(state.turns.table["flight"].iloc[turn])
            rules = state.config.rules.model_copy(update={"locked": {**state.config.rules.locked, flight: stand}})
            wished = state.config.model_copy(update={"rules": rules})
            return replace(state, config=wished, touched=_with(state.touched, turn, True))


def _on_block(state: DayState, at: int, turn: int) -> DayState:
    _require(state.movable[turn], state, turn, "comes, and was there, has left or is cancelled")
    state = expect(state, turn, on_block=at, certain=True)
    stand = int(state.plan[turn])
    taken = stand == UNASSIGNED
    if not taken:
        beside = met_on(problem_now(state, at), state.plan, turn, stand)
        taken = bool(state.there[beside].any() or state.closed[stand])
    return replace(state, there=_with(state.there, turn, not taken), landed=_with(state.landed, turn, taken))


def _swap(state: DayState, first: int, second: int) -> DayState:
    for turn in (first, second):
        _require(not state.gone[turn], state, turn, "changes aircraft, and has left or is cancelled")
    pair, other = np.array([first, second]), np.array([second, first])
    turns = exchanged(state.turns, first, second, state.config.live.least_stay)
    schedule = exchanged(state.schedule, first, second, state.config.live.least_stay)

    def swapped(values: NDArray) -> NDArray:
        found = values.copy()
        found[pair] = values[other]
        return found

    on, off = swapped(state.on), state.off.copy()
    off[pair] = np.maximum(off[pair] + (turns.sobt - state.turns.sobt)[pair][:, None], on[pair] + 1)
    on_block = bool(state.there[pair].any())
    moved = replace(
        state,
        turns=replace(state.turns, table=turns.table),
        schedule=schedule,
        there=swapped(state.there),
        landed=swapped(state.landed),
        plan=swapped(state.plan) if on_block else state.plan,
    )
    return with_times(moved, turns.sibt, turns.sobt, on, off, pair)


def exchanged(turns: Turns, first: int, second: int, least_stay: int) -> Turns:
    """The turns after two of them have exchanged aircraft: who would stay less than `least_stay` [min], or less than
    the other was to, leaves later."""
    pair, other = np.array([first, second]), np.array([second, first])
    table, sibt, sobt = turns.table.copy(), turns.sibt.copy(), turns.sobt.copy()
    for column in ("code", "seats", "tail"):
        values = table[column].to_numpy(copy=True)
        values[pair] = values[other]
        table[column] = values
    sibt[pair] = turns.sibt[other]
    shortest = np.minimum(least_stay, (turns.sobt - turns.sibt)[other])
    sobt[pair] = np.maximum(sobt[pair], sibt[pair] + shortest)
    return replace(turns, table=table, sibt=sibt, sobt=sobt)


def _with(values: NDArray, place: int, value: object) -> NDArray:
    found = values.copy()
    found[place] = value
    return found


def _place(state: DayState, stand: str) -> int:
    names = [one.id for one in state.airport.stands]
    if stand not in names:
        raise UserError(f"no stand {stand!r} in {state.airport.name}{did_you_mean(stand, names)}")
    return names.index(stand)


def _require(holds: bool, state: DayState, turn: int, what: str) -> None:
    if not holds:
        raise UserError(f"turn {turn}, {state.turns.table['flight'].iloc[turn]}, {what}")
