"""Forecasts from a plant's own past: rows of one horizon, the learners that take them, and what they give back.

Positions count intervals of one regular grid. A forecast issued at position i knows the intervals up to and including
i, so its issue time is the end of interval i; at horizon s it is for interval i + s, so a horizon of one step is the
very next interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from demos.renewables.forecast.horizons_config import EtsConfig, IntradayConfig, NgboostConfig, WindConfig
    from demos.renewables.forecast.models_config import NetworkConfig, TreesConfig

Array = NDArray[np.float64]
LEVELS = tuple(np.round(np.arange(1, 40) / 40, 3).tolist())
# The range of levels that each stands for, up to halfway to its neighbours: weights of a mean over the distribution.
SHARES = np.diff(np.concatenate([[0.0], (np.array(LEVELS)[1:] + np.array(LEVELS)[:-1]) / 2, [1.0]]))
P10, MEDIAN, P90 = (LEVELS.index(level) for level in (0.1, 0.5, 0.9))
BLEND, ETS = "network and trees", "AutoETS"
NEAR_DAYS, FEW = 30, 20  # of a climatology: days to either side in the year, and values below which all are taken
Mapped: TypeAlias = "Callable[[str, Callable[[Any], Any], Any], list[Any]]"  # as `Run.map`


@dataclass(frozen=True)
class Prediction:
    """Forecasts of n rows, as a share of capacity: mean for squared errors, median for absolute ones, quantiles (n, 39)
    at LEVELS. Methods that give one number have it as both, and no quantiles."""

    mean: Array
    median: Array
    quantiles: Array | None = None

    def within(self, low: float, high: float) -> Prediction:
        """The same, with all values moved into [low, high]."""
        quantiles = None if self.quantiles is None else self.quantiles.clip(low, high)
        return Prediction(self.mean.clip(low, high), self.median.clip(low, high), quantiles)

    def then(self, certain: Array) -> Prediction:
        """The same, followed by rows whose value is taken as certain."""
        quantiles = None
        if self.quantiles is not None:
            quantiles = np.vstack([self.quantiles, np.repeat(certain[:, None], len(LEVELS), axis=1)])
        return Prediction(np.append(self.mean, certain), np.append(self.median, certain), quantiles)


def point(values: Array) -> Prediction:
    """A method that gives one number for each row."""
    return Prediction(values, values)


def normal(mean: Array, spread: Array) -> Prediction:
    """Normal distributions of mean (n,) and standard deviation (n,)."""
    return Prediction(mean, mean, mean[:, None] + spread[:, None] * norm.ppf(LEVELS))


def blend(first: Prediction, second: Prediction) -> Prediction:
    """Averaged number by number and level by level (Vincentization): increasing quantiles stay so."""
    assert first.quantiles is not None
    assert second.quantiles is not None
    quantiles = (first.quantiles + second.quantiles) / 2
    return Prediction((first.mean + second.mean) / 2, (first.median + second.median) / 2, quantiles)


@dataclass(frozen=True)
class Split:
    """The test: issue times from `start`, valid times up to `end`; everything before `start` may be learned from."""

    start: pd.Timestamp
    end: pd.Timestamp


@dataclass(frozen=True)
class Rows:
    """All rows of one horizon, to learn from and to test on, in the order of time.

    horizon: a label, "60 min"; steps: intervals ahead; issue: (n,) position of the last known interval; features:
    (n, f), NaN where unknown; target: (n,) share of capacity, NaN where unknown; anchor: (n,) a simple forecast whose
    error is learned; scale: (n,) what a network's output is multiplied by; train, test: (n,), never both.
    """

    horizon: str
    steps: int
    issue: NDArray[np.int64]
    features: pd.DataFrame
    target: Array
    anchor: Array
    scale: Array
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]

    @property
    def valid(self) -> NDArray[np.int64]:
        """(n,) position of the interval that is forecast."""
        return self.issue + self.steps


class Learning(NamedTuple):
    """One learner on the rows of one horizon: all that a worker needs."""

    learner: str
    rows: Rows
    settings: Any
    seed: int
    device: str = "cpu"


def learn(job: Learning) -> Prediction:
    """Fit on rows.train and predict rows.test. Learned is the error of rows.anchor, never a test row."""
    rows = job.rows
    train, test = rows.features[rows.train], rows.features[rows.test]
    error, anchor = (rows.target - rows.anchor)[rows.train], rows.anchor[rows.test]
    if job.learner == "LightGBM":
        return _shifted(_trees(train, error, test, job.settings, job.seed), anchor)
    if job.learner == "NGBoost, normal":
        return _shifted(_ngboost(train, error, test, job.settings, job.seed), anchor)
    return _shifted(_network(rows, error, job.settings, job.seed, job.device), anchor)


def _shifted(prediction: Prediction, anchor: Array) -> Prediction:
    assert prediction.quantiles is not None
    return Prediction(prediction.mean + anchor, prediction.median + anchor, prediction.quantiles + anchor[:, None])


def _trees(train: pd.DataFrame, error: Array, test: pd.DataFrame, config: TreesConfig, seed: int) -> Prediction:
    from demos.renewables.forecast import trees

    quantiles = trees.quantiles(train, error, test, LEVELS, config, seed=seed)
    return Prediction(trees.mean(train, error, test, config, seed=seed), quantiles[:, MEDIAN], quantiles)


def _ngboost(train: pd.DataFrame, error: Array, test: pd.DataFrame, config: NgboostConfig, seed: int) -> Prediction:
    from demos.renewables.forecast import ngboost_peer

    return normal(*ngboost_peer.normals(train, error, test, config, seed=seed))


def _network(rows: Rows, error: Array, config: NetworkConfig, seed: int, device: str) -> Prediction:
    from demos.renewables.forecast import network

    features = rows.features.to_numpy(dtype=np.float32)
    trained = network.fit(features[rows.train], error, rows.scale[rows.train], LEVELS, config, seed=seed, device=device)
    quantiles = trained.quantiles(features[rows.test], rows.scale[rows.test])
    return Prediction(quantiles @ SHARES, quantiles[:, MEDIAN], quantiles)


@dataclass(frozen=True)
class EtsJob:
    """AutoETS over one series without gaps, for the rows of all horizons: all that a worker needs.

    values: (m,); for each horizon: origins (n,) position in `values` of the last known one, steps (n,) values ahead,
    scales (n,) what a value is multiplied by to be a share of capacity.
    """

    values: Array
    origins: list[NDArray[np.int64]]
    steps: list[NDArray[np.int64]]
    scales: list[Array]
    settings: EtsConfig


def smooth(job: EtsJob) -> list[Prediction]:
    """Normal distributions of each horizon's rows."""
    from demos.renewables.forecast import ets

    found = ets.rolling(job.values, job.origins, job.steps, job.settings)
    return [normal(mean * scale, spread * scale) for (mean, spread), scale in zip(found, job.scales, strict=True)]


