"""The clock and the place of a series held against the sun: daylight saving undone, everything else refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from demos.renewables.site.clock import Step, clock_steps, matching_zone, undo_daylight_saving, usable
from demos.renewables.site.finding import Finding, refuse, when
from demos.renewables.site.place import check_place
from demos.renewables.site.sun import days_of, elevation

T = TypeVar("T", pd.Series, pd.DataFrame)
DARK_SHARE = 0.005  # share of all energy that may come while the sun is down


@dataclass(frozen=True)
class Declared:
    """What the user says about a table: place [deg], what stamps mark, their zone, and what errors call it."""

    latitude: float
    longitude: float
    interval_label: str = "left"
    timezone: str | None = None
    mend_offset: bool = False
    source: str = "power"

    def to_middle(self, step: pd.Timedelta) -> pd.Timedelta:
        """From a stamp to the middle of its interval."""
        return {"left": step / 2, "center": pd.Timedelta(0), "right": -step / 2}[self.interval_label]


@dataclass(frozen=True)
class Clock:
    """How a clock is put right: the daylight saving of `zone` undone ("" for none), then `minutes` off all stamps."""

    zone: str = ""
    minutes: int = 0

    def mended(self, table: T) -> T:
        """The table, of a regular UTC grid, on one of the same step with its stamps put right."""
        if self.zone:
            known, times = _placed(table.index, self.zone)
            grid = pd.date_range(times[0], times[-1], freq=table.index[1] - table.index[0], name="time")
            table = table[known].set_axis(times).reindex(grid)
        return table.set_axis(table.index - pd.Timedelta(minutes=self.minutes)) if self.minutes else table


def check_clock(series: pd.Series, declared: Declared) -> tuple[pd.Series, list[Finding]]:
    """The series with its clock and place held against the sun; also for irradiance. Raises Refusal.

    series: regular UTC grid, any unit, not negative; the result has the same step.
    """
    clock, findings = find_clock(series, declared)
    return clock.mended(series), findings


def find_clock(series: pd.Series, declared: Declared) -> tuple[Clock, list[Finding]]:
    """What puts the clock of a series right, and what was found; otherwise as `check_clock`."""
    step = series.index[1] - series.index[0]
    middle, interval = declared.to_middle(step), step / pd.Timedelta(minutes=1)
    here = (declared.latitude, declared.longitude)
    findings: list[Finding] = []
    undone = Clock()
    days = days_of(series, *here, middle)
    steps = clock_steps(usable(days), interval)
    if steps:
        zone, sign = matching_zone(steps, usable(days)["offset"], declared.longitude, interval, declared.timezone)
        if sign != 1:
            _refuse_steps(steps, zone, declared.source)
        findings.append(_daylight_saving(series.index, zone, steps))
        undone = Clock(zone)
        series = undone.mended(series)
        days = days_of(series, *here, middle)
        if left := clock_steps(usable(days), interval):
            _refuse_steps(left, "", declared.source)
    minutes, more = check_place(days, usable(days), *here, declared.mend_offset, declared.source)
    if len(days):
        _refuse_dark(Clock(minutes=minutes).mended(series), declared, middle)
    return Clock(undone.zone, minutes), findings + more


def _refuse_steps(steps: list[Step], zone: str, source: str) -> None:
    listed = ", ".join(map(str, steps[:6])) + (", …" if len(steps) > 6 else "")
    if zone:
        refuse(
            source,
            "clock keeps standard time",
            f"the stamps were read with the daylight saving of {zone}, but the sun shows a clock without it"
            f" (steps {listed}); set timezone to a fixed offset, such as site.timezone=+01:00",
            len(steps),
            f"{steps[0].day:%Y-%m-%d}",
        )
    refuse(
        source,
        "clock steps",
        f"the clock jumps against the sun on {listed}, which no daylight saving rule explains; correct the stamps, or"
        " set timezone to the zone whose daylight saving it follows, such as site.timezone=Europe/Berlin",
        len(steps),
        f"{steps[0].day:%Y-%m-%d}",
    )


def _placed(index: pd.DatetimeIndex, zone: str) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """(which stamps can be placed, where they belong)."""
    times = undo_daylight_saving(index, zone).times
    known = np.asarray(times.notna())
    return known, times[known]


def _daylight_saving(index: pd.DatetimeIndex, zone: str, steps: list[Step]) -> Finding:
    undone = undo_daylight_saving(index, zone)
    text = (
        f"the clock follows the daylight saving of {zone} although its stamps do not (steps against the sun:"
        f" {', '.join(map(str, steps))}); undone at the dates of the rule. Stamps of the hour that autumn repeats,"
        f" there once, left empty: {int(undone.ambiguous.sum())}; of the hour that spring skips, left out:"
        f" {int(undone.nonexistent.sum())}"
    )
    first = f"{steps[0].day:%Y-%m-%d}"
    return Finding("daylight saving", text, "mended", len(steps), first)


def _refuse_dark(series: pd.Series, declared: Declared, middle: pd.Timedelta) -> None:
    """Power that comes while the sun is well below the horizon for the whole interval."""
    half = (series.index[1] - series.index[0]) / 2
    ends = [elevation(series.index + middle + shift, declared.latitude, declared.longitude) for shift in (-half, half)]
    dark = pd.Series(np.maximum(*ends) < -1, index=series.index)
    total = float(series.sum())
    share = float(series[dark].sum()) / total if total > 0 else 0.0
    if share > DARK_SHARE:
        at = when(series.where(dark).idxmax())
        text = f"{share:.1%} of the energy comes while the sun is down, most at {at}; check clock, place and column"
        refuse(declared.source, "power in the dark", text, int(dark.sum()), at)
