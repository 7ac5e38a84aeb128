"""The learning engine: quantiles of departure delay, by LightGBM and, as its peer, by climatology."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import lightgbm
import numpy as np
import pandas as pd

from demos.stands.learning.states import minutes_since_1970
from demos.stands.units import MINUTES_PER_DAY
from shared.errors import UserError
from shared.evaluation.metrics import uncrossed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import DaysConfig, DelayConfig


@dataclass(frozen=True)
class Split:
    """Row masks by day of scheduled departure; cancelled departures have no delay and are in none of them."""

    train: NDArray[np.bool_]
    calibrate: NDArray[np.bool_]
    test: NDArray[np.bool_]


def delays(departures: pd.DataFrame) -> NDArray[np.float64]:
    """(n,) minutes from scheduled to actual off-block; NaN for a cancelled departure."""
    return ((departures["atd"] - departures["std"]) / pd.Timedelta(minutes=1)).to_numpy(np.float64)


def split_by_time(departures: pd.DataFrame, days: DaysConfig) -> Split:
    """Train, then calibrate, then test. A departure that left after a boundary was not known at it and is left out."""
    std, atd = departures["std"], departures["atd"]
    first, second = pd.Timestamp(days.calibrate_from), pd.Timestamp(days.test_from)
    # T-24 h forecasts for the first test day are made a day before it.
    margin = pd.Timedelta(days=1)
    train = (std < first) & (atd < first)
    calibrate = (std >= first) & (atd < second - margin)
    return Split(train.to_numpy(), calibrate.to_numpy(), ((std >= second) & atd.notna()).to_numpy())


def require_past(split: Split) -> None:
    """Raise UserError when there is too little to learn from or to calibrate on."""
    for name, rows in (("training", split.train), ("calibration", split.calibrate)):
        if rows.sum() < 1000:
            raise UserError(
                f"only {rows.sum()} {name} departures with an actual time, at least 1000 are needed;"
                " see days.calibrate_from and days.test_from, or give more past departures"
            )


@dataclass(frozen=True)
class DelayModel:
    """One booster per quantile level."""

    levels: tuple[float, ...]
    boosters: tuple[lightgbm.Booster, ...]

    def predict(self, values: pd.DataFrame) -> NDArray[np.float64]:
        """(n, k) quantiles of delay [min], not crossing."""
        return uncrossed(np.column_stack([booster.predict(values) for booster in self.boosters]))


def fit(
    values: pd.DataFrame, delay: NDArray[np.float64], train: NDArray[np.bool_], config: DelayConfig, seed: int
) -> DelayModel:
    """Learn each quantile on the rows of `train`. values: (n, p) features; delay: (n,) minutes."""
    data = lightgbm.Dataset(values[train], delay[train], free_raw_data=False)
    parameters = {
        "objective": "quantile",
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.min_leaf,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "cat_smooth": 50,
        "seed": seed,
        "num_threads": config.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    boosters = tuple(
        lightgbm.train({**parameters, "alpha": level}, data, num_boost_round=config.rounds) for level in config.levels
    )
    return DelayModel(config.levels, boosters)


def shift_to_fit(
    quantiles: NDArray[np.float64], delay: NDArray[np.float64], past: NDArray[np.bool_], levels: tuple[float, ...]
) -> NDArray[np.float64]:
    """(k,) minutes to add to each level so that it has its nominal share among the `past` rows (split conformal)."""
    residual = delay[past, None] - quantiles[past]
    return np.array([np.quantile(residual[:, k], level) for k, level in enumerate(levels)])


def recalibrate(
    quantiles: NDArray[np.float64],
    departures: pd.DataFrame,
    decided_at: NDArray[np.int64],
    levels: tuple[float, ...],
    days: int,
    since: date,
) -> NDArray[np.float64]:
    """(n, k) quantiles, each day's shifted to fit the last `days` days; rows scheduled before `since` stay as they are.

    For each day the past ends at the earliest decision of that day, so nothing later is used.
    """
    result, delay = quantiles.copy(), delays(departures)
    std = minutes_since_1970(departures["std"])
    # A cancelled departure has no delay and is never part of the past: it "leaves" at the end of time.
    atd = minutes_since_1970(departures["atd"])
    day = std // MINUTES_PER_DAY
    first = int(minutes_since_1970(pd.Series([pd.Timestamp(since)]))[0]) // MINUTES_PER_DAY
    for today in np.unique(day[day >= first]):
        rows = day == today
        now = decided_at[rows].min()
        past = (std >= now - days * MINUTES_PER_DAY) & (atd < now)
        if past.any():
            result[rows] = uncrossed(quantiles[rows] + shift_to_fit(quantiles, delay, past, levels))
    return result


def climatology(
    departures: pd.DataFrame, delay: NDArray[np.float64], train: NDArray[np.bool_], levels: tuple[float, ...]
) -> NDArray[np.float64]:
    """(n, k) quantiles by airport, airline and hour of day over the training months; by airport where it is thin."""
    keys = pd.DataFrame(
        {"origin": departures["origin"], "carrier": departures["carrier"], "hour": departures["std"].dt.hour}
    )
    known = keys[train].assign(delay=delay[train])
    result = np.tile(np.quantile(delay[train], levels), (len(departures), 1))
    for by in (["origin"], ["origin", "hour"], ["origin", "carrier", "hour"]):
        groups = known.groupby(by)["delay"]
        table = groups.quantile(list(levels)).unstack()[groups.size() >= 50]
        found = table.reindex(pd.MultiIndex.from_frame(keys[by]) if len(by) > 1 else keys[by[0]]).to_numpy()
        good = ~np.isnan(found).any(axis=1)
        result[good] = found[good]
    return result