def work(job: Learning | EtsJob) -> list[Prediction]:
    """One job of the fan-out: the forecasts of one horizon, or of all."""
    return smooth(job) if isinstance(job, EtsJob) else [learn(job)]


def train_all(
    label: str,
    every: list[Rows],
    config: IntradayConfig | WindConfig,
    ets: EtsJob | None,
    seed: int,
    device: str,
    mapped: Mapped,
    extra: dict[str, list[Learning]] | None = None,
) -> list[dict[str, Prediction]]:
    """name -> forecast for each horizon's rows, all jobs fanned out at once.

    ets: the job of AutoETS, or None; extra: further jobs by name, one a horizon each, or none.
    """
    settings = {"LightGBM": config.trees, "torch network": config.network, "NGBoost, normal": config.ngboost}
    by_name: dict[str, list[Learning]] = {
        name: [Learning(name, rows, settings[name], seed, device) for rows in every]
        for name in config.learners
        if name in settings
    }
    by_name |= extra or {}
    jobs: list[Learning | EtsJob] = [job for some in by_name.values() for job in some]
    names = [name for name, some in by_name.items() for _ in some]
    if ets is not None:
        jobs, names = [*jobs, ets], [*names, *[ETS] * len(every)]
    found = [one for several in mapped(label, work, jobs) for one in several]
    learned: list[dict[str, Prediction]] = [{} for _ in every]
    for number, (name, one) in enumerate(zip(names, found, strict=True)):
        learned[number % len(every)][name] = one
    return learned


def blended(learned: dict[str, Prediction]) -> dict[str, Prediction]:
    """The same, led by network and trees averaged where both are there."""
    if {"LightGBM", "torch network"} <= set(learned):
        return {BLEND: blend(learned["LightGBM"], learned["torch network"]), **learned}
    return learned


def shift(values: Array, steps: int) -> Array:
    """What was known `steps` intervals before (steps from 0); NaN before the start."""
    if steps < 0:
        raise ValueError("a shift into the future is a leak")
    moved = np.full(len(values), np.nan)
    if steps < len(values):
        moved[steps:] = values[: len(values) - steps]
    return moved


def rolling(values: Array, steps: int, measure: str = "mean", least: int = 1) -> Array:
    """A statistic ("mean", "std", "min", "max") of the last `steps` intervals, the present one included; unknown ones
    are left out, NaN where fewer than `least` are known."""
    if measure == "std":
        steps, least = max(steps, 2), max(least, 2)
    window = pd.Series(values).rolling(steps, min_periods=least)
    return np.asarray(getattr(window, measure)(), dtype=float)


def in_season(values: Array, days: NDArray[np.integer], day: int) -> Array:
    """Those of `values` (n,) whose day of the year (n,) is within NEAR_DAYS of `day`; all where those are below FEW."""
    near = np.abs((days - day + 183) % 366 - 183) <= NEAR_DAYS
    return values[near] if near.sum() >= FEW else values


def ahead(values: Array, issue: NDArray[np.int64], steps: int) -> Array:
    """values[issue + steps], NaN outside the series: for what is known in advance (the sun), and for targets."""
    at = issue + steps
    inside = (at >= 0) & (at < len(values))
    return np.where(inside, values[at.clip(0, len(values) - 1)], np.nan)
