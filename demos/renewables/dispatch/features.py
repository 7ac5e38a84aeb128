"""What is known at the gate about tomorrow, per variable: an offset, and features that say how far from it.

A forecast is offset + features @ coefficients, and a ridge penalty pulls the coefficients to 0: what cannot be learned
yet stays at the offset. Rows of a day D run from the gate's quarter hour on D-1 to the end of D.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import INFLOW, LOAD, PV, STEPS, WIND

Array = NDArray[np.float64]
Kinds = NDArray[np.int64]
WEEK = 7
SUNDAY = 6
LEVELS = (4, STEPS, 3 * STEPS)  # quarter hours before the gate whose means tell how wind and inflow stand
SAME_WEEKDAY, SAME_CLASS = 2, 5  # latest days that a day of load is compared with


def day_kinds(first: date, count: int, holidays: Iterable[date] = ()) -> Kinds:
    """(count,) 0 to 6, Monday to Sunday, of the days from `first` on; a public holiday counts as a Sunday."""
    days = [date(first.year, first.month, first.day) + timedelta(days=number) for number in range(count)]
    off = set(holidays)
    return np.array([SUNDAY if day in off else day.weekday() for day in days], dtype=np.int64)


def make_features(actual: Array, kinds: Kinds, gate: int, window: int, first: int) -> list[tuple[Array, Array]]:
    """(offset (days, rows) [MW], features (days, rows, k)) of PV, wind, load and inflow; NaN before day `first`.

    actual: (days, 96, 4) [MW]; kinds: (days,) of `day_kinds`; gate: quarter hour of D-1, 0 to 95; window: days of a
    climatology; first: at least max(28, window) + 2.
    """
    found = {PV: _of_the_sun(actual[:, :, PV], gate, window, first), LOAD: _of_the_week(actual, kinds, gate, first)}
    found |= {variable: _of_the_level(actual[:, :, variable], gate, window, first) for variable in (WIND, INFLOW)}
    return [found[variable] for variable in (PV, WIND, LOAD, INFLOW)]


def latest_same_time(series: Array, days: int, gate: int) -> Array:
    """(days, rows) the latest value known at the gate that was measured at the same time of day."""
    found = np.full((days, 2 * STEPS - gate), np.nan)
    for day in range(3, days):
        known = (day - 1) * STEPS + gate
        at = known + np.arange(found.shape[1])
        back = np.where(at - STEPS < known, at - STEPS, at - 2 * STEPS)
        found[day] = series[back]
    return found


def _of_the_sun(power: Array, gate: int, window: int, first: int) -> tuple[Array, Array]:
    """The daily shape and how the last days stood to it; offset: the mean of all that."""
    series, (days, _), rows = power.ravel(), power.shape, 2 * STEPS - gate
    found = np.full((days, rows, 8), np.nan)
    found[:, :, 3] = latest_same_time(series, days, gate)
    for day in range(first, days):
        known = (day - 1) * STEPS + gate
        at = known + np.arange(rows)
        offset = np.where(at - STEPS < known, 0, STEPS)
        daily = series[(at - STEPS - offset)[None, :] - STEPS * np.arange(window)[:, None]]
        weekly = series[at[None, :] - WEEK * STEPS * np.arange(1, 5)[:, None]]
        shape, usual = daily.mean(axis=0), series[known - STEPS * window : known].mean()
        # The last 24 h against their own climatology, carried over the daily shape of the target.
        ratio = series[known - STEPS : known].mean() / max(usual, 1e-9) if usual > 0 else 1.0
        found[day, :, 0] = shape.mean()
        found[day, :, 1] = shape
        found[day, :, 2] = shape * ratio
        found[day, :, 4] = weekly.mean(axis=0)
        found[day, :, 5] = weekly[0]
        found[day, :, 6] = daily[:WEEK].mean(axis=0)
        found[day, :, 7] = daily[:2].mean(axis=0)
    found[:first] = np.nan
    return found.mean(axis=2), found


def _of_the_level(power: Array, gate: int, window: int, first: int) -> tuple[Array, Array]:
    """Offset: the mean of the window; features: how far the last hour, day and three days lie from it."""
    series, (days, _), rows = power.ravel(), power.shape, 2 * STEPS - gate
    offset = np.full((days, rows), np.nan)
    found = np.full((days, rows, 1 + len(LEVELS)), np.nan)
    for day in range(first, days):
        known = (day - 1) * STEPS + gate
        usual = series[known - STEPS * window : known].mean()
        offset[day] = usual
        found[day] = [1.0, *(series[known - back : known].mean() - usual for back in LEVELS)]
    return offset, found


def _of_the_week(actual: Array, kinds: Kinds, gate: int, first: int) -> tuple[Array, Array]:
    """Offset: half the latest days of the same kind, half those of the same class (workday, Saturday, Sunday);
    features: their difference, and how far off both were in the last 24 h."""
    load, rows = actual[:, :, LOAD], 2 * STEPS - gate
    classes = np.maximum(kinds, 4) - 4
    by_class = latest_alike(load, classes, SAME_CLASS, latest_alike(load, np.zeros_like(kinds), SAME_CLASS))
    by_kind = latest_alike(load, kinds, SAME_WEEKDAY, by_class)
    usual = (by_kind + by_class) / 2
    missed = (load - usual).ravel()
    found = np.full((len(load), rows, 2), np.nan)
    offset = np.full((len(load), rows), np.nan)
    for day in range(first, len(load)):
        known = (day - 1) * STEPS + gate
        offset[day] = usual[day - 1 : day + 1].ravel()[gate:]
        found[day, :, 0] = (by_kind - by_class)[day - 1 : day + 1].ravel()[gate:]
        found[day, :, 1] = missed[known - STEPS : known].mean()
    return offset, found


def latest_alike(load: Array, keys: Kinds, count: int, otherwise: Array | None = None) -> Array:
    """(days, 96) mean of the latest `count` days with the same key (days,) that had ended by the gate of each day, D-2
    the last; where there is none, `otherwise` (days, 96) or NaN."""
    found = np.full(load.shape, np.nan) if otherwise is None else otherwise.copy()
    for day in range(2, len(load)):
        alike = np.flatnonzero(keys[: day - 1] == keys[day])[-count:]
        if len(alike):
            found[day] = load[alike].mean(axis=0)
    return found
