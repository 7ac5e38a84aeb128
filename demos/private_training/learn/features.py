"""What a linear model sees: features of each picture by itself, on axes that only public pictures chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.private_training.learn.networks import group_normalised, unit_length
from demos.private_training.learn.scattering import scattering
from shared.pretrained.efficientnet import efficientnet_features

EFFICIENTNET_SIDE = 112  # of the enlarged picture [px]
SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))  # of a picture [px], down and right: its views


@dataclass(frozen=True)
class Axes:
    """mean: (d,); axes: (d, k), the directions in which public features vary most."""

    mean: Tensor
    axes: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """features: (n, d) -> (n, k) of length 1."""
        return unit_length((features - self.mean) @ self.axes)


def public_axes(public_images: Tensor, count: int, described: Callable[[Tensor], Tensor] | None = None) -> Axes:
    """Principal axes of the features of public pictures: `count`, at most one fewer than there are pictures.

    described: (n, 28, 28) -> (n, d) features; scattering by default.
    """
    features = (described or scattered)(public_images)
    mean = features.mean(0)
    centred = (features - mean).double()
    # There are fewer pictures than features: by their products, several times as fast as by singular values.
    squares, places = torch.linalg.eigh(centred @ centred.T)
    largest = slice(-min(count, len(features) - 1), None)
    axes = centred.T @ (places[:, largest] / squares[largest].sqrt())
    return Axes(mean, axes.flip(1).float().contiguous())


def scattered(images: Tensor) -> Tensor:
    """images: (n, 28, 28) -> (n, 5184): scattering coefficients, normalised within each picture."""
    return group_normalised(scattering(images))


def recognised(images: Tensor) -> Tensor:
    """images: (n, 28, 28) -> (n, 1280): what the last layer of EfficientNet-Lite0 is given, which was trained on
    ImageNet, photographs that none of the units took."""
    large = functional.interpolate(images[:, None], scale_factor=EFFICIENTNET_SIDE / images.shape[-1], mode="bilinear")
    grey = (255 * large[:, 0]).round().to(torch.uint8).numpy()
    return torch.from_numpy(efficientnet_features(np.repeat(grey[..., None], 3, axis=-1)))


def shifted(images: Tensor, views: int) -> Tensor:
    """images: (n, 28, 28) -> (n, views, 28, 28): each picture, and moved by a pixel down, up, right and left."""
    return torch.stack([torch.roll(images, shift, (1, 2)) for shift in SHIFTS[:views]], dim=1)
