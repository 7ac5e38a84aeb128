"""The ways to train on rows that have owners, each with as many recipes as the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from demos.private_training.budget.accountant import Mechanism, multiplier_for
from demos.private_training.config import EACH, SEVERAL, WayName
from demos.private_training.flights.rows import Rows, bounded, single_rows
from demos.private_training.learn.fit import Recipe, Units, fit, predicted
from demos.private_training.learn.networks import linear
from shared.seed import generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from demos.private_training.step.bits import Bits

Way = WayName | Literal["not private"]
PLAIN: Way = "not private"
CLASSES = 2

# All units at every step: they are few, and noise hides best in the largest sum. Of the rows there are a hundred times
# as many, of which a sample does.
UNIT_RECIPES = tuple(
    Recipe(steps=100, rate=1.0, learning_rate=rate, bound=bound)
    for bound, rates in ((0.03, (3.0, 6.0, 12.0, 25.0)), (0.3, (0.3, 1.0, 3.0, 10.0)))
    for rate in rates
)
ROW_STEPS, ROW_BATCH, LEAST_RATE = 200, 500, 0.01
ROW_RATES = {0.1: (1.0, 3.0, 10.0, 30.0), 1.0: (0.3, 1.0, 3.0, 10.0)}  # bound -> learning rates


def recipes(way: Way, rows: int, count: int) -> list[Recipe]:
    """`count` of a private way's 8, from 2, spread over all of them; all of one price. rows: in all, taken as
    public."""
    every = UNIT_RECIPES
    if way == EACH:
        rate = min(1.0, max(LEAST_RATE, round(ROW_BATCH / rows, 2)))
        every = tuple(
            Recipe(ROW_STEPS, rate, learning_rate, bound)
            for bound, learning_rates in ROW_RATES.items()
            for learning_rate in learning_rates
        )
    return [every[round(number * (len(every) - 1) / (count - 1))] for number in range(count)]


def mechanism(recipe: Recipe, epsilon: float, delta: float) -> Mechanism:
    """What a training costs the units that it is told of."""
    return Mechanism(multiplier_for(epsilon, delta, recipe.rate, recipe.steps), recipe.rate, recipe.steps)


def units(way: Way, rows: Rows, owners: NDArray[np.int64], most: int, seed: int) -> Units:
    """Whom a way protects among `owners`: an owner with at most `most` rows, by the seed, or every row."""
    if way == EACH:
        return single_rows(rows, owners)
    return bounded(rows, owners, most, generator(seed, "private_training", "rows of owners"))


def number_of(way: Way, rows: Rows, owners: NDArray[np.int64]) -> int:
    """How many units that are. It is taken as public."""
    return len(rows.of(owners)) if way == EACH else len(owners)


def trained(way: Way, found: Units, recipe: Recipe, multiplier: float, bits: Bits) -> torch.nn.Module:
    """A linear model. multiplier: of the noise; 0 is not private."""
    start = linear(found.inputs.shape[2], CLASSES)
    if way == SEVERAL:
        return fit(start, found, recipe, multiplier, bits)
    from demos.private_training.learn.peer import fit_with_opacus

    return fit_with_opacus(start, found, recipe, multiplier, bits)


def margins(model: torch.nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """inputs: (n, d) -> (n,) how much likelier label 1 is than 0, in logits."""
    logits = predicted(model, torch.from_numpy(inputs), batch=20_000).numpy()
    return logits[:, 1] - logits[:, 0]
