"""The airport model: stands and what they do to each other, closures, airlines' terminals, from one YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from demos.stands.config import ClockTime, clock_minutes
from demos.stands.units import MINUTES_PER_DAY
from shared.config import config_folder
from shared.errors import UserError
from shared.names import did_you_mean
from shared.yaml12 import read_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE_CODES = ("A", "B", "C", "D", "E", "F")
SizeCode = Literal["A", "B", "C", "D", "E", "F"]


def size_rank(code: str) -> int:
    """Position of an ICAO code letter, A = 0 to F = 5; a stand takes every aircraft of its rank or lower."""
    return SIZE_CODES.index(code)


class Entry(BaseModel):
    """Base of the entries of an airport file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Stand(Entry):
    """One parking position. `contact` has a passenger bridge or walk-on gate; a remote stand is reached by bus."""

    id: Annotated[str, Field(min_length=1)]
    terminal: str
    code: SizeCode
    contact: bool


class Shadow(Entry):
    """While an aircraft of `code` or larger is on `stand`, `blocks` must be empty."""

    stand: str
    blocks: str
    code: SizeCode


class Mars(Entry):
    """A position for one `wide` aircraft, or for two on its `narrow` halves (multiple aircraft ramp system)."""

    wide: str
    narrow: tuple[str, str]


class Closure(Entry):
    """A stand out of service between two local clock times of the operating day, over midnight if need be."""

    stand: str
    start: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="to")
    reason: str = ""


