"""What the linear model sees: scattering of each picture by itself, on axes that only public pictures chose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from demos.private_training.learn.networks import group_normalised, unit_length
from demos.private_training.learn.scattering import scattering

SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))  # of a picture [px], down and right: its views


@dataclass(frozen=True)
class Axes:
    """mean: (d,); axes: (d, k), the directions in which public features vary most."""

    mean: Tensor
    axes: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """features: (n, d) -> (n, k) of length 1."""
        return unit_length((features - self.mean) @ self.axes)


def public_axes(public_images: Tensor, count: int) -> Axes:
    """Principal axes of the features of public pictures: `count`, at most as many as there are pictures."""
    features = described(public_images)
    mean = features.mean(0)
    axes = torch.linalg.svd(features - mean, full_matrices=False).Vh[: min(count, len(features))].T
    return Axes(mean, axes.contiguous())


def described(images: Tensor) -> Tensor:
    """images: (n, 28, 28) -> (n, 5184): scattering coefficients, normalised within each picture."""
    return group_normalised(scattering(images))


def shifted(images: Tensor, views: int) -> Tensor:
    """images: (n, 28, 28) -> (n, views, 28, 28): each picture, and moved by a pixel down, up, right and left."""
    return torch.stack([torch.roll(images, shift, (1, 2)) for shift in SHIFTS[:views]], dim=1)
