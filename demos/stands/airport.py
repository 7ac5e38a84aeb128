"""The airport model: stands, shadows, closures and airlines' terminals, read from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from demos.stands.config import ClockTime, clock_minutes
from shared.config import config_folder
from shared.errors import UserError
from shared.names import did_you_mean
from shared.yaml12 import read_mapping

SIZE_CODES = ("A", "B", "C", "D", "E", "F")
MINUTES_PER_DAY = 1440
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


class Closure(Entry):
    """A stand out of service between two local clock times of the operating day, over midnight if need be."""

    stand: str
    start: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="to")
    reason: str = ""


class Airport(Entry):
    """An airport as the planner sees it."""

    name: str
    iata: str
    source: str
    stands: tuple[Stand, ...] = Field(min_length=1)
    shadows: tuple[Shadow, ...] = ()
    preferences: dict[str, tuple[str, ...]] = {}
    closures: tuple[Closure, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Airport:
        ids = [stand.id for stand in self.stands]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"stand {twice[0]!r} is listed twice")
        for entry in self.shadows:
            for name in (entry.stand, entry.blocks):
                if name not in ids:
                    raise ValueError(f"shadow names the unknown stand {name!r}{did_you_mean(name, ids)}")
            if entry.stand == entry.blocks:
                raise ValueError(f"stand {entry.stand!r} cannot shadow itself")
        for closure in self.closures:
            if closure.stand not in ids:
                raise ValueError(f"closure names the unknown stand {closure.stand!r}{did_you_mean(closure.stand, ids)}")
            if closure.start == closure.end:
                raise ValueError(f"closure of {closure.stand!r} has no length")
        terminals = {stand.terminal for stand in self.stands}
        for carrier, wanted in self.preferences.items():
            for terminal in wanted:
                if terminal not in terminals:
                    raise ValueError(f"preference of {carrier} names the unknown terminal {terminal!r}")
        return self


NEVER = len(SIZE_CODES)


def shadow_pairs(airport: Airport) -> list[tuple[int, int, int, int]]:
    """Each pair of stands with a shadow once: (first, second, size rank from which an aircraft on the first blocks the
    second, the same the other way round), positions of the stands, NEVER where there is no shadow that way.
    """
    position = {stand.id: index for index, stand in enumerate(airport.stands)}
    ranks: dict[tuple[int, int], list[int]] = {}
    for shadow in airport.shadows:
        caster, shaded = position[shadow.stand], position[shadow.blocks]
        pair = (min(caster, shaded), max(caster, shaded))
        both = ranks.setdefault(pair, [NEVER, NEVER])
        side = pair.index(caster)
        both[side] = min(both[side], size_rank(shadow.code))
    return [(first, second, *both) for (first, second), both in ranks.items()]  # type: ignore[misc]


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
    path = folder / f"{name}.yaml" if name in known else Path(name)
    if not path.is_file():
        raise UserError(f"airport {name!r}: no such model or file{did_you_mean(name, known)}")
    try:
        return Airport.model_validate(read_mapping(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from None