class Airport(Entry):
    """An airport as the planner sees it.

    rows: stands side by side, in order; aircraft on two in a row push back into the same piece of taxiway.
    night_parking: stands where aircraft should spend the night; empty: any.
    """

    name: str
    iata: str
    source: str
    stands: tuple[Stand, ...] = Field(min_length=1)
    shadows: tuple[Shadow, ...] = ()
    mars: tuple[Mars, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    night_parking: tuple[str, ...] = ()
    preferences: dict[str, tuple[str, ...]] = {}
    closures: tuple[Closure, ...] = ()

    @model_validator(mode="after")
    def _entries_hold(self) -> Airport:
        ids = [stand.id for stand in self.stands]
        _once(ids, "stand {!r} is listed twice")
        for what, names in self._named():
            for name in names:
                if name not in ids:
                    raise ValueError(f"{what} names the unknown stand {name!r}{did_you_mean(name, ids)}")
        for shadow in self.shadows:
            if shadow.stand == shadow.blocks:
                raise ValueError(f"stand {shadow.stand!r} cannot shadow itself")
        for closure in self.closures:
            if closure.start == closure.end:
                raise ValueError(f"closure of {closure.stand!r} has no length")
        _once([name for entry in self.mars for name in (entry.wide, *entry.narrow)], "stand {!r} is twice in mars")
        codes = {stand.id: size_rank(stand.code) for stand in self.stands}
        for entry in self.mars:
            for half in entry.narrow:
                if codes[half] >= codes[entry.wide]:
                    raise ValueError(f"mars: {half!r} must be of a smaller code than its wide position {entry.wide!r}")
        for row in self.rows:
            _once(row, "stand {!r} is twice in one row")
        terminals = {stand.terminal for stand in self.stands}
        for carrier, wanted in self.preferences.items():
            for terminal in wanted:
                if terminal not in terminals:
                    raise ValueError(f"preference of {carrier} names the unknown terminal {terminal!r}")
        return self

    def _named(self) -> Iterator[tuple[str, Iterable[str]]]:
        """Every entry that names stands: what it is, and the names."""
        yield from (("shadow", (entry.stand, entry.blocks)) for entry in self.shadows)
        yield from (("closure", (entry.stand,)) for entry in self.closures)
        yield from (("mars", (entry.wide, *entry.narrow)) for entry in self.mars)
        yield from (("row", row) for row in self.rows)
        yield "night_parking", self.night_parking


def _once(names: Sequence[str], message: str) -> None:
    """Raise ValueError with the first name that is there twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(message.format(twice[0]))


NEVER = len(SIZE_CODES)


def shadow_pairs(airport: Airport) -> list[tuple[int, int, int, int]]:
    """Each pair of stands with a shadow once: (first, second, size rank from which an aircraft on the first blocks the
    second, the same the other way round), positions of the stands, NEVER where there is no shadow that way.
    """
    position = {stand.id: index for index, stand in enumerate(airport.stands)}
    ranks: dict[tuple[int, int], list[int]] = {}
    # Whatever stands on the wide position of a MARS stand takes both halves.
    mars = [
        Shadow(stand=entry.wide, blocks=half, code=SIZE_CODES[0]) for entry in airport.mars for half in entry.narrow
    ]
    for shadow in (*airport.shadows, *mars):
        caster, shaded = position[shadow.stand], position[shadow.blocks]
        pair = (min(caster, shaded), max(caster, shaded))
        both = ranks.setdefault(pair, [NEVER, NEVER])
        side = pair.index(caster)
        both[side] = min(both[side], size_rank(shadow.code))
    return [(first, second, *both) for (first, second), both in ranks.items()]  # type: ignore[misc]


def neighbours(airport: Airport) -> NDArray[np.bool_]:
    """(m, m) whether two stands are side by side in a row."""
    position = {stand.id: index for index, stand in enumerate(airport.stands)}
    beside = np.zeros((len(airport.stands), len(airport.stands)), dtype=bool)
    for row in airport.rows:
        for one, two in pairwise(position[name] for name in row):
            beside[one, two] = beside[two, one] = True
    return beside


def closed_minutes(closure: Closure, day_start: int) -> tuple[int, int]:
    """Start and end of a closure [min after midnight] in the operating day that begins `day_start` min after it."""
    start, end = clock_minutes(closure.start), clock_minutes(closure.end)
    start += MINUTES_PER_DAY * (start < day_start)
    end += MINUTES_PER_DAY * (end <= day_start)
    # An end before the start lies beyond the operating day.
    return start, end if end > start else end + MINUTES_PER_DAY


def load_airport(name: str) -> Airport:
    """The airport model `name` of configs/stands/airports/, or the file at that path.

    Raises:
        UserError: no such model or file, or an entry that does not fit; one line with file and field.
    """
    folder = config_folder("stands") / "airports"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    path = folder / f"{name}.yaml" if name in known else Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"airport {name!r}: no such model or file{did_you_mean(name, known)}")
    try:
        return Airport.model_validate(read_mapping(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        given = f", got {first['input']!r}" if isinstance(first["input"], str | int | float | bool) else ""
        raise UserError(f"{path}: {where + ': ' if where else ''}{first['msg']}{given}") from None


def with_stands(airport: Airport, count: int) -> Airport:
    """The airport with `count` stands, dropped or doubled evenly along its list, so that terminals and sizes keep their
    shares. Doubles cast no shadows, stand in no row, and are never closed.
    """
    wanted = ((np.arange(count) + 0.5) * len(airport.stands) / count).astype(int)
    stands = []
    for index, position in enumerate(wanted):
        stand, copy = airport.stands[position], int((wanted[:index] == position).sum())
        stands.append(stand.model_copy(update={"id": f"{stand.id}+{copy}"}) if copy else stand)
    ids = {stand.id for stand in stands}
    terminals = {stand.terminal for stand in stands}
    preferences = {
        carrier: tuple(name for name in wished if name in terminals) for carrier, wished in airport.preferences.items()
    }
    return airport.model_copy(
        update={
            "stands": tuple(stands),
            "shadows": tuple(shadow for shadow in airport.shadows if {shadow.stand, shadow.blocks} <= ids),
            "mars": tuple(entry for entry in airport.mars if {entry.wide, *entry.narrow} <= ids),
            "rows": tuple(tuple(name for name in row if name in ids) for row in airport.rows),
            "night_parking": tuple(name for name in airport.night_parking if name in ids),
            "closures": tuple(closure for closure in airport.closures if closure.stand in ids),
            "preferences": preferences,
        }
    )
