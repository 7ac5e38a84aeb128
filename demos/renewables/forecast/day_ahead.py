"""The day-ahead part: each method trained for each task on what came before it, and judged on the task's month."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.forecast import gefcom, network, trees
from demos.renewables.forecast.gefcom import LEVELS
from demos.renewables.forecast.peers import boosted_normal, climatology, dressed_physics
from shared.evaluation.metrics import uncrossed

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from demos.renewables.forecast.config import DayAheadConfig
    from shared.demo import Run

NETWORK, TREES, BOTH = "torch network", "LightGBM", "network and trees"
NORMAL, PHYSICS, CLIMATE = "NGBoost, normal", "pvlib physics, dressed", "climatology"


@dataclass(frozen=True)
class TaskJob:
    """One task; a job is small so that it travels to a worker, which opens the data itself."""

    task: int
    config: DayAheadConfig
    seed: int
    device: str


@dataclass(frozen=True)
class DayAhead:
    """All tasks' test rows in one frame, and each method's quantiles of power: name -> (n, 99), 0 to 1.

    cpu_seconds: what training and forecasting took, by method, summed over tasks.
    """

    rows: pd.DataFrame
    quantiles: dict[str, NDArray[np.float64]]
    cpu_seconds: dict[str, float] = field(default_factory=dict)


def forecast_tasks(config: RenewablesConfig, run: Run) -> DayAhead:
    """Every task of the config, fanned out."""
    settings = config.forecast.day_ahead
    jobs = [TaskJob(task, settings, config.seed, config.device) for task in settings.tasks]
    parts = run.map("day-ahead PV: training and forecasting months", forecast_task, jobs)
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    return DayAhead(
        rows,
        {name: np.vstack([part.quantiles[name] for part in parts]) for name in parts[0].quantiles},
        {name: sum(part.cpu_seconds[name] for part in parts) for name in parts[0].cpu_seconds},
    )


def forecast_task(job: TaskJob) -> DayAhead:
    """Train on all rows issued before the task's month; forecast the rows issued in it."""
    train, test = split(_rows(), job.task)
    light, bright = train[train["ghi_clear"] > 0], (test["ghi_clear"] > 0).to_numpy()
    if job.config.train_days:
        light = light[light["issue_time"] >= light["issue_time"].max() - pd.Timedelta(days=job.config.train_days)]
    found, spent = {}, {}
    for name, forecast in METHODS.items():
        if name in job.config.methods or (BOTH in job.config.methods and name in (NETWORK, TREES)):
            found[name] = np.zeros((len(test), len(LEVELS)))  # at night the sun gives nothing
            start = time.process_time()
            found[name][bright] = uncrossed(forecast(light, test[bright], job)).clip(0, 1)
            spent[name] = time.process_time() - start
    if BOTH in job.config.methods:
        weight = job.config.network_weight
        found[BOTH] = weight * found[NETWORK] + (1 - weight) * found[TREES]
        spent[BOTH] = spent[NETWORK] + spent[TREES]
    return DayAhead(
        test[["site", "issue_time", "valid_time", "power", "daylight", "ghi_clear"]].assign(task=job.task),
        {name: found[name] for name in job.config.methods},
        {name: spent[name] for name in job.config.methods},
    )


def split(rows: pd.DataFrame, task: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows issued before the task's month, rows issued in it); the power of the second is never trained on.

    The last hour of a day's issue is stamped 00:00 of the next day, so a split by issue keeps whole issues together.
    """
    start, end = gefcom.task_start(task), gefcom.task_start(task + 1)
    return rows[rows["issue_time"] < start], rows[(rows["issue_time"] >= start) & (rows["issue_time"] < end)]


@lru_cache(maxsize=1)
def _rows() -> pd.DataFrame:
    return gefcom.load_rows()


def _network(train: pd.DataFrame, test: pd.DataFrame, job: TaskJob) -> NDArray[np.float64]:
    names = gefcom.feature_names(train)
    nets = network.fit(
        train[names].to_numpy(),
        train["power"].to_numpy(),
        train["scale"].to_numpy(),
        job.config.network_levels,
        job.config.network,
        seed=job.seed,
        device=job.device,
    )
    known = nets.quantiles(test[names].to_numpy(), test["scale"].to_numpy())
    return trees.interpolated(known, job.config.network_levels, LEVELS)


def _trees(train: pd.DataFrame, test: pd.DataFrame, job: TaskJob) -> NDArray[np.float64]:
    names = gefcom.feature_names(train)
    return trees.quantiles(
        train[names], train["power"].to_numpy(), test[names], LEVELS, job.config.trees, seed=job.seed
    )


def _normal(train: pd.DataFrame, test: pd.DataFrame, job: TaskJob) -> NDArray[np.float64]:
    names = gefcom.feature_names(train)
    return boosted_normal(train, test, names, job.config.normal, seed=job.seed)


def _physics(train: pd.DataFrame, test: pd.DataFrame, job: TaskJob) -> NDArray[np.float64]:
    return dressed_physics(train, test)


def _climatology(train: pd.DataFrame, test: pd.DataFrame, job: TaskJob) -> NDArray[np.float64]:
    return climatology(train, test)


METHODS = {
    NETWORK: _network,
    TREES: _trees,
    NORMAL: _normal,
    PHYSICS: _physics,
    CLIMATE: _climatology,
}
