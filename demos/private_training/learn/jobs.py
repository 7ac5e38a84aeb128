"""One training each, in a form that travels to other processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.private_training.config import MethodName, Tuning
from demos.private_training.learn.fit import Recipe, Units
from demos.private_training.learn.methods import METHODS, accuracy
from demos.private_training.learn.tune import SCORE_NOISE, number_of_tries, some_of
from demos.private_training.step.bits import SeededBits, gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """What a method is fed of all pictures, and which of them a job trains and tests on.

    views: (n, V, ...); labels: (n,); train, test: places.
    """

    views: NDArray[np.float32]
    labels: NDArray[np.int64]
    train: NDArray[np.int64]
    test: NDArray[np.int64]

    def units(self) -> Units:
        """Those that are trained on."""
        labels = torch.from_numpy(np.array(self.labels[self.train]))
        inputs = torch.from_numpy(np.array(self.views[self.train]))
        return Units(inputs, labels[:, None].expand(-1, inputs.shape[1]))

    def score(self, model: torch.nn.Module, places: NDArray[np.int64]) -> float:
        """Accuracy on the first view of the pictures at `places`, 0 to 1."""
        inputs, labels = (torch.from_numpy(np.array(part)) for part in (self.views[places, 0], self.labels[places]))
        return accuracy(model, inputs, labels)


@dataclass(frozen=True)
class Job:
    """A training by `method`. multiplier: of the noise; 0 is not private. recipe: of the method's, or None to search
    for one, in `tries` expected tries among `candidates`. purpose: names its stream of noise."""

    method: MethodName
    table: Table
    seed: int
    multiplier: float
    recipe: int | None
    tries: float = 1.0
    candidates: tuple[int, ...] = ()
    label: str = ""
    tuning: Tuning | None = None
    device: str = "cpu"
    purpose: str = "fit"


@dataclass(frozen=True)
class Outcome:
    """accuracy: on the test pictures, 0 to 1; recipe: that was used, None after no try.

    How many tries a search took is left out: what it costs holds for who does not learn that.
    """

    accuracy: float
    recipe: int | None


def train(job: Job) -> Outcome:
    """Train, or search for a recipe and keep the best try by its noisy score; test."""
    units = job.table.units().to(job.device)
    if job.recipe is not None:
        return Outcome(job.table.score(_fitted(job, units, job.recipe, job.purpose), job.table.test), job.recipe)
    bits = SeededBits(job.seed, "search", job.method, job.label)
    places = some_of(bits, len(job.candidates), number_of_tries(bits, job.tries))
    tries = [job.candidates[place] for place in places]
    found: list[tuple[float, torch.nn.Module, int]] = []
    for number, recipe in enumerate(tries):
        model = _fitted(job, units, recipe, f"try {number}")
        right = job.table.score(model, job.table.train) * len(units) + SCORE_NOISE * float(gaussian(bits, 1))
        found.append((right, model, recipe))
    if not found:
        # As seldom as the distribution has it; to draw again would tell that there was nothing to choose from.
        start = METHODS[job.method].network(job.seed, units.inputs.shape)
        return Outcome(job.table.score(start, job.table.test), None)
    _, model, recipe = max(found, key=lambda attempt: attempt[0])
    return Outcome(job.table.score(model, job.table.test), recipe)


def _fitted(job: Job, units: Units, recipe: int, purpose: str) -> torch.nn.Module:
    method = METHODS[job.method]
    bits = SeededBits(job.seed, purpose, job.method, job.label)
    start = method.network(job.seed, units.inputs.shape)
    chosen: Recipe = method.recipes[recipe]
    return method.fit(start, units, chosen, job.multiplier, bits)
