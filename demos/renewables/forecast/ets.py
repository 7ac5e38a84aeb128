"""AutoETS (statsforecast), rolling: parameters are chosen now and then, the state follows every value.

The error is additive (power is often zero, where a multiplicative one is undefined); the trend, none, additive or
damped, is chosen by AICc each time. No season: the series is taken of its day before, or has hardly one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from demos.renewables.forecast.horizons_config import EtsConfig

Array = NDArray[np.float64]
MODEL = "AZN"
LEVEL, WIDTH = 80, 1.2815515655446004  # a central 80 % interval of a normal reaches that many standard deviations


def rolling(
    values: Array, origins: Sequence[NDArray[np.int64]], steps: Sequence[NDArray[np.int64]], config: EtsConfig
) -> list[tuple[Array, Array]]:
    """(mean, standard deviation) of forecasts from many origins, each from the values up to its origin alone.

    values: (m,) finite; origins: one array a horizon, (n,) position of the last known value, at least config.window;
    steps: equally, (n,) values ahead, from 1. Raises ValueError outside these ranges.
    """
    from statsforecast.ets import forecast_ets, forward_ets
    from statsforecast.models import AutoETS

    if not np.isfinite(values).all():
        raise ValueError("values must be finite")
    if any(len(one) and (one.min() < config.window or one.max() >= len(values)) for one in origins):
        raise ValueError(f"each origin needs {config.window} values before it, and must lie inside the series")
    if any(len(one) and one.min() < 1 for one in steps):
        raise ValueError("steps count from 1")
    found = [(np.empty(len(one)), np.empty(len(one))) for one in origins]
    if not any(len(one) for one in origins):
        return found
    every = np.concatenate(
        [
            np.column_stack([origin, ahead, np.full(len(origin), number), np.arange(len(origin))])
            for number, (origin, ahead) in enumerate(zip(origins, steps, strict=True))
        ]
    )
    every = every[np.argsort(every[:, 0], kind="stable")]
    for start in range(every[0, 0], every[-1, 0] + 1, config.refit_every):
        end = min(start + config.refit_every, len(values))
        past = start - config.window
        fitted = AutoETS(season_length=1, model=MODEL).fit(values[past : start + 1]).model_
        states = forward_ets(fitted, y=values[past:end])["states"]
        inside = every[(every[:, 0] >= start) & (every[:, 0] < end)]
        # One call for all rows of an origin.
        for rows in np.split(inside, np.flatnonzero(np.diff(inside[:, 0])) + 1):
            if len(rows):
                # Row t + 1 of the states is the one after value t; sigma stays the one of the fit.
                here = {**fitted, "states": states[: rows[0, 0] - past + 2]}
                mean, spread = _normals(forecast_ets(here, h=int(rows[:, 1].max()), level=[LEVEL]))
                for _, ahead, number, row in rows:
                    found[number][0][row], found[number][1][row] = mean[ahead - 1], spread[ahead - 1]
    return found


def _normals(forecast: dict[str, Any]) -> tuple[Array, Array]:
    """(mean, standard deviation) at 1, 2 ... steps ahead."""
    return forecast["mean"], (forecast[f"hi-{LEVEL}"] - forecast["mean"]) / WIDTH
