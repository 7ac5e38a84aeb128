"""As-of forecasts from the profiles' own past: day-ahead at gate closure, and their update in real time.

No weather forecast of 2016 comes with the data, so everything here is statistical, and its errors, of wind above all,
are larger than those of a desk with numerical weather prediction. An issue for day D is made at `gate` o'clock UTC of
D-1 and covers the rest of D-1 and all of D; everything it uses, coefficients included, had ended by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import PV, STEPS
from demos.renewables.dispatch.config import DispatchForecastConfig
from demos.renewables.dispatch.features import WEEK, Kinds, latest_same_time, make_features

Array = NDArray[np.float64]
BLOCK = 8  # quarter hours that share coefficients
MIN_TRAINING = 14  # [days] before the first forecast


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


def make_issues(actual: Array, kinds: Kinds, config: DispatchForecastConfig) -> Issues:
    """Forecasts of every day from `first_issue` on. actual: (days, 96, 4) [MW]; kinds: (days,) of `day_kinds`."""
    gate = config.gate * 4
    rows = 2 * STEPS - gate
    days, _, variables = actual.shape
    flat = actual.reshape(days * STEPS, variables)
    target = np.full((days, rows, variables), np.nan)
    for day in range(1, days):
        target[day] = flat[(day - 1) * STEPS + gate : (day + 1) * STEPS]
    first = first_issue(config) - MIN_TRAINING
    forecast = np.full_like(target, np.nan)
    for variable, known in enumerate(make_features(actual, kinds, gate, config.climatology_days, first)):
        forecast[:, :, variable] = _regressed(*known, target[:, :, variable], first, config.ridge)
    envelope = _envelope(actual[:, :, PV], gate, config.climatology_days)
    forecast = np.maximum(forecast, 0.0)
    forecast[:, :, PV] = np.minimum(forecast[:, :, PV], envelope)
    persistence = np.stack([latest_same_time(flat[:, v], days, gate) for v in range(variables)], axis=2)
    return Issues(actual, forecast, persistence, envelope, gate, first_issue(config))


def _regressed(offset: Array, features: Array, target: Array, first: int, ridge: float) -> Array:
    """(days, rows) offset and ridge regression of what is left, refitted for each day on all targets that had ended by
    its gate, per block of rows."""
    days, rows, count = features.shape
    found = np.full((days, rows), np.nan)
    # Day D-1 ends after the gate, so D-2 is the last to learn from, scales included.
    start = slice(first, first + MIN_TRAINING - 1)
    unit = _size((target - offset)[start], axis=None)
    x_all, y_all = features / _size(features[start], axis=(0, 1)), (target - offset) / unit
    penalty = ridge * BLOCK * np.eye(count)
    for top in range(0, rows, BLOCK):
        block = slice(top, min(top + BLOCK, rows))
        x, y = x_all[:, block], y_all[:, block]
        gram = np.zeros((days, count, count))
        moment = np.zeros((days, count))
        for day in range(first, days):
            gram[day] = x[day].T @ x[day]
            moment[day] = x[day].T @ y[day]
        gram, moment = gram.cumsum(axis=0), moment.cumsum(axis=0)
        for day in range(first + MIN_TRAINING, days):
            beta = np.linalg.solve(gram[day - 2] + penalty, moment[day - 2])
            found[day, block] = offset[day, block] + x[day] @ beta * unit
    return found


def _size(values: Array, axis: int | tuple[int, ...] | None) -> Array:
    """Root mean square, 1 where all is 0: it makes one ridge penalty fit all features."""
    size = np.sqrt((values**2).mean(axis=axis))
    return np.asarray(np.where(size > 0, size, 1.0))


def _envelope(pv: Array, gate: int, window: int) -> Array:
    """(days, rows) most PV at each time of day over the window of days known at the gate [MW]."""
    days = len(pv)
    found = np.full((days, 2 * STEPS - gate), np.nan)
    for day in range(window + 2, days):
        most = pv[day - 1 - window : day - 1].max(axis=0)
        found[day] = np.concatenate([most[gate:], most])
    return found
