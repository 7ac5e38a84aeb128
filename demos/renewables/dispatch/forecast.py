"""As-of forecasts from the profiles' own past: day-ahead at gate closure, and their update in real time.

No weather forecast of 2016 comes with the data, so everything here is statistical, and its errors, of wind above all,
are larger than those of a desk with numerical weather prediction. An issue for day D is made at `gate` o'clock UTC of
D-1 and covers the rest of D-1 and all of D; everything it uses, coefficients included, had ended by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import INFLOW, LOAD, PV, STEPS, WIND
from demos.renewables.dispatch.config import DispatchForecastConfig

Array = NDArray[np.float64]
BLOCK = 8  # quarter hours that share coefficients
WEEK = 7
MIN_TRAINING = 14  # [days] before the first forecast
DIURNAL = (PV, LOAD)


@dataclass(frozen=True)
class Issues:
    """All issues. Row 0 of an issue is the gate's quarter hour on D-1, the last 96 rows are day D.

    day_ahead, persistence: (days, rows, 4) [MW], NaN for days without enough past; envelope: (days, rows) [MW], the
    most that PV gave at this time of day in the last weeks before the gate; gate: quarter hour of D-1 (0 to 95).
    """

    actual: Array
    day_ahead: Array
    persistence: Array
    envelope: Array
    gate: int
    first: int

    def of_day(self, day: int) -> Array:
        """(96, 4) day-ahead forecast of day D [MW]."""
        return np.asarray(self.day_ahead[day, -STEPS:])

    def errors(self, before: int) -> Array:
        """(days, 96, 4) actual less day-ahead forecast [MW] of the days from `first` that had ended by the gate of day
        number `before`; the last one is before - 2."""
        days = slice(self.first, max(before - 1, self.first))
        return np.asarray(self.actual[days] - self.day_ahead[days, -STEPS:])


def first_issue(config: DispatchForecastConfig) -> int:
    """The number of the first day that can be forecast at all, from 0."""
    return max(4 * WEEK, config.climatology_days) + 2 + MIN_TRAINING


def make_issues(actual: Array, config: DispatchForecastConfig) -> Issues:
    """Forecasts of every day from `first_issue` on. actual: (days, 96, 4) [MW]."""
    gate = config.gate * 4
    rows = 2 * STEPS - gate
    days = len(actual)
    flat = actual.reshape(days * STEPS, -1)
    names = [_features(flat, variable, days, gate, config.climatology_days) for variable in range(flat.shape[1])]
    target = np.full((days, rows, flat.shape[1]), np.nan)
    for day in range(1, days):
        target[day] = flat[(day - 1) * STEPS + gate : (day + 1) * STEPS]
    first = first_issue(config) - MIN_TRAINING
    forecast = np.full_like(target, np.nan)
    for variable, features in enumerate(names):
        forecast[:, :, variable] = _regressed(features, target[:, :, variable], first, config)
    envelope = _envelope(actual[:, :, PV], gate, config.climatology_days)
    forecast = np.maximum(forecast, 0.0)
    forecast[:, :, PV] = np.minimum(forecast[:, :, PV], envelope)
    persistence = np.stack([_latest_same_time(flat[:, v], days, gate) for v in range(flat.shape[1])], axis=2)
    return Issues(actual, forecast, persistence, envelope, gate, first_issue(config))


def _latest_same_time(series: Array, days: int, gate: int) -> Array:
    """(days, rows) the latest value known at the gate that was measured at the same time of day."""
    found = np.full((days, 2 * STEPS - gate), np.nan)
    for day in range(3, days):
        known = (day - 1) * STEPS + gate
        at = known + np.arange(found.shape[1])
        back = np.where(at - STEPS < known, at - STEPS, at - 2 * STEPS)
        found[day] = series[back]
    return found


def _features(flat: Array, variable: int, days: int, gate: int, window: int) -> Array:
    """(days, rows, features) of one variable, all known at the gate."""
    series, rows = flat[:, variable], 2 * STEPS - gate
    found = np.full((days, rows, 8), np.nan)
    same = _latest_same_time(series, days, gate)
    for day in range(max(4 * WEEK, window) + 2, days):
        known = (day - 1) * STEPS + gate
        at = known + np.arange(rows)
        offset = np.where(at - STEPS < known, 0, STEPS)
        daily = series[(at - STEPS - offset)[None, :] - STEPS * np.arange(window)[:, None]]
        weekly = series[at[None, :] - WEEK * STEPS * np.arange(1, 5)[:, None]]
        shape = daily.mean(axis=0)
        last_hour, last_day = series[known - 4 : known].mean(), series[known - STEPS : known].mean()
        shape_now = series[known - STEPS * window : known].reshape(window, STEPS).mean(axis=0)
        ratio = 1.0
        if variable in DIURNAL and shape_now.sum() > 0:
            # The last 24 h against their own climatology, carried over the daily shape of the target.
            ratio = last_day / max(shape_now.mean(), 1e-9)
        found[day, :, 0] = 1.0 if variable not in DIURNAL else shape.mean()
        found[day, :, 1] = shape
        found[day, :, 2] = shape * ratio if variable in DIURNAL else last_hour
        found[day, :, 3] = same[day]
        found[day, :, 4] = weekly.mean(axis=0)
        found[day, :, 5] = weekly[0]
        found[day, :, 6] = series[known - 4 * 6 : known].mean() if variable in (WIND, INFLOW) else daily[:7].mean(0)
        found[day, :, 7] = last_day if variable in (WIND, INFLOW) else daily[:2].mean(axis=0)
    return found


def _regressed(features: Array, target: Array, first: int, config: DispatchForecastConfig) -> Array:
    """(days, rows) ridge regression, refitted for each day on all targets that had ended by its gate, per block of
    rows."""
    days, rows, count = features.shape
    found = np.full((days, rows), np.nan)
    scale = float(np.nanmean(target[1:first])) or 1.0
    for start in range(0, rows, BLOCK):
        block = slice(start, min(start + BLOCK, rows))
        x, y = features[:, block] / scale, target[:, block] / scale
        gram = np.zeros((days, count, count))
        moment = np.zeros((days, count))
        for day in range(first, days):
            gram[day] = x[day].T @ x[day]
            moment[day] = x[day].T @ y[day]
        gram, moment = gram.cumsum(axis=0), moment.cumsum(axis=0)
        for day in range(first + MIN_TRAINING, days):
            # Day D-1 ends after the gate, so D-2 is the last to learn from.
            prior = np.full(count, 1.0 / count)
            weights = config.ridge * BLOCK * np.eye(count)
            beta = np.linalg.solve(gram[day - 2] + weights, moment[day - 2] + weights @ prior)
            found[day, block] = x[day] @ beta * scale
    return found


def _envelope(pv: Array, gate: int, window: int) -> Array:
    """(days, rows) most PV at each time of day over the window of days known at the gate [MW]."""
    days = len(pv)
    found = np.full((days, 2 * STEPS - gate), np.nan)
    for day in range(window + 2, days):
        most = pv[day - 1 - window : day - 1].max(axis=0)
        found[day] = np.concatenate([most[gate:], most])
    return found
