"""Injected faults: which, how large, where; always on held-out days, always at a time when a fault shows at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.renewables.faults.events import Event, touched
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.renewables.faults.replay import PvRecord, TurbineRecord

DAY = 86400.0
HOUR = 3600.0
PV_KINDS = ("trip", "stuck", "string_outage", "soiling", "clipping", "drift")
WIND_KINDS = ("trip", "stuck", "clipping", "drift")
STRING_SHARE = 0.25
CAP_NOISE, FLICKER = 0.0015, 0.0001
# Hours within which an alarm must come; slow faults until their size reaches `size_limit`.
HORIZON = {"trip": 1.0, "stuck": 2.0, "string_outage": 120.0, "clipping": 72.0}
WIND_HORIZON = {"trip": 1.0, "stuck": 2.0, "clipping": 2.0}
TEMP_HORIZON = 24.0
SIZE_LIMIT = {"soiling": 0.05, "drift": 0.10}
STUCK_CHANNELS = ("power", "wind_speed", "temp_air", "wind_direction")


@dataclass(frozen=True)
class Injection:
    """One injected fault. onset, until: s since 1970 UTC; strength: share, rate a day or value."""

    system: str
    kind: str
    channel: str
    onset: float
    until: float
    strength: float
    number: int

    def size(self, at: float) -> float:
        """Relative size of a slow fault at a time; its sign is that of the change of the reading."""
        days = max(0.0, at - self.onset) / DAY
        return math.copysign(min(abs(self.strength) * days, 0.2), self.strength)


def faulty(
    values: NDArray[np.float64], seconds: NDArray[np.float64], injection: Injection, seed: int
) -> NDArray[np.float64]:
    """The channel with the fault from its onset on. values, seconds: (n,); NaN stays NaN."""
    after = seconds >= injection.onset
    out = values.copy()
    noise = generator(seed, "faults", injection.system, injection.kind, "noise", injection.number)
    draws = noise.standard_normal(len(values))
    if injection.kind == "trip":
        out[after] = injection.strength
    elif injection.kind == "stuck":
        frozen = values[int(np.argmax(after))]
        flicker = injection.strength * np.sign(draws)
        out[after] = frozen * (1 + flicker[after])
    elif injection.kind == "string_outage":
        out[after] *= 1 - injection.strength
    elif injection.kind == "clipping":
        limit = injection.strength * (1 + CAP_NOISE * draws)
        out[after] = np.minimum(out, limit)[after]
    else:
        out[after] *= np.array([1 + injection.size(at) for at in seconds[after]])
    out[np.isnan(values)] = math.nan
    return out


def draw_pv(record: PvRecord, events: Sequence[Event], kind: str, count: int, seed: int) -> list[Injection]:
    """`count` injections of one kind into a PV record (held-out days alone), at observable, otherwise healthy times."""
    random = generator(seed, "faults", record.system, kind)
    bright = record.expected >= 0.1 * record.nameplate
    alive = np.isfinite(record.power) & (record.power >= 0.05 * record.nameplate)
    day = ((record.seconds + record.longitude * 240.0) // DAY).astype(int)
    starts = np.flatnonzero(np.r_[True, np.diff(day) > 0])
    make: dict[str, Callable[[], tuple[NDArray[np.int64], Callable[[int], float]]]] = {
        "trip": lambda: (_lasting(bright & alive, 4), lambda at: 0.0),
        "stuck": lambda: (_lasting(bright & alive, 8), lambda at: random.choice([0.0, FLICKER])),
        "string_outage": lambda: (starts[_clear_ahead(record, starts) >= 12], lambda at: STRING_SHARE),
        "soiling": lambda: (starts, lambda at: -random.uniform(0.001, 0.005)),
        "drift": lambda: (starts, lambda at: random.choice([-1.0, 1.0]) * random.uniform(0.002, 0.006)),
        "clipping": lambda: _capped_days(record, starts, random),
    }
    where, strength = make[kind]()
    usable = [int(at) for at in where if not touched(record.system, *_day_of(record.seconds[at]), events)]
    found: list[Injection] = []
    last = float(record.seconds[-1])
    for at in _shuffled(usable, count * 4, random):
        onset, size = float(record.seconds[at]), float(strength(at))
        until = onset + (SIZE_LIMIT[kind] / abs(size) * DAY if kind in SIZE_LIMIT else HORIZON[kind] * HOUR)
        if until <= last and len(found) < count:
            found.append(Injection(record.system, kind, "power", onset, until, size, len(found)))
    return found


def _day_of(at: float) -> tuple[float, float]:
    return float(at), float(at) + DAY / 2


def _shuffled(places: Sequence[int], count: int, random: np.random.Generator) -> list[int]:
    """Places in random order, without repeats as long as there are enough."""
    if not places:
        return []
    rounds = -(-count // len(places))
    return [places[int(at)] for _ in range(rounds) for at in random.permutation(len(places))][:count]


def _lasting(good: NDArray[np.bool_], samples: int) -> NDArray[np.int64]:
    """Places from which `good` holds for so many samples."""
    windows = np.lib.stride_tricks.sliding_window_view(good, samples)
    return np.flatnonzero(windows.all(axis=1))


def _clear_ahead(record: PvRecord, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clear daylight samples, by the satellite, in the five days from each start."""
    clear = (record.clear_index >= 0.93) & (record.elevation >= 15) & np.isfinite(record.power)
    total = np.r_[0, np.cumsum(clear)]
    ends = np.searchsorted(record.seconds, record.seconds[starts] + HORIZON["string_outage"] * HOUR)
    return np.asarray(total[ends] - total[starts])


