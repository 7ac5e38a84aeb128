"""What is trained: a small convolutional network on pixels, or one linear layer on fixed features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.private_training.data import CLASSES, SIDE


def small_cnn(seed: int, classes: int = CLASSES) -> nn.Module:
    """The usual one of private learning on MNIST (Papernot et al. 2021): 26,010 parameters, tanh, no BatchNorm.

    Takes (n, 28, 28) pictures from 0 to 1.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Unflatten(1, (1, SIDE)),
            nn.Conv2d(1, 16, 8, stride=2, padding=2),
            nn.Tanh(),
            nn.MaxPool2d(2, 1),
            nn.Conv2d(16, 32, 4, stride=2),
            nn.Tanh(),
            nn.MaxPool2d(2, 1),
            nn.Flatten(),
            nn.Linear(512, 32),
            nn.Tanh(),
            nn.Linear(32, classes),
        )


def deep_cnn(seed: int, classes: int = CLASSES) -> nn.Module:
    """Five convolutions with GroupNorm, 144,618 parameters, for a GPU. Takes (n, 28, 28) pictures from 0 to 1."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs), nn.Tanh()]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Unflatten(1, (1, SIDE)),
            *block(1, 32),
            *block(32, 32),
            nn.MaxPool2d(2),
            *block(32, 64),
            *block(64, 64),
            nn.MaxPool2d(2),
            *block(64, 128),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(512, classes),
        )


def linear(width: int, classes: int = CLASSES) -> nn.Linear:
    """A linear layer that begins at zero, so that no seed is in it."""
    layer = nn.Linear(width, classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def group_normalised(features: Tensor, groups: int = 9) -> Tensor:
    """features: (n, channels, h, w) -> (n, channels * h * w), each group of channels of each picture of mean 0 and
    variance 1. It looks at one picture at a time, so that nothing is learned of the others."""
    return functional.group_norm(features, groups).flatten(1)


def unit_length(features: Tensor) -> Tensor:
    """features: (n, d), each row divided by its own length; a row of zeros stays."""
    return functional.normalize(features, dim=1)
