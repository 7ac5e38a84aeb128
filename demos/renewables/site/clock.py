"""Is the clock right? Steps in the daily offset against the sun, named when they follow a daylight saving rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

LEVEL = 30.0  # minutes: legal clocks differ by multiples of half an hour
CAP = 90.0  # minutes: a stormy day counts no more than this against a level
SWITCH = 300.0  # minutes of misfit that a step must explain: ten days of half an hour
SMALLEST = 45.0  # minutes: less than this from one fortnight to the next may be season, horizon or weather
BOTH_ENDS = 0.25  # of a step: the least by which start and stop of the day must move with it
FORTNIGHT = 14
FEWEST_DAYS = 20
NEAR = 3  # usable days between a step and the date of the rule
# One zone for each rule and clock in use where PV plants stand; the step dates pick among them.
ZONES = (
    *("America/St_Johns", "America/Halifax", "America/New_York", "America/Chicago", "America/Denver"),
    *("America/Los_Angeles", "America/Anchorage", "America/Havana", "America/Santiago", "America/Asuncion"),
    *("America/Mexico_City", "America/Sao_Paulo", "Atlantic/Azores", "Europe/London", "Europe/Berlin"),
    *("Europe/Helsinki", "Africa/Cairo", "Africa/Windhoek", "Asia/Jerusalem", "Asia/Beirut", "Asia/Amman"),
    *("Asia/Tehran", "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland"),
)


@dataclass(frozen=True)
class Step:
    """The clock jumps on the solar date `day` by `minutes` (positive: from then on it is later than before)."""

    day: pd.Timestamp
    minutes: int

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} ({self.minutes:+d} min)"


def zone_of(name: str) -> ZoneInfo | timezone:
    """The zone of an IANA name or of a fixed offset such as "-07:00"."""
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    return ZoneInfo(name)


def usable(days: pd.DataFrame) -> pd.DataFrame:
    """Those of `sun.days_of` that have both a sunrise and a sunset well apart."""
    return days[days["daylight"].between(180, 1140) & (days["length"] > 90)]


def clock_steps(days: pd.DataFrame, interval: float) -> list[Step]:
    """Steps of at least SMALLEST minutes in the daily offsets against the sun.

    days: of `usable`; interval: of the data [min]; with long ones the edges of the day jump by half an interval as the
    season goes, so that a step must be three quarters of one.

    The path over levels LEVEL apart with the least misfit plus SWITCH per step (Viterbi), which finds all steps at once
    and in the best place; then each step must show in the medians of the days beside it, because a slow drift with the
    season passes levels too, and at both ends of the day, because a plant that fails each noon has shorter days.
    """
    offset = days["offset"]
    if len(offset) < FEWEST_DAYS:
        return []
    unit, least = max(LEVEL, interval), max(SMALLEST, 0.75 * interval)
    centre = float(np.median(offset))
    levels = centre + LEVEL * np.arange(-5, 6)
    path = _best_path(np.minimum(np.abs(offset.to_numpy()[:, None] - levels), CAP))
    slack = (days["daylight"] - days["length"]) / 2
    ends = pd.DataFrame({"start": offset + slack, "stop": offset - slack})
    steps = []
    for at in np.flatnonzero(np.diff(path)) + 1:
        before, after = offset.iloc[max(0, at - FORTNIGHT) : at], offset.iloc[at : at + FORTNIGHT]
        jump = float(after.median() - before.median())
        moved = (ends.iloc[at : at + FORTNIGHT].median() - ends.iloc[max(0, at - FORTNIGHT) : at].median()) / jump
        if abs(jump) >= least and moved.min() >= BOTH_ENDS and min(len(before), len(after)) >= 4:
            steps.append(Step(offset.index[at], round(jump / unit) * int(unit)))
    return [step for step in steps if step.minutes]


def _best_path(misfit: np.ndarray) -> np.ndarray:
    """The level of each day; misfit: (days, levels)."""
    cost, origin = misfit[0].copy(), np.zeros(misfit.shape, dtype=int)
    stay = np.arange(misfit.shape[1])
    for day in range(1, len(misfit)):
        best = int(cost.argmin())
        jump = cost[best] + SWITCH < cost
        origin[day] = np.where(jump, best, stay)
        cost = np.where(jump, cost[best] + SWITCH, cost) + misfit[day]
    path = np.empty(len(misfit), dtype=int)
    path[-1] = int(cost.argmin())
    for day in range(len(misfit) - 1, 0, -1):
        path[day - 1] = origin[day, path[day]]
    return path


def transitions(zone: str, first: pd.Timestamp, last: pd.Timestamp) -> list[Step]:
    """Dates on which the wall clock of `zone` jumps, between two dates."""
    noon = pd.date_range(first, last, freq="D").normalize() + pd.Timedelta(hours=12)
    local = noon.tz_localize(zone)
    ahead = ((noon.tz_localize("UTC") - local) / pd.Timedelta(minutes=1)).to_numpy()
    return [Step(noon[at + 1].normalize(), int(change)) for at, change in enumerate(np.diff(ahead)) if change]


def matching_zone(
    steps: list[Step], offset: pd.Series, longitude: float, interval: float, wanted: str | None = None
) -> tuple[str, int]:
    """The zone whose daylight saving explains all steps, and the sign: 1 when the clock follows it, -1 when it was
    taken off a clock that does not; ("", 0) when none does.

    A rule matches when each step is one of its jumps and at least half of its jumps that the data can show are steps:
    in hourly data the season hides some. Whoever undoes it must look for steps again.
    interval: of the data [min]; wanted: a zone to prefer; among several, the one that explains most, then the one whose
    standard time is nearest to that of `longitude` [deg].
    """
    found = []
    for zone in dict.fromkeys(([wanted] if wanted and wanted[0] not in "+-" else []) + list(ZONES)):
        rule = transitions(zone, offset.index[0], offset.index[-1])
        shown = sum(_testable(jump, offset) for jump in rule)
        apart = abs((standard_hours(zone) - longitude / 15 + 12) % 24 - 12)
        for sign in (1, -1):
            explained = all(any(_same(jump, step, offset, sign, interval) for jump in rule) for step in steps)
            if explained and len(steps) >= shown / 2:
                found.append((zone != wanted, abs(shown - len(steps)), apart, zone, sign))
    return min(found)[3:] if found else ("", 0)


def standard_hours(zone: str) -> float:
    """Hours by which the standard time of `zone` is ahead of UTC, in 2012."""
    noons = [pd.Timestamp(f"2012-{month:02d}-15 12:00", tz=zone) for month in (1, 7)]
    return min(noon.utcoffset().total_seconds() for noon in noons) / 3600


def _testable(jump: Step, offset: pd.Series) -> bool:
    fortnight = pd.Timedelta(days=FORTNIGHT)
    before = offset[jump.day - fortnight : jump.day - pd.Timedelta(days=1)]
    return min(len(before), len(offset[jump.day : jump.day + fortnight])) >= 5


def _same(jump: Step, step: Step, offset: pd.Series, sign: int, interval: float) -> bool:
    apart = abs(offset.index.searchsorted(jump.day) - offset.index.searchsorted(step.day))
    # With long intervals a step is measured to an interval only.
    near = abs(jump.minutes - sign * step.minutes) <= (interval if interval > LEVEL else 0)
    return bool(apart <= NEAR and near)


@dataclass(frozen=True)
class Undone:
    """Stamps in true UTC; NaT where a stamp cannot be placed."""

    times: pd.DatetimeIndex
    ambiguous: np.ndarray
    nonexistent: np.ndarray


def undo_daylight_saving(stamps: pd.DatetimeIndex, zone: str) -> Undone:
    """UTC stamps that were made from the wall clock of `zone` with its standard offset alone, put right.

    The hour that autumn repeats is there once: NaT, because nothing says which of the two it was. The hour that spring
    skips cannot have been on such a clock: NaT too.
    """
    wall = stamps.tz_localize(None) + pd.Timedelta(hours=standard_hours(zone))
    placed = wall.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")
    real = wall.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
    return Undone(placed, np.asarray(real.isna()), np.asarray(placed.isna() & real.notna()))
