"""Canaries: units made up so that a training cannot hide them but by its noise, and an attacker who sees all of it.

A canary is a unit with a feature of its own, which no other has. Its gradient is longer than the bound at each step and
at right angles to all others, the worst case that the promise is made for. The attacker knows everything but whether
the canary was there: the model after each step, the units, the noise's size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from demos.private_training.learn.fit import Recipe, Units
from demos.private_training.learn.networks import linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.private_training.step.bits import Bits

SCALE = 1e3  # of a canary's feature: its gradient is nearly all in that feature's weights
STILL = 1e-9  # learning rate: the model does not move, so that the canary's gradient stays what it is at the start
Training = Callable[[nn.Module, Units, Recipe, float, "Bits", Callable[[int, nn.Module], None]], object]


def with_canaries(others: Units, inside: NDArray[np.bool_]) -> Units:
    """others: N units of inputs (N, 1, d) and class labels; inside: (m,) whether each of m canaries is there.

    Returns N + inside.sum() units of d + m features. The label of a canary is class 0.
    """
    (count, _, width), canaries = others.inputs.shape, len(inside)
    inputs = torch.zeros(count + int(inside.sum()), 1, width + canaries)
    inputs[:count, :, :width] = others.inputs
    places = torch.from_numpy(np.flatnonzero(inside))
    inputs[count + torch.arange(len(places)), 0, width + places] = SCALE
    return Units(inputs, torch.cat([others.labels, torch.zeros(len(places), 1, dtype=torch.long)]))


def shown(
    training: Training,
    others: Units,
    inside: NDArray[np.bool_],
    recipe: Recipe,
    multiplier: float,
    bits: Bits,
    classes: int = 10,
) -> NDArray[np.float64]:
    """What a training shows of each canary: (steps, m), at each step its part of the released sum, over the bound.

    It is 1 for a canary that was in the step and 0 for one that was not, but for noise whose standard deviation is the
    multiplier. training: such as `fit`. recipe: its learning rate, momentum and averaging are not used.
    """
    units, width = with_canaries(others, inside), others.inputs.shape[-1]
    still = Recipe(recipe.steps, recipe.rate, STILL, recipe.bound, momentum=0.0, averaged=0.0)
    model = linear(width + len(inside), classes)
    weights = [_weights(model)]
    training(model, units, still, multiplier, bits, lambda step, now: weights.append(_weights(now)))
    # A model at rest gives all classes the same chance, and the gradient of a canary's weights is this, times SCALE.
    slope = torch.full((classes,), 1 / classes, dtype=torch.float64)
    slope[0] -= 1
    expected = recipe.rate * len(units)
    steps = [before - after for before, after in itertools.pairwise(weights)]
    released = torch.stack([step[:, width:] for step in steps]) * (expected / STILL)
    return np.asarray((slope / slope.norm() @ released / recipe.bound).numpy())


def _weights(model: nn.Module) -> Tensor:
    return next(model.parameters()).detach().double().clone()


def evidence(steps: NDArray[np.float64], rate: float, multiplier: float) -> NDArray[np.float64]:
    """How much likelier what was shown is with the canary than without: (steps, ...) -> (...) logarithms.

    No test tells the two apart better (Neyman and Pearson). rate: of Poisson sampling.
    """
    each = (steps - 0.5) / multiplier**2
    if rate == 1:
        return np.asarray(each.sum(0))
    return np.asarray(np.logaddexp(np.log1p(-rate), np.log(rate) + each).sum(0))
