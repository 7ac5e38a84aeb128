"""Peers for wind: OpenOA's published filters, written again from their documentation, and an IsolationForest.

OpenOA wants scikit-learn below 1.7 and pandas below 3, so it cannot be installed beside this demo.
Source of the definitions: https://openoa.readthedocs.io, openoa.utils.filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.renewables.faults.events import Event
from demos.renewables.faults.forest import Forest, fit_forest
from demos.renewables.faults.peers import Chosen, Filter, choose, run_length
from demos.renewables.faults.replay import PvRecord, TurbineRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

BIN_WIDTH = 100.0  # kW, as in OpenOA's own example


def openoa_filters(training: Sequence[TurbineRecord], events: Sequence[Event], budget: float) -> Chosen:
    """range_flag, unresponsive_flag, window_range_flag and bin_filter set as in OpenOA's example, or wider."""
    centres = {record.name: bin_centres(record) for record in training}
    filters = [
        Filter("range", (0.0,), _range),
        Filter("unresponsive: power", (3, 4, 6, 9), partial(_unresponsive, "power")),
        Filter("unresponsive: wind speed", (3, 4, 6, 9, 36), partial(_unresponsive, "wind_speed")),
        Filter("unresponsive: direction", (3, 4, 6, 9), partial(_unresponsive, "wind_direction")),
        Filter("unresponsive: temperature", (3, 6, 12, 18, 36), partial(_unresponsive, "temp_air")),
        Filter("window range", (5.0, 6.0, 7.0, 8.0, 10.0), _window_range),
        Filter("bin", (1.5, 2.0, 2.5, 3.0, 4.0, 5.0), partial(_bin, centres)),
    ]
    note = "batch; written again from OpenOA's documentation"
    return choose("OpenOA filters (re-implemented)", note, filters, training, events, budget)


def _turbine(record: PvRecord | TurbineRecord) -> TurbineRecord:
    assert isinstance(record, TurbineRecord)
    return record


def _range(record: PvRecord | TurbineRecord, _: float) -> NDArray[np.bool_]:
    turbine = _turbine(record)
    outside = (turbine.wind_speed < 0) | (turbine.wind_speed > 40)
    outside |= (turbine.temp_air < -40) | (turbine.temp_air > 60)
    return np.asarray(outside | (turbine.power > 1.1 * turbine.rated))


def _unresponsive(channel: str, record: PvRecord | TurbineRecord, threshold: float) -> NDArray[np.bool_]:
    return unresponsive(getattr(_turbine(record), channel), int(threshold))


def _bin(
    centres: dict[str, NDArray[np.float64]], record: PvRecord | TurbineRecord, threshold: float
) -> NDArray[np.bool_]:
    return bin_filter(_turbine(record), threshold, centres)


def unresponsive(values: NDArray[np.float64], threshold: int) -> NDArray[np.bool_]:
    """unresponsive_flag: samples in a row of `threshold` or more equal values, the whole row."""
    length = run_length(values, 0.0)
    ends = np.flatnonzero(length >= threshold - 1)
    found = np.zeros(len(values), dtype=bool)
    for back in range(threshold):
        found[ends - back] = True
    return found


def _window_range(record: PvRecord | TurbineRecord, start: float) -> NDArray[np.bool_]:
    turbine = _turbine(record)
    inside = (turbine.wind_speed >= start) & (turbine.wind_speed <= 40)
    return np.asarray(inside & ((turbine.power < 20) | (turbine.power > 1.1 * turbine.rated)))


def bin_centres(record: TurbineRecord) -> NDArray[np.float64]:
    """Median wind speed of each bin of power, between 1 % and 95 % of rated, NaN in an empty one."""
    number = np.floor(record.power / BIN_WIDTH)
    return np.array(
        [
            float(np.nanmedian(record.wind_speed[number == at])) if (number == at).any() else np.nan
            for at in range(int(0.95 * record.rated / BIN_WIDTH) + 1)
        ]
    )


def bin_filter(record: TurbineRecord, threshold: float, centres: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """bin_filter: wind speed further than `threshold` m/s from the median of its bin of power."""
    known = centres[record.name]
    inside = (record.power >= 0.01 * record.rated) & (record.power < 0.95 * record.rated)
    number = np.where(inside, np.floor(record.power / BIN_WIDTH), 0).astype(int)
    away = np.abs(record.wind_speed - known[np.minimum(number, len(known) - 1)])
    return np.asarray(inside & (away > threshold))


def wind_forest(
    training: Sequence[TurbineRecord], events: Sequence[Event], budget: float, trees: int, seed: int
) -> Forest:
    """scikit-learn's IsolationForest on causal features of all turbines together."""
    return fit_forest("IsolationForest", training, wind_features, events, budget, trees, seed)


def wind_features(record: PvRecord | TurbineRecord) -> NDArray[np.float64]:
    """(n, 12) causal features; a row with NaN is not judged."""
    turbine = _turbine(record)
    rated = turbine.rated
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(np.clip(turbine.wind_speed / turbine.neighbour_speed, 0.3, 3.0))
    calm = ~(turbine.neighbour_speed > 4)
    log[calm] = 0.0
    slow = pd.Series(np.where(calm, np.nan, log)).rolling(432, min_periods=24).median().fillna(0.0).to_numpy()
    lengths = [
        np.minimum(run_length(np.where(np.abs(values) < floor, np.nan, values), 0.0), 20)
        for values, floor in (
            (turbine.power, 0.02 * rated),
            (turbine.wind_speed, 0.5),
            (turbine.wind_direction, 0.0),
            (turbine.temp_air, 0.0),
        )
    ]
    return np.column_stack(
        [
            turbine.power / rated,
            turbine.by_own / rated,
            turbine.by_neighbours / rated,
            (turbine.power - turbine.by_own) / rated,
            (turbine.power - turbine.by_neighbours) / rated,
            log,
            slow,
            turbine.temp_air - turbine.neighbour_temp,
            *lengths,
        ]
    )
