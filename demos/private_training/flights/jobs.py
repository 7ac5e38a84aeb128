"""One training each, in a form that travels to other processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.flights.methods import Way, margins, number_of, trained, units
from demos.private_training.flights.rows import Rows, Split
from demos.private_training.step.bits import SeededBits
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.private_training.learn.fit import Recipe

FOLDS = 3  # of the public owners, each of which judges what the others trained


@dataclass(frozen=True)
class Job:
    """A training in a `way`, with at most `most` rows of a unit.

    multiplier: of the noise, over the bound of what the way clips; 0 is not private. epsilon: that it was made for,
    infinite for none. recipe: None for logistic regression without a promise.
    """

    way: Way
    rows: Rows
    owners: Split
    most: int
    epsilon: float
    multiplier: float
    recipe: Recipe | None
    seed: int


def train(job: Job) -> float:
    """Area under the ROC curve (AUC) on all rows of the owners that test, 0 to 1."""
    if job.recipe is None:
        return _plain(job)
    return _tried(job, job.owners.train, job.owners.test, job.recipe, job.multiplier, "fit")


def try_publicly(job: Job) -> float:
    """The same of a recipe on the public owners alone: the mean over folds, of which each tests once.

    Noise is to the mean gradient what it will be on the private units.
    """
    if job.recipe is None:
        raise ValueError("what has no recipe has none to try")
    owners = generator(job.seed, "private_training", "folds").permutation(job.owners.public)
    scores = []
    for number, judges in enumerate(np.array_split(owners, FOLDS)):
        others, judges = np.sort(np.setdiff1d(owners, judges)), np.sort(judges)
        recipe, multiplier = _scaled(job, job.recipe, others)
        scores.append(_tried(job, others, judges, recipe, multiplier, f"fold {number}"))
    return float(np.mean(scores))


def _scaled(job: Job, recipe: Recipe, owners: NDArray[np.int64]) -> tuple[Recipe, float]:
    """Recipe and noise for few units: as large a batch as there will be, or all of them with less noise."""
    few, many = (number_of(job.way, job.rows, part, job.most) for part in (owners, job.owners.train))
    rate = min(1.0, recipe.rate * many / few)
    return replace(recipe, rate=rate), job.multiplier * rate * few / (recipe.rate * many)


def _tried(
    job: Job,
    train_on: NDArray[np.int64],
    test_on: NDArray[np.int64],
    recipe: Recipe,
    multiplier: float,
    purpose: str,
) -> float:
    found = units(job.way, job.rows, train_on, job.most, job.seed)
    bits = SeededBits(job.seed, purpose, job.way, job.most, f"{job.epsilon}")
    model = trained(job.way, found, recipe, multiplier, bits)
    places = job.rows.of(test_on)
    return auc(job.rows.labels[places], margins(model, job.rows.inputs[places]))


def _plain(job: Job) -> float:
    """Logistic regression on all rows of the owners that train, without a promise."""
    from sklearn.linear_model import LogisticRegression

    train_on, test_on = job.rows.of(job.owners.train), job.rows.of(job.owners.test)
    model = LogisticRegression(C=10.0, max_iter=1000).fit(job.rows.inputs[train_on], job.rows.labels[train_on])
    return auc(job.rows.labels[test_on], model.decision_function(job.rows.inputs[test_on]))


def auc(labels: NDArray[np.int64], scores: NDArray[np.floating]) -> float:
    """How often a row of label 1 has the higher score of it and one of label 0; a half when only one label is there."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else 0.5
