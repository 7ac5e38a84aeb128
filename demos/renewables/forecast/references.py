"""What intraday PV forecasts are held against: persistence, clear sky, climatology, and the best mixture of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.forecast.lagged import (
    FEW,
    LEVELS,
    MEDIAN,
    NEAR_DAYS,
    Array,
    Prediction,
    Rows,
    in_season,
    point,
)
from demos.renewables.forecast.plant import Plant, latest

if TYPE_CHECKING:
    from demos.renewables.forecast.horizons_config import IntradayConfig

PERSISTENCE = "persistence"
REFERENCE = "clear-sky persistence"
MIXED = "persistence and climatology mixed"
LEAST_ROWS = 200  # of a horizon, to learn from and to test on
FOLDS = 5  # of whole weeks, in which the mixture is chosen


def lit_rows(
    plant: Plant, issue: NDArray[np.int64], valid: NDArray[np.int64], config: IntradayConfig
) -> NDArray[np.bool_]:
    """(n,) daylight: the sun is above config.daylight at issue and at valid time."""
    return np.minimum(plant.elevation[issue], plant.elevation[valid]) > config.daylight


def references(plant: Plant, rows: Rows, config: IntradayConfig) -> dict[str, Prediction]:
    """What needs no learning machine, for the rows of the test."""
    train, test, valid = rows.train, rows.test, rows.valid
    clear, climatology = plant.clear[valid], _climatology(plant, valid[train], valid[test])
    lit = lit_rows(plant, rows.issue, valid, config)
    return {
        PERSISTENCE: point(plant.power[rows.issue[test]]),
        REFERENCE: point(rows.anchor[test]),
        "clear-sky persistence, plain": point(latest(plant.index, 1, plant.per_day)[rows.issue[test]] * clear[test]),
        "climatology": climatology,
        MIXED: point(_mixed(plant, rows, lit, climatology.mean)),
        "pvlib clear sky alone": point(clear[test]),
    }


def _mixed(plant: Plant, rows: Rows, lit: NDArray[np.bool_], climatology: Array) -> Array:
    """(test rows,) persistence, climatology and clear sky, those of them and with those weights that do best in weeks
    left out of the training; lit rows and the others each have their own, as an evening says less about a morning.

    climatology: of the test rows, from all training rows; that of a training row is made without its fold of weeks, as
    with its own value in it it would be trusted too much (stacking: Wolpert 1992).
    """
    valid, fold = rows.valid, plant.day[rows.valid] // 7 % FOLDS
    usual = np.zeros(len(valid))
    usual[rows.test] = climatology
    for one in np.unique(fold[rows.train]):
        out, rest = rows.train & (fold == one), rows.train & (fold != one)
        usual[out] = _usual(plant, valid[rest if rest.any() else out], valid[out])
    clear, held = plant.clear[valid], rows.anchor
    mixes = [np.column_stack(parts) for parts in ((held, usual), (held, clear), (held, usual, clear))]
    found = np.zeros(len(valid))
    for group in (lit, ~lit):
        # A group that training hardly has is told by the rows of both.
        train = rows.train & group if (rows.train & group).sum() >= LEAST_ROWS else rows.train
        best = min(mixes, key=lambda mix: _left_out(mix, rows.target, train, fold))
        found[group] = best[group] @ _weights(best, rows.target, train)
    return found[rows.test]


def _left_out(mix: Array, target: Array, train: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    """Sum of squared errors over training rows whose fold the weights have not seen."""
    total = 0.0
    for one in np.unique(fold[train]):
        out = train & (fold == one)
        weights = _weights(mix, target, train & (fold != one))
        total += float(((mix[out] @ weights - target[out]) ** 2).sum())
    return total


def _weights(mix: Array, target: Array, chosen: NDArray[np.bool_]) -> Array:
    return np.asarray(np.linalg.lstsq(mix[chosen], target[chosen], rcond=None)[0])


def _seasons(plant: Plant) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """((T,) solar hour, (T,) day of the year, 0 to 365)."""
    day = np.round(plant.season / (2 * np.pi) * 365.25).astype(int) % 366
    return np.floor(plant.hour).astype(int), day


def _usual(plant: Plant, train: NDArray[np.int64], test: NDArray[np.int64]) -> Array:
    """The mean of `_climatology` for the rows of `test`, by sums over hours and days of the year."""
    train = train[np.isfinite(plant.index[train])]
    (hour, day), k = _seasons(plant), plant.index[train]
    sums, counts = np.zeros((24, 366)), np.zeros((24, 366))
    np.add.at(sums, (hour[train], day[train]), k)
    np.add.at(counts, (hour[train], day[train]), 1.0)
    unseen = counts.sum(1) == 0
    sums[unseen], counts[unseen] = sums.sum(0), counts.sum(0)
    apart = (np.subtract.outer(np.arange(366), np.arange(366)) + 183) % 366 - 183
    near = (np.abs(apart) <= NEAR_DAYS).astype(float)
    total, number = sums @ near, counts @ near
    few = number < FEW
    total = np.where(few, sums.sum(1, keepdims=True), total)
    number = np.where(few, counts.sum(1, keepdims=True), number)
    mean = total / np.maximum(number, 1.0)
    return np.asarray(mean[hour[test], day[test]] * plant.clear[test])


def _climatology(plant: Plant, train: NDArray[np.int64], test: NDArray[np.int64]) -> Prediction:
    """k of the training time at this solar hour, in season (lagged.in_season), times clear-sky power; of an hour never
    seen, those of all hours."""
    k, (hour, day) = plant.index, _seasons(plant)
    mean = _usual(plant, train, test)
    train = train[np.isfinite(k[train])]
    quantiles = np.ones((len(test), len(LEVELS)))
    past = {one: (k[train[hour[train] == one]], day[train[hour[train] == one]]) for one in np.unique(hour[train])}
    groups = pd.DataFrame({"hour": hour[test], "day": day[test]}).groupby(["hour", "day"]).indices
    for (one, date), at in groups.items():
        values, days = past.get(one, (k[train], day[train]))
        quantiles[at] = np.quantile(in_season(values, days, date), LEVELS)
    clear = plant.clear[test]
    return Prediction(mean, quantiles[:, MEDIAN] * clear, quantiles * clear[:, None])
