"""The methods that are compared, each with as many recipes as the others, so that tuning costs all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from demos.private_training.config import MethodName
from demos.private_training.learn.features import public_axes, recognised, scattered
from demos.private_training.learn.fit import Recipe, Units, fit, predicted
from demos.private_training.learn.networks import deep_cnn, linear, small_cnn, unit_length
from demos.private_training.step.bits import Bits

Eyes = Callable[[Tensor], Tensor]  # (n, 28, 28) pictures -> what a network is fed (n, ...)


@dataclass(frozen=True)
class Method:
    """eyes: public pictures and a number of axes -> what the network is fed of pictures; network: by seed and the
    shape of that; moved: whether a unit is its picture and that picture moved; fit: trains."""

    name: MethodName
    eyes: Callable[[Tensor, int], Eyes]
    network: Callable[[int, torch.Size], nn.Module]
    moved: bool
    recipes: tuple[Recipe, ...]
    fit: Callable[[nn.Module, Units, Recipe, float, Bits], nn.Module]


def candidates(name: MethodName, count: int) -> list[int]:
    """Places of `count` of the method's recipes, from 2, spread over all of them."""
    last = len(METHODS[name].recipes) - 1
    return [round(number * last / (count - 1)) for number in range(count)]


def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Share of the labels (n,) that are found, 0 to 1."""
    return float((predicted(model, inputs).argmax(1) == labels).float().mean())


def _pixels(public: Tensor, axes: int) -> Eyes:
    return lambda images: images


def _scattering(public: Tensor, axes: int) -> Eyes:
    return lambda images: unit_length(scattered(images))


def _on_axes(public: Tensor, axes: int) -> Eyes:
    project = public_axes(public, axes)
    return lambda images: project(scattered(images))


def _recognised_on_axes(public: Tensor, axes: int) -> Eyes:
    project = public_axes(public, axes, recognised)
    return lambda images: project(recognised(images))


def _cnn(seed: int, shape: torch.Size) -> nn.Module:
    return small_cnn(seed)


def _deep(seed: int, shape: torch.Size) -> nn.Module:
    return deep_cnn(seed)


def _linear(seed: int, shape: torch.Size) -> nn.Module:
    return linear(shape[-1])


def _with_opacus(model: nn.Module, units: Units, recipe: Recipe, multiplier: float, bits: Bits) -> nn.Module:
    from demos.private_training.learn.peer import fit_with_opacus

    return fit_with_opacus(model, units, recipe, multiplier, bits)


def _in_pieces(model: nn.Module, units: Units, recipe: Recipe, multiplier: float, bits: Bits) -> nn.Module:
    from demos.private_training.learn.large import fit_in_pieces

    return fit_in_pieces(model, units, recipe, multiplier, bits)


# All recipes of a method have the same steps and rate, so that each costs what the others cost. A bound far below the
# gradients makes all of them as long, which frees the learning rate from it; a looser one did the network no good.
# Each span holds what did best on public digits with the noise of each budget, also that of a charged search, which at
# epsilon 1 is twice as large: 1 to 10 for the network, 25 to 200 for the linear models, of 8 and 10 rates, 2 seeds.
CNN_RECIPES = tuple(
    Recipe(steps=100, rate=0.128, learning_rate=rate, bound=0.1) for rate in (0.7, 1.2, 2.0, 3.2, 5.0, 8.0)
)
DEEP_RECIPES = tuple(
    Recipe(steps=100, rate=0.25, learning_rate=rate, bound=0.1) for rate in (1.0, 1.5, 2.5, 4.0, 6.0, 9.0)
)
LINEAR_RECIPES = tuple(
    Recipe(steps=100, rate=1.0, learning_rate=rate, bound=0.1) for rate in (20.0, 30.0, 45.0, 70.0, 105.0, 160.0)
)
METHODS = {
    method.name: method
    for method in (
        Method("small CNN, Opacus", _pixels, _cnn, False, CNN_RECIPES, _with_opacus),
        Method("small CNN, ours", _pixels, _cnn, False, CNN_RECIPES, fit),
        Method("scattering, linear", _scattering, _linear, False, LINEAR_RECIPES, fit),
        Method("deep CNN, ours", _pixels, _deep, False, DEEP_RECIPES, _in_pieces),
        Method("EfficientNet on public axes, linear", _recognised_on_axes, _linear, False, LINEAR_RECIPES, fit),
        Method("scattering on public axes, linear", _on_axes, _linear, True, LINEAR_RECIPES, fit),
        Method("scattering on public axes, linear, Opacus", _on_axes, _linear, False, LINEAR_RECIPES, _with_opacus),
    )
}
