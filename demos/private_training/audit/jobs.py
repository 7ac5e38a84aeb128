"""The trainings that an audit takes, in a form that travels to other processes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.private_training.audit.bounds import guessed
from demos.private_training.audit.broken import broken
from demos.private_training.audit.canary import evidence, shown
from demos.private_training.audit.lira import confidence
from demos.private_training.data import CLASSES
from demos.private_training.learn.fit import Recipe, Units, fit, predicted
from demos.private_training.learn.networks import linear
from demos.private_training.step.bits import SeededBits
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.private_training.audit.bounds import Guesses
    from demos.private_training.budget.accountant import Mechanism
    from demos.private_training.config import Break

BOUND = 0.1
CROWD, FEATURES = 30, 10  # units beside the canary in a short training, and their features


@dataclass(frozen=True)
class Short:
    """Short trainings by `mechanism`, numbered from `first`, every other one with the canary. broken: what is wrong
    with them, if anything is."""

    mechanism: Mechanism
    first: int
    count: int
    seed: int
    broken: Break | None = None


@dataclass(frozen=True)
class Crowded:
    """One training by `mechanism` with the units `inputs` (N, d), of classes `labels` (N,), and `canaries`, each in
    by a coin of its own; as many guesses as each of `made` says."""

    mechanism: Mechanism
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    canaries: int
    made: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Shadow:
    """A training on the `members` of pictures (n, d) with labels (n,). multiplier: 0 adds no noise."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    members: NDArray[np.bool_]
    recipe: Recipe
    multiplier: float
    seed: int
    number: int


def short_trainings(job: Short) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(count,) evidence for the canary, by the best attack on what is wrong; (count,) whether it was there."""
    numbers = np.arange(job.first, job.first + job.count)
    inside = numbers % 2 == 0
    with broken(job.broken) if job.broken else nullcontext():
        rows = np.stack([_shown(job, int(number), bool(there)) for number, there in zip(numbers, inside, strict=True)])
        if job.broken == "a seed used again":
            # An earlier model of those who are known to be in it has the same noise.
            rows = rows - _shown(job, -1, False)
    noise, rate = job.mechanism.multiplier, job.mechanism.rate
    if job.broken == "shuffled batches":
        # In one of the steps of each pass, and it cannot be in none.
        passes = (rows.T - 0.5).reshape(-1, round(1 / rate), job.count) / noise**2
        return np.log(np.exp(passes - passes.max(1, keepdims=True)).mean(1)).sum(0) + passes.max(1).sum(0), inside
    return evidence(rows.T, rate, noise), inside


def _shown(job: Short, number: int, there: bool) -> NDArray[np.float64]:
    random = generator(job.seed, "private_training", "crowd")
    inputs = functional.normalize(torch.from_numpy(random.standard_normal((CROWD, 1, FEATURES), np.float32)), dim=-1)
    others = Units(inputs, torch.from_numpy(random.integers(0, CLASSES, (CROWD, 1))))
    recipe = Recipe(job.mechanism.steps, job.mechanism.rate, 1.0, BOUND)
    bits = SeededBits(job.seed, "short", number + 1)
    return shown(fit, others, np.array([there]), recipe, job.mechanism.multiplier, bits, CLASSES)[:, 0]


def crowded_training(job: Crowded) -> list[Guesses]:
    """The guesses on the canaries of one training, one for each number of them."""
    inside = generator(job.seed, "private_training", "canaries").random(job.canaries) < 0.5
    inputs, labels = _tensors(job.inputs, job.labels)
    others = Units(inputs[:, None], labels[:, None])
    recipe = Recipe(job.mechanism.steps, job.mechanism.rate, 1.0, BOUND)
    rows = shown(fit, others, inside, recipe, job.mechanism.multiplier, SeededBits(job.seed, "crowded"), CLASSES)
    found = evidence(rows, job.mechanism.rate, job.mechanism.multiplier)
    return [guessed(found, inside, made) for made in job.made]


def shadow(job: Shadow) -> NDArray[np.float64]:
    """The confidence (n,) of a model in the right class of all pictures."""
    inputs, labels = _tensors(job.inputs, job.labels)
    members = torch.from_numpy(np.flatnonzero(job.members))
    units = Units(inputs[members][:, None], labels[members][:, None])
    bits = SeededBits(job.seed, "shadow", job.number)
    model = fit(linear(inputs.shape[1]), units, job.recipe, job.multiplier, bits)
    return confidence(predicted(model, inputs), labels)


def _tensors(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    # Copies: what comes from another process cannot be written to, of which torch warns.
    return torch.from_numpy(inputs.copy()), torch.from_numpy(labels.copy())
