"""Bootstrap confidence intervals over the right unit: days, queries, users, seeds.

All intervals are percentile bootstrap intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13),
not bias-corrected ones: with fewer than about 20 units they are somewhat too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.result import Interval
from shared.seed import generator

Statistic = Callable[[NDArray[np.float64]], float]
BLOCK = 1_000_000  # numbers drawn at a time: bounds the memory


def bootstrap(
    values_by_unit: ArrayLike,
    statistic: Statistic | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    unit: str = "units",
) -> Interval:
    """The percentile interval of a statistic when units are drawn again with replacement.

    values_by_unit: (n,) numbers, or (n, k) with one row per unit; n at least 2, all finite.
    statistic: of the resampled rows; the mean of (n,) values when left out, which is much faster.
    level: between 0 and 1; resamples: at least 100. unit: plural name of what is resampled, for the label.
    Raises ValueError outside these ranges.

    >>> interval = bootstrap([1.0, 2.0, 3.0, 4.0], unit="days")
    >>> interval.low < 2.5 < interval.high, interval.unit
    (True, '4 days, percentile bootstrap')
    """
    values = _checked(values_by_unit, level, resamples)
    rows = _indices(len(values), resamples, seed)
    if statistic is None:
        if values.ndim != 1:
            raise ValueError("without a statistic, values must be one number per unit")
        draws = np.concatenate([values[block].mean(axis=1) for block in rows])
    else:
        draws = np.array([statistic(values[row]) for block in rows for row in block])
    return _interval(draws, level, f"{len(values)} {unit}, percentile bootstrap")


def paired_ratio(
    ours: ArrayLike,
    peer: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    unit: str = "units",
) -> Interval:
    """The interval of sum(ours) / sum(peer) when units, with both their numbers, are drawn together.

    ours, peer: (n,) one number per unit in the same order, such as cost per day; every resampled sum of the peer must
    differ from 0. Raises ValueError otherwise.

    >>> interval = paired_ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], unit="days")
    >>> round(interval.low, 9), round(interval.high, 9)
    (0.5, 0.5)
    """
    sums = _paired_sums(ours, peer, level, resamples, seed)
    if np.any(sums[:, 1] == 0):
        raise ValueError("the peer sums to zero in a resample; give the difference instead of the ratio")
    return _interval(sums[:, 0] / sums[:, 1], level, f"{len(np.asarray(ours))} {unit}, paired bootstrap")


def paired_difference(
    ours: ArrayLike,
    peer: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    unit: str = "units",
) -> Interval:
    """The interval of mean(ours - peer) when units, with both their numbers, are drawn together.

    ours, peer: (n,) one number per unit in the same order. Raises ValueError when they do not match.
    """
    count = len(np.asarray(ours))
    sums = _paired_sums(ours, peer, level, resamples, seed)
    return _interval((sums[:, 0] - sums[:, 1]) / count, level, f"{count} {unit}, paired bootstrap")


def crossed(
    parts: Sequence[ArrayLike],
    *,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
    units: str = "units",
    items: str = "items",
) -> Interval:
    """The interval of the mean of the parts' means where every unit meets every item, and both are drawn again: models
    that were trained again and again, all tested on the same texts (Owen, The pigeonhole bootstrap, 2007). It is
    somewhat wider than it had to be.

    parts: one (n, m) array each, of scenes for instance, with the same n units in the same order, at least 2, and m
    items of its own, at least 2; all finite. units, items: plural names, for the label. Raises ValueError otherwise.

    >>> right = [[1, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 0]]
    >>> interval = crossed([right], units="seeds", items="texts")
    >>> interval.low < 8 / 12 < interval.high, interval.unit
    (True, '3 seeds and 4 texts, crossed bootstrap')
    """
    arrays = [_checked(part, level, resamples) for part in parts]
    counts = {len(array) for array in arrays}
    if len(counts) != 1 or any(array.ndim != 2 or array.shape[1] < 2 for array in arrays):
        raise ValueError("parts must be (n, m) with the same n units and at least 2 items each")
    (count,) = counts
    widths = [array.shape[1] for array in arrays]
    random = generator(seed, "crossed")
    size = max(1, BLOCK // max(widths))
    draws = []
    for at in range(0, resamples, size):
        block = min(size, resamples - at)
        drawn = random.multinomial(count, np.full(count, 1 / count), block) / count
        means = np.zeros(block)
        for array, width in zip(arrays, widths, strict=True):
            weights = random.multinomial(width, np.full(width, 1 / width), block) / width
            means += ((drawn @ array) * weights).sum(axis=1)
        draws.append(means / len(arrays))
    return _interval(np.concatenate(draws), level, f"{count} {units} and {sum(widths):,} {items}, crossed bootstrap")


def _paired_sums(ours: ArrayLike, peer: ArrayLike, level: float, resamples: int, seed: int) -> NDArray[np.float64]:
    first, second = np.asarray(ours, dtype=float), np.asarray(peer, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"ours {first.shape} and peer {second.shape} must be one number per unit each")
    pairs = _checked(np.column_stack([first, second]), level, resamples)
    return np.concatenate([pairs[block].sum(axis=1) for block in _indices(len(pairs), resamples, seed)])


def _checked(values: ArrayLike, level: float, resamples: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim == 0 or len(array) < 2:
        raise ValueError("a bootstrap needs at least 2 units")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    if resamples < 100:
        raise ValueError(f"resamples must be at least 100, got {resamples}")
    return array


def _indices(count: int, resamples: int, seed: int) -> Sequence[NDArray[np.int64]]:
    random = generator(seed, "bootstrap")
    size = max(1, BLOCK // count)
    return [random.integers(0, count, (min(size, resamples - at), count)) for at in range(0, resamples, size)]


def _interval(draws: NDArray[np.float64], level: float, unit: str) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, unit=unit)
