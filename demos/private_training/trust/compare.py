"""Each owner alone, all together, and all rows in one place, at equal budgets, on aircraft that nobody trained on."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from demos.private_training.budget.accountant import multiplier_for
from demos.private_training.learn.fit import Recipe, fit, predicted
from demos.private_training.learn.networks import linear
from demos.private_training.step.bits import SeededBits
from demos.private_training.trust.airports import WIDTH, Rows, at_most, departures, split, units
from demos.private_training.trust.federate import trained_together
from demos.private_training.trust.owner import Owner, one_thread
from demos.private_training.trust.plan import Plan

if TYPE_CHECKING:
    from torch import nn

    from demos.private_training.config import PrivateTrainingConfig
    from demos.private_training.trust.plan import Noise
    from shared.demo import Run

TUNING, TEST = 0.1, 0.2  # shares of the aircraft: with the first, recipes were chosen; the second, of the rest, test
ALL = "all"  # the place in the results of rows of every owner
NO_NOISE = math.inf
TOGETHER: dict[str, Noise] = {"together, noise shared": "shared", "together, each all the noise": "alone"}
OURS, SAFE = TOGETHER
POOLED = "pooled in one place"
# Steps of half the length of a clipped gradient. Chosen by hand on the 10 % of aircraft that are in no table, of which
# 200 trained and 200 tested, with noise that was to the mean gradient what it is here; 20 and 40 steps, bounds of .02
# and .1 and twice and four times the length were within .01 of it at epsilon 1, and no better at .3.
BOUND, LENGTH = 0.1, 0.5


@dataclass(frozen=True)
class Job:
    """A method on the rows of one seed, at several budgets. noises: epsilon -> noise multiplier; 0 is not private."""

    method: str
    owners: tuple[str, ...]
    train: Rows
    test: Rows
    steps: int
    noises: dict[float, float]
    seed: int


@dataclass(frozen=True)
class Scores:
    """areas: (method, epsilon, airport or ALL) -> area under the ROC curve of each seed, 0 to 1; epsilon infinite:
    without noise. parts: of the aircraft that are trained on, at all owners."""

    areas: dict[tuple[str, float, str], list[float]]
    parts: int


def alone(owner: str) -> str:
    """The method of one owner by itself."""
    return f"{owner} alone"


def quieter(owner: str) -> str:
    """The same with so much noise that trainings by each of all owners alone cost a unit at all of them epsilon: as one
    by all together does. Noise of that many Gaussian mechanisms must be the root of their number times as large."""
    return f"{owner} alone, one of all"


def methods(owners: list[str]) -> list[str]:
    """Rows of the table."""
    return [*map(alone, owners), *map(quieter, owners), *TOGETHER, POOLED]


def recipe(steps: int, owners: int = 1) -> Recipe:
    """Of one owner, or of several whose parts of a unit are each clipped to their share of the bound."""
    return Recipe(steps, rate=1.0, learning_rate=LENGTH / BOUND * owners, bound=BOUND)


def rows_of(config: PrivateTrainingConfig) -> Rows:
    """Those that the tables are of, at the owners of the config: without the aircraft that chose the recipe."""
    rows = departures()
    for owner in config.trust.owners:
        rows.of(owner)
    _, rest = split(rows, TUNING, 0, "tuning")
    places = [rows.names.index(owner) for owner in config.trust.owners]
    there = rest.only((rest.owners[:, None] == places).any(1))
    share = config.trust.aircraft / len(set(there.tails))
    return there if share >= 1 else split(there, share, config.seed, "aircraft")[0]


def compare(config: PrivateTrainingConfig, run: Run) -> Scores:
    """Train everything."""
    trust, rows = config.trust, rows_of(config)
    noises = {epsilon: multiplier_for(epsilon, trust.delta, 1.0, trust.steps) for epsilon in trust.epsilons}
    jobs, parts = [], 0
    for seed in range(config.seed, config.seed + trust.seeds):
        test, train = split(rows, TEST, seed, "test")
        train = at_most(train, trust.rows, seed)
        parts = sum(len(set(train.of(owner).tails)) for owner in trust.owners)
        for method in methods(trust.owners):
            asked = {**noises, NO_NOISE: 0.0}
            if method == SAFE:
                asked = noises
            elif method in map(quieter, trust.owners):
                asked = {epsilon: noise * len(trust.owners) ** 0.5 for epsilon, noise in noises.items()}
            jobs.append(Job(method, tuple(trust.owners), train, test, trust.steps, asked, seed))
    scores = Scores({}, parts)
    for job, found in zip(jobs, run.map("owners alone and together", areas, jobs), strict=True):
        for (epsilon, place), area in found.items():
            scores.areas.setdefault((job.method, epsilon, place), []).append(area)
    return scores


def areas(job: Job) -> dict[tuple[float, str], float]:
    """Areas under the ROC curve at all budgets, on the rows of every owner and of each."""
    from sklearn.metrics import roc_auc_score

    inputs = torch.from_numpy(job.test.features())
    found = {}
    for epsilon, model in _models(job).items():
        logits = predicted(model, inputs)
        scores = (logits[:, 1] - logits[:, 0]).numpy()
        found[epsilon, ALL] = float(roc_auc_score(job.test.late, scores))
        for owner in job.owners:
            own = job.test.owners == job.test.names.index(owner)
            found[epsilon, owner] = float(roc_auc_score(job.test.late[own], scores[own]))
    return found


def _models(job: Job) -> dict[float, nn.Module]:
    start = linear(WIDTH, 2)
    if job.method in TOGETHER:
        owners = [Owner(owner, units(job.train.of(owner))) for owner in job.owners]
        plan = Plan(
            recipe(job.steps, len(owners)),
            len(owners),
            parts=sum(len(owner.units) for owner in owners),
            multiplier=0.0,
            noise=TOGETHER[job.method],
            seed=job.seed,
        )
        return {
            epsilon: trained_together(start, owners, dataclasses.replace(plan, multiplier=noise))
            for epsilon, noise in job.noises.items()
        }
    own = next((owner for owner in job.owners if job.method in (alone(owner), quieter(owner))), None)
    those = units(job.train if own is None else job.train.of(own))
    with one_thread():
        return {
            epsilon: fit(
                start, those, recipe(job.steps), noise, SeededBits(job.seed, "trust", job.method, str(epsilon))
            )
            for epsilon, noise in job.noises.items()
        }
