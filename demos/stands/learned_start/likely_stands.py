"""Which stands past plans gave to turns like these, and a first plan that leans to them.

First come at least cost does not know what is still to come; plans that were searched do. A small model learns from
them how likely each group of equal stands is for a turn, and greedy pays for taking an unlikely one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from demos.stands.airport import size_rank
from demos.stands.column_generation.stand_days import stand_groups
from demos.stands.problem import SCALE, Problem
from demos.stands.search.greedy import greedy_cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = Path(__file__).parent / "likely_stands.txt"
LEAST = 1e-5  # no stand counts as less likely
FEATURES = (
    "cost", "cost_beyond_least", "contact", "sizes_to_spare", "share_of_stands",
    "hour", "stay", "seats", "overlapping", "overlapping_per_stand", "mean_pair_cost",
)  # fmt: skip


def turns_and_groups(problem: Problem) -> tuple[list[list[int]], NDArray[np.float64], NDArray[np.bool_]]:
    """The groups of equal stands, (n, G, FEATURES) what is known of each turn and group, and (n, G) which fit."""
    groups, turns, n = stand_groups(problem), problem.turns, len(problem.turns)
    first = [group[0] for group in groups]
    sizes = np.array([size_rank(code) for code in turns.codes])
    least = np.where(problem.allowed, problem.static, np.iinfo(np.int64).max).min(axis=1)
    overlapping = problem.overlaps.sum(axis=1)
    of_turn = np.column_stack(
        [
            turns.sibt / 60, turns.sobt - turns.sibt, turns.seats,
            overlapping, overlapping / problem.n_stands, problem.pair.mean(axis=1),
        ]
    )  # fmt: skip
    values = np.empty((n, len(groups), len(FEATURES)))
    for index, group in enumerate(groups):
        stand, cost = problem.airport.stands[group[0]], problem.static[:, group[0]]
        spare, share = size_rank(stand.code) - sizes, np.full(n, len(group) / problem.n_stands)
        of_group = np.column_stack([cost, cost - least, np.full(n, stand.contact), spare, share])
        values[:, index] = np.hstack([of_group, of_turn])
    return groups, values, problem.allowed[:, first]


@lru_cache(maxsize=1)
def shipped() -> lightgbm.Booster:
    """The model of this folder; `demos/stands/learned_start/train.py` says how it was made."""
    return lightgbm.Booster(model_file=str(MODEL))


def unlikeliness(problem: Problem, model: lightgbm.Booster) -> NDArray[np.float64]:
    """(n, m) minus the logarithm of how likely each turn is on each stand, at least 0."""
    groups, values, fits = turns_and_groups(problem)
    likely = np.asarray(model.predict(values.reshape(-1, len(FEATURES)), num_threads=1)).reshape(fits.shape)
    found = np.empty((len(problem.turns), problem.n_stands))
    for index, group in enumerate(groups):
        share = np.where(fits[:, index], likely[:, index], 0) / len(group)
        found[:, group] = -np.log(np.clip(share, LEAST, 1))[:, None]
    return found


def learned_start(problem: Problem, weight: float, model: lightgbm.Booster | None = None) -> NDArray[np.int64]:
    """A plan (n,), first come at least cost, a stand that is e times less likely costing `weight` [min] more."""
    dearer = np.rint(weight * SCALE * unlikeliness(problem, model or shipped())).astype(np.int64)
    return greedy_cost(replace(problem, static=problem.static + dearer))
