"""Scenarios of a day, and the update of a forecast in real time: both learn from past forecast errors alone.

Scenarios keep what past error days had: PV, wind, load and inflow, and all hours of the day, err together. Each hour's
margin comes from past errors made at similar forecast levels; the ranks of the latest past error days put the margins
together (Schaake shuffle: Clark et al., Journal of Hydrometeorology 5, 2004; an empirical copula). They are then
reduced by fast forward selection (Heitsch and Römisch, Computational Optimization and Applications 24, 2003).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import LOAD, PV, STEPS, WIND
from demos.renewables.dispatch.config import DispatchForecastConfig
from demos.renewables.dispatch.forecast import Issues

Array = NDArray[np.float64]
HOURS = 24
NEAR_HOURS = 1  # errors up to this many hours away count as errors of the same hour
DARK = 0.02  # share of the most PV below which PV errors say nothing
MEMORY = (0, 1, 2, 4, 8, 16)  # quarter hours back whose errors the update looks at
FARTHEST = 64  # lags fitted [quarter hours]
RIDGE = 1e-4
SPREAD_DAYS = 60  # past days that tell how much an update leaves open


@dataclass(frozen=True)
class Scenarios:
    """values: (scenarios, 24, 4) hourly means [MW]; weights: (scenarios,), sum 1."""

    values: Array
    weights: Array

    def mean(self) -> Array:
        """(24, 4) the expected day [MW]."""
        return np.asarray(np.einsum("s,shv->hv", self.weights, self.values))


def hourly(quarters: Array) -> Array:
    """(..., 24, v) means of (..., 96, v)."""
    return np.asarray(quarters.reshape(*quarters.shape[:-2], HOURS, 4, quarters.shape[-1]).mean(axis=-2))


def net_generation(values: Array) -> Array:
    """(...) PV and wind less load [MW] of (..., 4)."""
    return np.asarray(values[..., PV] + values[..., WIND] - values[..., LOAD])


def all_scenarios(issues: Issues, day: int, config: DispatchForecastConfig) -> Scenarios:
    """As many equally likely scenarios as there are template days, at most `templates`."""
    errors = hourly(issues.errors(day))
    past = hourly(issues.day_ahead[issues.first : issues.first + len(errors), -STEPS:])
    forecast = hourly(issues.of_day(day))
    templates = errors[-config.templates :]
    count, _, variables = templates.shape
    capacity = issues.actual[: issues.first + len(errors)].max(axis=(0, 1))
    envelope = hourly(issues.envelope[day, -STEPS:, None])[:, 0]
    values = np.empty((count, HOURS, variables))
    for variable in range(variables):
        for hour in range(HOURS):
            near = slice(max(hour - NEAR_HOURS, 0), hour + NEAR_HOURS + 1)
            pool = _at_similar_level(
                errors[:, near, variable].ravel(),
                past[:, near, variable].ravel(),
                forecast[hour, variable],
                config.neighbours,
            )
            margin = np.quantile(pool, (np.arange(count) + 0.5) / count)
            margin = forecast[hour, variable] + margin.mean() + config.stretch * (margin - margin.mean())
            ranks = templates[:, hour, variable].argsort(kind="stable").argsort(kind="stable")
            top = envelope[hour] if variable == PV else capacity[variable]
            values[:, hour, variable] = np.clip(margin[ranks], 0.0, top)
    return Scenarios(values, np.full(count, 1.0 / count))


def _at_similar_level(errors: Array, levels: Array, level: float, count: int) -> Array:
    nearest = np.abs(levels - level).argsort(kind="stable")[:count]
    return np.asarray(errors[nearest])


def reduced(scenarios: Scenarios, count: int) -> Scenarios:
    """At most `count` scenarios by fast forward selection on net generation; each takes the weight of those nearest to
    it.

    The kept ones are then moved by one common step per hour and variable, so that the mean stays what it was.
    """
    if count >= len(scenarios.values):
        return scenarios
    net = net_generation(scenarios.values)
    distance = np.abs(net[:, None, :] - net[None, :, :]).sum(axis=2)
    chosen: list[int] = []
    nearest = np.full(len(net), np.inf)
    for _ in range(count):
        cost = scenarios.weights @ np.minimum(distance, nearest[:, None])
        cost[chosen] = np.inf
        chosen.append(int(cost.argmin()))
        nearest = np.minimum(nearest, distance[:, chosen[-1]])
    owner = distance[:, chosen].argmin(axis=1)
    weights: Array = np.bincount(owner, weights=scenarios.weights, minlength=count).astype(float)
    kept = Scenarios(scenarios.values[chosen], weights)
    moved = np.maximum(kept.values + scenarios.mean() - kept.mean(), 0.0)
    return Scenarios(moved, weights)


@dataclass(frozen=True)
class Update:
    """How errors just seen carry on. slopes: (lags, 4, len(MEMORY)), of the error 1, 2, ... quarter hours later;
    spread: (lags,) [MW] the standard error of net generation that is left after the update."""

    slopes: Array
    spread: Array

    def forecast(self, day_ahead: Array, envelope: Array, seen: Array, done: int) -> Array:
        """(96 - done, 4) the forecast of the rest of the day [MW].

        day_ahead: (rows, 4) from the gate on; envelope: (rows,); seen: (rows before now, 4), actual power of the same
        rows as far as they have ended; done: quarter hours of the day that have ended, 0 to 95.
        """
        now, rest = len(seen), day_ahead[len(seen) :]
        if len(rest) != STEPS - done:
            raise ValueError(f"{len(rest)} rows are left of the issue, but {STEPS - done} of the day")
        past = now - 1 - np.array(MEMORY)
        # A cloud takes its share of whatever the sun then gives, so PV errors are taken relative to the envelope.
        scale = _scales(envelope, day_ahead.shape[1])
        errors = np.divide(seen - day_ahead[:now], scale[:now], out=np.zeros_like(seen), where=scale[:now] > 0)
        # A late gate leaves fewer quarter hours than the memory reaches back: what was not forecast has no error.
        errors = np.where(past[:, None] >= 0, errors[np.maximum(past, 0)], 0.0)
        change = np.einsum("lvm,mv->lv", self.slopes[: len(rest)], errors) * scale[now:]
        updated = np.maximum(rest + change, 0.0)
        updated[:, PV] = np.minimum(updated[:, PV], np.maximum(envelope[now:], rest[:, PV]))
        return np.asarray(updated)


def _scales(envelope: Array, variables: int) -> Array:
    """(rows, variables) what errors are divided by: 1, and the envelope for PV, 0 in the dark."""
    scale = np.ones((len(envelope), variables))
    scale[:, PV] = np.where(envelope > DARK * envelope.max(), envelope, 0.0)
    return scale


def fit_updates(issues: Issues, wanted: Iterable[int]) -> dict[int, Update]:
    """The update of each day wanted, fitted on all error days before its gate: least squares, each lag alone."""
    every = issues.errors(len(issues.actual) + 1).copy()
    days, _, variables = every.shape
    for number in range(days):
        scale = _scales(issues.envelope[issues.first + number, -STEPS:], variables)
        every[number] = np.divide(every[number], scale, out=np.zeros_like(scale), where=scale > 0)
    reach, size = max(MEMORY), len(MEMORY)
    gram = np.zeros((days, FARTHEST, variables, size, size))
    moment = np.zeros((days, FARTHEST, variables, size))
    for lag in range(1, FARTHEST + 1):
        x = np.stack([every[:, reach - back : STEPS - lag - back] for back in MEMORY], axis=3)
        gram[:, lag - 1] = np.einsum("dtvm,dtvn->dvmn", x, x)
        moment[:, lag - 1] = np.einsum("dtvm,dtv->dvm", x, every[:, reach + lag :])
    gram, moment = gram.cumsum(axis=0), moment.cumsum(axis=0)
    found = {}
    for day in wanted:
        # Errors of day D-2, the last to have ended by the gate of D, are the last that D learns from.
        number = day - 2 - issues.first
        # A little ridge: neighbouring quarter hours say nearly the same.
        trace = np.einsum("...mm->...", gram[number])[..., None, None]
        ridge = (RIDGE * trace + 1e-9) * np.eye(size)
        slopes = np.zeros((STEPS, variables, size))
        slopes[:FARTHEST] = np.linalg.solve(gram[number] + ridge, moment[number][..., None])[..., 0]
        # Too few pairs within a day so far apart: what is left of the memory fades out.
        fade = 1 - np.arange(1, STEPS - FARTHEST + 1) / (STEPS - FARTHEST)
        slopes[FARTHEST:] = fade[:, None, None] * slopes[FARTHEST - 1]
        found[day] = Update(slopes, _spread(issues, every, slopes, number))
    return found


def _spread(issues: Issues, errors: Array, slopes: Array, last: int) -> Array:
    """(96,) [MW] root mean square of what the update leaves of net generation errors, over the last past days."""
    days = slice(max(last - SPREAD_DAYS + 1, 0), last + 1)
    scales = np.stack([_scales(row[-STEPS:], errors.shape[2]) for row in issues.envelope[issues.first :][days]])
    past, reach = errors[days], max(MEMORY)
    found = np.empty(STEPS)
    for lag in range(1, FARTHEST + 1):
        x = np.stack([past[:, reach - back : STEPS - lag - back] for back in MEMORY], axis=3)
        left = past[:, reach + lag :] - np.einsum("dtvm,vm->dtv", x, slopes[lag - 1])
        found[lag - 1] = np.sqrt((net_generation(left * scales[:, reach + lag :]) ** 2).mean())
    found[FARTHEST:] = found[FARTHEST - 1]
    return found
