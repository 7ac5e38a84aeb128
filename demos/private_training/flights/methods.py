"""The ways to train on rows that have owners, each with as many recipes as the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from demos.private_training.budget.accountant import Mechanism, multiplier_for
from demos.private_training.config import EACH, ONE, SEVERAL, SPREAD, WayName
from demos.private_training.flights.rows import Rows, bounded, single_rows
from demos.private_training.learn.fit import Recipe, Units, fit, predicted
from demos.private_training.learn.networks import linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.private_training.step.bits import Bits

Way = WayName | Literal["not private"]
PLAIN: Way = "not private"
CLASSES = 2

# All units at every step: they are few, and noise hides best in the largest sum. Of all rows, of which there are a
# hundred times as many, a sample does.
UNIT_STEPS = 100
ROW_STEPS, ROW_BATCH, LEAST_RATE = 200, 500, 0.01
# Bound -> learning rates. The mean gradient of several rows is shorter than that of one.
UNIT_RATES = {0.03: (3.0, 6.0, 12.0, 25.0), 0.3: (0.3, 1.0, 3.0, 10.0)}
ONE_RATES = {0.03: (6.0, 12.0, 25.0, 50.0), 0.3: (1.0, 3.0, 10.0, 30.0)}
SPREAD_RATES = {0.1: (0.3, 1.0, 3.0, 10.0), 1.0: (0.03, 0.1, 0.4, 1.5)}
ROW_RATES = {0.1: (1.0, 3.0, 10.0, 30.0), 1.0: (0.3, 1.0, 3.0, 10.0)}


def recipes(way: Way, rows: int, count: int) -> list[Recipe]:
    """`count` of a private way's 8, from 2, spread over all of them; all of one price. rows: in all, taken as
    public."""
    steps, rate = UNIT_STEPS, 1.0
    rates = SPREAD_RATES if way == SPREAD else ONE_RATES if way == ONE else UNIT_RATES
    if way == EACH:
        steps, rate, rates = ROW_STEPS, min(1.0, max(LEAST_RATE, round(ROW_BATCH / rows, 2))), ROW_RATES
    every = [Recipe(steps, rate, each, bound) for bound, some in rates.items() for each in some]
    return [every[round(number * (len(every) - 1) / (count - 1))] for number in range(count)]


def mechanism(recipe: Recipe, epsilon: float, delta: float) -> Mechanism:
    """What a training costs those that it promises something: units, or rows that are taken for units."""
    return Mechanism(multiplier_for(epsilon, delta, recipe.rate, recipe.steps), recipe.rate, recipe.steps)


def noise_for(way: Way, most: int, mechanism: Mechanism) -> float:
    """The multiplier that a way is to be told. All of a unit's rows are in every step of the library that clips rows
    one by one, so that they move its sum by as many bounds."""
    return mechanism.multiplier * (most if way == SPREAD else 1)


def units(way: Way, rows: Rows, owners: NDArray[np.int64], most: int, seed: int) -> Units:
    """What a way clips, of `owners`: all of a unit with at most `most` rows, by the seed, or each of these, or each
    that there is."""
    if way == EACH:
        return single_rows(rows, owners)
    found = bounded(rows, owners, most, seed)
    if way != SPREAD or found.weights is None:
        return found
    seen = found.weights > 0
    return Units(found.inputs[seen][:, None], found.labels[seen][:, None])


def number_of(way: Way, rows: Rows, owners: NDArray[np.int64], most: int) -> int:
    """How many these are. It is taken as public."""
    if way not in (EACH, SPREAD):
        return len(owners)
    counts = rows.counts[owners]
    return int(counts.sum() if way == EACH else np.minimum(counts, most).sum())


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
