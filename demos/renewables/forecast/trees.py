"""Gradient-boosted trees: one LightGBM model a quantile level, interpolated between levels and sorted."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.forecast.models_config import TreesConfig
from shared.evaluation.metrics import uncrossed


def quantiles(
    train: pd.DataFrame,
    target: NDArray[np.floating],
    test: pd.DataFrame,
    levels: Sequence[float],
    config: TreesConfig,
    *,
    seed: int,
) -> NDArray[np.float64]:
    """(n, q) quantiles of the rows of `test`, increasing in q.

    train, test: feature frames with equal columns, NaN where unknown; target: (n_train,); levels: q, increasing.
    Levels that are not in config.levels are interpolated, linearly in the level, from those that are.
    """
    parameters = _parameters(config, seed)
    data = lightgbm.Dataset(train, target, params=parameters, free_raw_data=False).construct()
    each = [
        lightgbm.train({**parameters, "objective": "quantile", "alpha": level}, data, config.rounds).predict(test)
        for level in config.levels
    ]
    return interpolated(uncrossed(np.column_stack(each)), config.levels, levels)


def interpolated(known: NDArray[np.floating], at: Sequence[float], levels: Sequence[float]) -> NDArray[np.float64]:
    """(n, q) quantiles at `levels` from (n, k) quantiles at levels `at`, both increasing; linear in the level, and
    held at the ends."""
    return np.apply_along_axis(lambda row: np.interp(levels, at, row), 1, known)


def mean(
    train: pd.DataFrame, target: NDArray[np.floating], test: pd.DataFrame, config: TreesConfig, *, seed: int
) -> NDArray[np.float64]:
    """(n,) conditional means of the rows of `test`, what a root mean square error asks for."""
    data = lightgbm.Dataset(train, target, params=_parameters(config, seed))
    model = lightgbm.train({**_parameters(config, seed), "objective": "l2"}, data, config.rounds)
    return np.asarray(model.predict(test), dtype=float)


def _parameters(config: TreesConfig, seed: int) -> dict[str, object]:
    return {
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.min_leaf,
        "feature_fraction": config.feature_fraction,
        "bagging_fraction": config.bagging_fraction,
        "bagging_freq": 1,
        "max_bin": 127,
        "num_threads": 1,  # tasks are fanned out over the cores instead
        "seed": seed,
        "deterministic": True,
        "verbose": -1,
    }
