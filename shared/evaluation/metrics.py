"""Metrics of probabilistic forecasts given as quantiles. Arrays: y (n,), predictions (n, q), levels (q,)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pinball_loss(y: ArrayLike, quantile_predictions: ArrayLike, levels: ArrayLike) -> float:
    """Mean pinball (quantile) loss over all samples and levels, in the unit of y; lower is better.

    y: (n,); quantile_predictions: (n, q); levels: (q,), each strictly between 0 and 1. Raises ValueError otherwise.
    Source: Koenker and Bassett, Regression Quantiles, Econometrica 46 (1978).

    >>> pinball_loss([10.0], [[8.0]], [0.9])
    1.8
    """
    return float(pinball_losses(y, quantile_predictions, levels).mean())


def pinball_losses(y: ArrayLike, quantile_predictions: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """(n, q) pinball loss of each sample at each level, in the unit of y. Arguments as for `pinball_loss`."""
    return _pinball(*_checked(y, quantile_predictions, levels))


def pinball_loss_by_level(y: ArrayLike, quantile_predictions: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """(q,) mean pinball loss of each level, in the unit of y."""
    return np.asarray(pinball_losses(y, quantile_predictions, levels).mean(axis=0))


def crps_from_quantiles(y: ArrayLike, quantile_predictions: ArrayLike, levels: ArrayLike) -> float:
    """Continuous ranked probability score, in the unit of y: twice the pinball loss, integrated over the level.

    The integral is taken over [0, 1] by the midpoint rule: each level stands for the range up to halfway to its
    neighbours. So it is an approximation; with levels 0.05 to 0.95 in steps of 0.1 the weights are equal.
    Source: Gneiting and Ranjan, Comparing density forecasts, JBES 29 (2011).

    >>> crps_from_quantiles([1.0], [[1.0, 1.0, 1.0]], [0.25, 0.5, 0.75])
    0.0
    """
    y_n, predictions_nq, levels_q = _checked(y, quantile_predictions, levels)
    order = np.argsort(levels_q)
    edges = np.concatenate([[0.0], (levels_q[order][1:] + levels_q[order][:-1]) / 2, [1.0]])
    losses = _pinball(y_n, predictions_nq[:, order], levels_q[order]).mean(axis=0)
    return float(2 * (losses * np.diff(edges)).sum())


def coverage(y: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of y inside [low, high], from 0 to 1. All (n,). Raises ValueError when the shapes differ.

    >>> coverage([1.0, 2.0, 3.0, 4.0], [0.0] * 4, [2.5] * 4)
    0.5
    """
    y_n, low_n, high_n = (np.asarray(values, dtype=float) for values in (y, low, high))
    if not y_n.shape == low_n.shape == high_n.shape or y_n.size == 0:
        raise ValueError(f"y {y_n.shape}, low {low_n.shape}, high {high_n.shape} must be of one shape, not empty")
    return float(np.mean((low_n <= y_n) & (y_n <= high_n)))


def reliability(y: ArrayLike, quantile_predictions: ArrayLike, levels: ArrayLike) -> NDArray[np.float64]:
    """(q,) share of y at or below each predicted quantile; a calibrated forecast gives the levels back.

    >>> reliability([1.0, 2.0, 3.0, 4.0], [[2.0, 3.0]] * 4, [0.5, 0.75]).tolist()
    [0.5, 0.75]
    """
    y_n, predictions_nq, _ = _checked(y, quantile_predictions, levels)
    return np.asarray((y_n[:, None] <= predictions_nq).mean(axis=0))


def uncrossed(quantile_predictions: ArrayLike) -> NDArray[np.float64]:
    """(n, q) predictions sorted within each row, so that a higher level never predicts less; levels ascending.

    Sorting never raises the pinball loss: Chernozhukov, Fernández-Val and Galichon, Econometrica 78 (2010).

    >>> uncrossed([[1.0, 3.0, 2.0]]).tolist()
    [[1.0, 2.0, 3.0]]
    """
    return np.sort(np.asarray(quantile_predictions, dtype=float), axis=-1)


def _pinball(
    y: NDArray[np.float64], predictions: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    error = y[:, None] - predictions
    return np.maximum(levels * error, (levels - 1) * error)


def _checked(
    y: ArrayLike, quantile_predictions: ArrayLike, levels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    y_n = np.asarray(y, dtype=float)
    predictions_nq = np.asarray(quantile_predictions, dtype=float)
    levels_q = np.asarray(levels, dtype=float)
    if y_n.ndim != 1 or y_n.size == 0 or predictions_nq.shape != (y_n.size, levels_q.size):
        raise ValueError(
            f"expected y (n,), predictions (n, q), levels (q,); "
            f"got {y_n.shape}, {predictions_nq.shape}, {levels_q.shape}"
        )
    if levels_q.size == 0 or levels_q.min() <= 0 or levels_q.max() >= 1:
        raise ValueError("levels must lie strictly between 0 and 1")
    return y_n, predictions_nq, levels_q
