"""Numbers of many days: means and shares with intervals from a bootstrap of blocks of days, and what the forecasts are
worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import LOAD, PV, STEPS, WIND
from demos.renewables.dispatch.days import DayInputs
from demos.renewables.dispatch.policies import DayResult
from demos.renewables.dispatch.scenarios import hourly, net_generation
from shared.evaluation.intervals import bootstrap
from shared.evaluation.metrics import coverage
from shared.result import Interval
from shared.seed import generator

Array = NDArray[np.float64]
RESAMPLES = 4000
NOTHING = 0.01  # [EUR] sums up to this are solvers' rounding


def costs(results: Sequence[DayResult], policy: str) -> Array:
    """(days,) [EUR]."""
    return np.array([result.outcomes[policy].cost for result in results])


def energies(results: Sequence[DayResult], policy: str, name: str) -> float:
    """Mean energy of an Outcome's field [MWh/day]."""
    return float(np.mean([getattr(result.outcomes[policy], name) for result in results]))


def block_sums(values: Array, block: int) -> Array:
    """(blocks, k) sums of (days, k) over blocks of consecutive days; the last may be short, and there are 2 at
    least."""
    size = max(1, min(block, len(values) // 2))
    return np.array([values[at : at + size].sum(axis=0) for at in range(0, len(values), size)])


def mean_with_interval(values: Array, block: int, seed: int) -> tuple[float, Interval | None]:
    """Mean of (days,) and its interval; days within a block stay together, for weather lasts."""
    return ratio_with_interval(values, np.ones(len(values)), block, seed)


def ratio_with_interval(above: Array, below: Array, block: int, seed: int) -> tuple[float, Interval | None]:
    """sum(above) / sum(below) of (days,) each and its interval; None with a single day.

    A share of nothing, or of less than nothing (a fleet that earns instead of paying), is NaN, and an interval in whose
    resamples that happens is None.
    """
    both = np.column_stack([above, below])
    ratio = _quotient(both)
    if len(above) < 2 or np.isnan(ratio):
        return ratio, None
    size = max(1, min(block, len(above) // 2))
    unit = f"blocks of {size} days"
    found = bootstrap(block_sums(both, block), _quotient, seed=seed, resamples=RESAMPLES, unit=unit)
    return ratio, found if np.isfinite([found.low, found.high]).all() else None


def _quotient(rows: Array) -> float:
    above, below = rows.sum(axis=0)
    return float(above / below) if below > NOTHING else float("nan")


def forecast_errors(inputs: Sequence[DayInputs]) -> dict[str, Array]:
    """Root mean square errors [MW] of (PV, wind, load, net generation), quarter-hour means of the test days."""
    actual = np.stack([day.actual[-STEPS:] for day in inputs])
    found = {}
    for name, values in {
        "day-ahead (regression on the past)": np.stack([day.day_ahead[-STEPS:] for day in inputs]),
        "persistence": np.stack([day.persistence for day in inputs]),
        "one hour ahead, updated": np.stack([_hour_ahead(day) for day in inputs]),
    }.items():
        error = values - actual
        columns = [error[..., PV], error[..., WIND], error[..., LOAD], net_generation(error)]
        found[name] = np.array([np.sqrt((column**2).mean()) for column in columns])
    return found


def _hour_ahead(day: DayInputs, ahead: int = 4) -> Array:
    """(96, 4) the forecast that the controller had an hour before the end of each quarter hour [MW]."""
    rows = len(day.actual) - STEPS
    found = np.array(day.day_ahead[-STEPS:])
    for step in range(STEPS - ahead + 1):
        rest = day.update.forecast(day.day_ahead, day.envelope, day.actual[: rows + step], step)
        found[step + ahead - 1] = rest[ahead - 1]
    return found


def scenario_coverage(inputs: Sequence[DayInputs], seed: int) -> dict[str, tuple[float, float]]:
    """Share of test days' net generation inside P10 to P90: (of single hours, of whole days); 0.8 is right for both.

    Beside our shuffle, the same margins put together at random: each hour is as good, whole days are not.
    """
    found = {}
    for name, shuffled in (("Schaake shuffle (ours)", False), ("hours and plants independent", True)):
        hours, days = [], []
        for day in inputs:
            values = day.every.values
            if shuffled:
                values = generator(seed, "independent", f"{day.start:%Y-%m-%d}").permuted(values, axis=0)
            net, actual = net_generation(values), net_generation(hourly(day.actual[-STEPS:]))
            low, high = np.quantile(net, [0.1, 0.9], axis=0)
            hours.append(coverage(actual, low, high))
            low, high = np.quantile(net.sum(axis=1), [0.1, 0.9])
            days.append(coverage([actual.sum()], [low], [high]))
        found[name] = (float(np.mean(hours)), float(np.mean(days)))
    return found
