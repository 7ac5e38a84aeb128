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
from demos.renewables.forecast.config import OURS
from demos.renewables.forecast.gefcom import LEVELS
from demos.renewables.forecast.peers import boosted_normal, climatology, dressed_physics
from shared.evaluation.metrics import uncrossed

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from demos.renewables.forecast.config import DayAheadConfig
    from shared.demo import Run

BOTH, NETWORK, TREES = OURS
NORMAL, PHYSICS, CLIMATE = "NGBoost, normal", "pvlib physics, dressed", "climatology"


@dataclass(frozen=True)
class TaskJob:
    """One task by some methods; a job is small so that it travels to a worker, which opens the data itself."""

    task: int
    methods: tuple[str, ...]
    config: DayAheadConfig
    seed: int
    device: str


@dataclass(frozen=True)
class DayAhead:
    """All tasks' test rows in one frame, and each method's quantiles of power: name -> (n, 99), 0 to 1.

    cpu_seconds: what training and forecasting took, by method, summed over tasks; wall_seconds: from the first job of
    what is judged to its last, with the start of workers and the reading of data, no peer in between.
    """

    rows: pd.DataFrame
    quantiles: dict[str, NDArray[np.float64]]
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    wall_seconds: float = 0.0

    @property
    def ours(self) -> str:
        """The method that is judged: the first of OURS that was run."""
        return next(name for name in OURS if name in self.quantiles)

    @property
    def peers(self) -> list[str]:
        """What ours stands beside: no part of ours."""
        return [name for name in self.quantiles if name not in OURS]


def forecast_tasks(config: RenewablesConfig, run: Run) -> DayAhead:
    """Every task of the config, fanned out: what is judged first, on the clock, then its peers."""
    settings = config.forecast.day_ahead
    needed = set(settings.methods) | ({NETWORK, TREES} if BOTH in settings.methods else set())
    start = time.perf_counter()
    found = _fanned_out([name for name in METHODS if name in needed & set(OURS)], "ours", config, run)
    wall_seconds = time.perf_counter() - start
    peers = _fanned_out([name for name in METHODS if name in needed - set(OURS)], "peers", config, run)
    quantiles, spent = found.quantiles | peers.quantiles, found.cpu_seconds | peers.cpu_seconds
    if BOTH in settings.methods:
        weight = settings.network_weight
        quantiles[BOTH] = weight * quantiles[NETWORK] + (1 - weight) * quantiles[TREES]
        spent[BOTH] = spent[NETWORK] + spent[TREES]
    return DayAhead(
        found.rows,
        {name: quantiles[name] for name in settings.methods},
        {name: spent[name] for name in settings.methods},
        wall_seconds,
    )


def _fanned_out(methods: list[str], who: str, config: RenewablesConfig, run: Run) -> DayAhead:
    """Some methods on all tasks."""
    settings = config.forecast.day_ahead
    jobs = [TaskJob(task, tuple(methods), settings, config.seed, config.device) for task in settings.tasks]
    parts = run.map(f"day-ahead PV: months, {who}", forecast_task, jobs)
    return DayAhead(
        pd.concat([part.rows for part in parts], ignore_index=True),
        {name: np.vstack([part.quantiles[name] for part in parts]) for name in methods},
        {name: sum(part.cpu_seconds[name] for part in parts) for name in methods},
    )


def forecast_task(job: TaskJob) -> DayAhead:
    """Train on all rows issued before the task's month; forecast the rows issued in it."""
    train, test = split(_rows(), job.task)
    light, bright = train[train["ghi_clear"] > 0], (test["ghi_clear"] > 0).to_numpy()
    if job.config.train_days:
        light = light[light["issue_time"] >= light["issue_time"].max() - pd.Timedelta(days=job.config.train_days)]
    found, spent = {}, {}
    for name in job.methods:
        found[name] = np.zeros((len(test), len(LEVELS)))  # at night the sun gives nothing
        start = time.process_time()
        found[name][bright] = uncrossed(METHODS[name](light, test[bright], job)).clip(0, 1)
        spent[name] = time.process_time() - start
    rows = test[["site", "issue_time", "valid_time", "power", "daylight", "ghi_clear"]].assign(task=job.task)
    return DayAhead(rows, found, spent)


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
