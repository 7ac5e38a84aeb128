"""Learn from searched plans of past days which stands are likely: makes likely_stands.txt, in a minute on one core.

python -m demos.stands.learned_start.train

Every sixth day from 2 May to 25 June 2013 at Newark, with 40 and with 60 stands, climatology of the days before each.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from demos.stands.bench.config import BenchSize
from demos.stands.bench.sizes import bench_problem
from demos.stands.config import KicksConfig, SearchConfig, StandsConfig
from demos.stands.data import load_flights
from demos.stands.learned_start.likely_stands import FEATURES, MODEL, turns_and_groups
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.kicks import kick_on
from demos.stands.search.neighbourhoods import search
from shared.seed import generator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from demos.stands.problem import Problem

DAYS = [date(2013, 5, 2) + timedelta(days=6 * number) for number in range(10)]
STANDS = (40, 60)
CALIBRATION = timedelta(days=30)  # departures of so long before a day are left out of climatology
SEARCH, KICKS = SearchConfig(rounds=4, parts=False), KicksConfig(number=120)
ROUNDS = 80
PARAMETERS = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.15, "min_data_in_leaf": 50, "seed": 0,
    "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip


def past_problems() -> Iterable[Problem]:
    """Each of `DAYS` with each number of stands, as it could be known the day before."""
    flights = load_flights(None)
    for day in DAYS:
        days = {"calibrate_from": day - CALIBRATION, "test_from": day, "first": day, "last": day}
        config = StandsConfig.model_validate({"days": days})
        for stands in STANDS:
            yield bench_problem(flights.departures, BenchSize(stands=stands), day, config)


def searched(problem: Problem) -> NDArray[np.int64]:
    """A good plan (n,) of one problem."""
    draws = generator(0, "likely stands", problem.turns.day.isoformat(), str(problem.n_stands))
    plan, _ = search(problem, greedy_cost(problem), SEARCH, draws)
    return kick_on(problem, plan, KICKS, draws)[0]


def train(problems: Iterable[Problem]) -> lightgbm.Booster:
    """The model of whether a turn is in a group of stands, for all that fit."""
    known, taken = [], []
    for problem in problems:
        plan = searched(problem)
        groups, values, fits = turns_and_groups(problem)
        known.append(values[fits])
        taken.append(np.column_stack([np.isin(plan, group) for group in groups])[fits])
    data = lightgbm.Dataset(np.concatenate(known), np.concatenate(taken), feature_name=list(FEATURES))
    return lightgbm.train(PARAMETERS, data, ROUNDS)


if __name__ == "__main__":
    train(past_problems()).save_model(MODEL)
