"""Private training of a model, step by step: sample units, sum their clipped gradients, add noise, move.

What is released is every noisy sum; all that is made of them, such as momentum and averages, costs nothing more.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.private_training.step.bits import included
from demos.private_training.step.book import Book
from demos.private_training.step.noise import noisy
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from demos.private_training.step.bits import Bits


@dataclass(frozen=True)
class Units:
    """Whom a training protects: N units of V views each.

    inputs: (N, V, ...); labels: (N, V) classes; weights: (N, V) of the views, which sum to 1 in each unit, or None when
    all count the same.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def views(self) -> int:
        """Views of each unit."""
        return self.labels.shape[1]

    def to(self, device: str) -> Units:
        """The same on a device."""
        weights = None if self.weights is None else self.weights.to(device)
        return Units(self.inputs.to(device), self.labels.to(device), weights)


@dataclass(frozen=True)
class Recipe:
    """How a training goes; public, since it was chosen without looking at the units.

    steps: from 1. rate: share of the units in a step, above 0, at most 1. learning_rate: above 0, of a gradient that is
    divided by the expected number of units. bound: of the norm of a unit's gradient, above 0. momentum: 0 to below 1.
    averaged: share of the steps, the last ones, whose weights are averaged, 0 (the last alone) to 1.
    """

    steps: int
    rate: float
    learning_rate: float
    bound: float
    momentum: float = 0.9
    averaged: float = 0.5

    def __post_init__(self) -> None:
        for name, sound in (
            ("steps", self.steps >= 1),
            ("rate", self.rate > 0),
            ("learning_rate", 0 < self.learning_rate < math.inf),
            ("bound", 0 < self.bound < math.inf),
            ("momentum", 0 <= self.momentum < 1),
            ("averaged", 0 <= self.averaged <= 1),
        ):
            if not sound:
                raise UserError(f"no training has {name} = {getattr(self, name)}")


def fit(
    model: nn.Module,
    units: Units,
    recipe: Recipe,
    multiplier: float,
    bits: Bits,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    """A copy of `model`, trained. multiplier: of the noise, over the bound; 0 is not private.

    watch: is called after each step with its number and the model as it is. Raises UserError when the expected batch
    is below one unit or above all, for labels that are not classes of the model, and for a layer that cannot be
    trained privately.
    """
    expected = recipe.rate * len(units)
    if not 1 <= expected <= len(units):
        raise UserError(f"a batch must be 1 to {len(units):,} units, not {expected:g}: its rate is {recipe.rate:g}")
    model = copy.deepcopy(model).to(units.inputs.device).train()
    average = copy.deepcopy(model).requires_grad_(False)
    book = Book(model)
    refuse_labels(units, predicted(model, units.inputs[:1, 0]).shape[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
    first = recipe.steps - max(1, round(recipe.steps * recipe.averaged))
    for step in range(recipe.steps):
        chosen = torch.from_numpy(included(bits, len(units), recipe.rate)).to(units.inputs.device)
        sums = clipped_sums(model, book, units, chosen, recipe.bound)
        released = noisy(sums, recipe.bound, multiplier, bits)
        for parameter, part in zip(trained(model), released, strict=True):
            parameter.grad = part / expected
        optimizer.step()
        take_into_mean(average, model, step - first)
        if watch is not None:
            watch(step, model)
    book.close()
    return average.requires_grad_(True).eval()


def refuse_labels(units: Units, classes: int) -> None:
    """Raise UserError for labels that are not 0 to below `classes`."""
    wrong = ((units.labels < 0) | (units.labels >= classes)).any(1).nonzero()
    if len(wrong):
        at = int(wrong[0])
        raise UserError(
            f"unit {at + 1} has labels {units.labels[at].tolist()}; the model's classes are 0 to {classes - 1}"
        )


def clipped_sums(model: nn.Module, book: Book, units: Units, chosen: Tensor, bound: float) -> list[Tensor]:
    """Of the units at the places `chosen`: for each parameter the sum of their gradients, none longer than `bound`."""
    logits = model(units.inputs[chosen].flatten(0, 1))
    losses = functional.cross_entropy(logits, units.labels[chosen].flatten(), reduction="none")
    if units.weights is not None:
        # Book takes the mean of the views.
        losses = losses * units.weights[chosen].flatten() * units.views
    book.clipped_sum(losses, bound, units.views)
    return [parameter.grad for parameter in trained(model)]  # type: ignore[misc]


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Parameters that train, in the order of everything that is made of them."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def take_into_mean(average: nn.Module, model: nn.Module, age: int) -> None:
    """Take the model into the mean of those since `age` was 0; before, the mean is the model itself."""
    with torch.no_grad():
        for mean, now in zip(average.parameters(), model.parameters(), strict=True):
            mean.lerp_(now, 1 / (age + 1) if age >= 0 else 1.0)


def predicted(model: nn.Module, inputs: Tensor, batch: int = 2000) -> Tensor:
    """inputs: (n, ...) -> (n, classes) logits, on the CPU."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        return torch.cat([model(part.to(device)).cpu() for part in inputs.split(batch)])
