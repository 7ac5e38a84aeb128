"""Peers for PV: the quality filters of pvanalytics, and an IsolationForest that sees the expected power too."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pvanalytics.features import clipping
from pvanalytics.quality import gaps, outliers

from demos.renewables.faults.events import Event
from demos.renewables.faults.forest import Forest, fit_forest
from demos.renewables.faults.peers import Chosen, Filter, choose, run_length
from demos.renewables.faults.replay import PvRecord, TurbineRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAR, LOW_SUN = 0.93, 15.0
DAY_CLEAR, STEADY = 0.95, 0.03  # of a sample for the daily ratio: clear-sky index; step of the log ratio before it


def pvanalytics_filters(training: PvRecord, events: Sequence[Event], budget: float) -> Chosen:
    """stale_values_diff, interpolation_diff, clipping.geometric, and Tukey's rule on the daily performance ratio."""
    usual = daily_ratio(training).dropna()
    filters = [
        Filter("daily outlier", (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0), partial(_tukey, usual)),
        Filter("stale", (3, 4, 6), _stale),
        Filter("interpolated", (4, 6), _interpolated),
        Filter("clipping", (0.2, 0.1, 0.05, 0.02, 0.01), _clipped),
    ]
    return choose("pvanalytics filters", "batch: they see the whole window", filters, [training], events, budget)


def _local(record: PvRecord | TurbineRecord) -> pd.DatetimeIndex:
    assert isinstance(record, PvRecord)
    return pd.DatetimeIndex(pd.to_datetime(record.seconds + record.longitude * 240.0, unit="s"))


def _series(record: PvRecord | TurbineRecord) -> pd.Series:
    assert isinstance(record, PvRecord)
    return pd.Series(record.power, index=_local(record))


def _day(record: PvRecord | TurbineRecord) -> NDArray[np.bool_]:
    assert isinstance(record, PvRecord)
    return np.asarray(record.expected > 0.1 * record.nameplate)


def _stale(record: PvRecord | TurbineRecord, window: float) -> NDArray[np.bool_]:
    return _by_day(record, gaps.stale_values_diff, int(window))


def _interpolated(record: PvRecord | TurbineRecord, window: float) -> NDArray[np.bool_]:
    return _by_day(record, gaps.interpolation_diff, int(window))


def _by_day(record: PvRecord | TurbineRecord, quality: Any, window: int) -> NDArray[np.bool_]:
    """A filter of consecutive values on daytime alone: nights are stale by nature."""
    day = _day(record)
    found = np.zeros(len(day), dtype=bool)
    if day.sum() > window:
        found[day] = quality(_series(record)[day], window=window).to_numpy(bool)
    return found


def _clipped(record: PvRecord | TurbineRecord, slope_max: float) -> NDArray[np.bool_]:
    assert isinstance(record, PvRecord)
    step = pd.Timedelta(minutes=record.minutes)
    index = _local(record)[0].floor(step) + pd.to_timedelta(record.seconds - record.seconds[0], unit="s")
    # Rows that are missing are gaps, else all that follows would be at another time of day.
    power = pd.Series(record.power, index=index).asfreq(step)
    with warnings.catch_warnings():
        # Its own pandas calls warn about what newer pandas will do.
        warnings.simplefilter("ignore")
        flags = clipping.geometric(power, slope_max=slope_max, freq=f"{record.minutes:g}min")
    return np.asarray(flags.reindex(index, fill_value=False).to_numpy(bool) & _day(record))


def daily_ratio(record: PvRecord) -> pd.Series:
    """Performance ratio of each solar day, NaN with fewer than six samples: the median over clear and steady ones.

    The samples are picked as our own detector picks them: of several ways tried on training time the best for the peer.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = record.power / np.maximum(record.expected, 1.0)
        step = np.r_[np.inf, np.abs(np.diff(np.log(np.maximum(ratio, 1e-6))))]
    clear = (record.clear_index >= DAY_CLEAR) & (record.elevation >= LOW_SUN) & (step <= STEADY)
    frame = pd.DataFrame({"day": _local(record).floor("D"), "ratio": ratio})[clear]
    days = frame.groupby("day")
    return days.ratio.median().where(days.size() >= 6)


def _tukey(usual: pd.Series, record: PvRecord | TurbineRecord, k: float) -> NDArray[np.bool_]:
    assert isinstance(record, PvRecord)
    ratio = daily_ratio(record).dropna()
    together = pd.concat([usual.reset_index(drop=True), ratio.reset_index(drop=True)], ignore_index=True)
    wrong = outliers.tukey(together, k=k).to_numpy(bool)[len(usual) :]
    days = _local(record).floor("D")
    # A day can be judged when it is over: its last sample carries the flag.
    last = np.r_[days[1:] != days[:-1], True]
    return np.asarray(last & days.isin(ratio.index[wrong]))


def pv_forest(training: PvRecord, events: Sequence[Event], budget: float, trees: int, seed: int) -> Forest:
    """scikit-learn's IsolationForest on causal features, threshold tuned on the last part of training."""
    return fit_forest("IsolationForest", [training], pv_features, events, budget, trees, seed)


def pv_features(record: PvRecord | TurbineRecord) -> NDArray[np.float64]:
    """(n, 9) causal features; a row with NaN (night, gap) is not judged."""
    assert isinstance(record, PvRecord)
    size = record.nameplate
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(np.clip(record.power / np.maximum(record.expected, 1.0), 0.02, 4.0))
    clear = (record.clear_index >= CLEAR) & (record.elevation >= LOW_SUN) & np.isfinite(ratio)
    bright = pd.Series(ratio[clear])
    slow = np.full((len(ratio), 2), np.nan)
    for column, window in enumerate((12, 60)):
        slow[clear, column] = bright.rolling(window, min_periods=4).median().to_numpy()
    slow = pd.DataFrame(slow).ffill().fillna(0.0).to_numpy()
    table = np.column_stack(
        [
            record.power / size,
            record.expected / size,
            ratio,
            np.minimum(run_length(record.power), 10),
            np.r_[0.0, np.abs(np.diff(record.power))] / size,
            record.clear_index,
            record.elevation / 90,
            slow,
        ]
    )
    table[~_day(record)] = np.nan
    return table