def _capped_days(
    record: PvRecord, starts: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.int64], Callable[[int], float]]:
    """Days on which a limit of 50 to 80 % of the nameplate cuts eight samples or more by 10 % or more."""
    limits = {int(at): random.uniform(0.5, 0.8) * record.nameplate for at in starts}
    ends = np.r_[starts[1:], len(record.seconds)]
    seen = [
        int(at)
        for at, end in zip(starts, ends, strict=True)
        if (record.power[at:end] > 1.1 * limits[int(at)]).sum() >= 8
    ]
    return np.array(seen, dtype=np.int64), lambda at: limits[at]


def draw_wind(
    records: Mapping[str, TurbineRecord], events: Sequence[Event], kind: str, count: int, seed: int
) -> list[Injection]:
    """`count` injections of one kind, spread evenly over the turbines (held-out days alone)."""
    found: list[Injection] = []
    for number, (name, record) in enumerate(records.items()):
        share = count // len(records) + (number < count % len(records))
        random = generator(seed, "faults", name, kind)
        found += _draw_turbine(record, events, kind, share, random, len(found))
    return found


def _draw_turbine(
    record: TurbineRecord, events: Sequence[Event], kind: str, count: int, random: np.random.Generator, first: int
) -> list[Injection]:
    rated = record.rated
    runs = (record.power >= 0.1 * rated) & (record.by_neighbours >= 0.1 * rated) & (record.neighbour_speed > 3)
    finite = np.isfinite(np.column_stack([record.power, record.wind_speed, record.temp_air, record.wind_direction]))
    runs &= finite.all(axis=1)
    places = {"trip": 6, "stuck": 12, "clipping": 12, "drift": 6}
    usable = [int(at) for at in _lasting(runs, places[kind])]
    found: list[Injection] = []
    for at in _shuffled(usable, count * 200, random):
        if len(found) == count:
            break
        onset = float(record.seconds[at])
        if touched(record.name, onset - HOUR, onset + DAY, events):
            continue
        injection = _turbine_fault(record, kind, at, random, first + len(found))
        if injection is not None and injection.until <= record.seconds[-1]:
            found.append(injection)
    return found


def _turbine_fault(
    record: TurbineRecord, kind: str, at: int, random: np.random.Generator, number: int
) -> Injection | None:
    onset, channel, strength = float(record.seconds[at]), "power", 0.0
    hours = WIND_HORIZON.get(kind, 0.0)
    if kind == "trip":
        strength = -2.0
    elif kind == "stuck":
        channel = STUCK_CHANNELS[number % len(STUCK_CHANNELS)]
        if channel == "temp_air":
            hours = TEMP_HORIZON
            ahead = record.neighbour_temp[at : at + 144]
            if not np.isfinite(ahead).any() or np.nanmax(ahead) - np.nanmin(ahead) < 1.5:
                return None
    elif kind == "clipping":
        strength = float(record.rated * random.uniform(0.2, 0.7))
        if not (record.power[at : at + 12] > 1.2 * strength).all():
            return None
    else:
        channel = "wind_speed"
        strength = float(random.choice([-1.0, 1.0]) * random.uniform(0.002, 0.006))
        hours = SIZE_LIMIT[kind] / abs(strength) * 24.0
    return Injection(record.name, kind, channel, onset, onset + hours * HOUR, strength, number)
