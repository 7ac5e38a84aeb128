"""A line of means over seeds, with their 95 % intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shared.evaluation.intervals import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


def line(axes: Axes, places: Sequence[float], series: Sequence[Sequence[float]], **look: Any) -> None:
    """series: at each of `places`, one number of each seed."""
    means = [float(np.mean(values)) for values in series]
    bounds = [bootstrap(values, unit="seeds") for values in series]
    below = [mean - bound.low for mean, bound in zip(means, bounds, strict=True)]
    above = [bound.high - mean for mean, bound in zip(means, bounds, strict=True)]
    axes.errorbar(places, means, yerr=[below, above], marker="o", capsize=2, **{"markersize": 4, **look})
