"""A teacher that sees shapes: kernel ridge regression from HOG and colours to the captions, asked about pictures it
did not train on.

A network of this size can learn 1,800 pictures by heart. What it lacks is what the kernel machine, which has no
choice but to compare shapes and colours, says of a picture whose caption it was never told: near to what it looks like.
The tower learns to say that too, beside the true captions (knowledge distillation: Hinton et al., 2015; the teacher's
answers are out of fold, or they would be the captions again).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.emoji.descriptors import normalised, squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.config import TeacherSection

    Floats = NDArray[np.float32]

SAMPLE = 300  # pictures whose distances set the scale of the kernel


@dataclass(frozen=True)
class KernelMachine:
    """Kernel ridge regression with exp(-gamma d² / scale). features: (n, f) of what it was told; weights: (n, d)."""

    features: Floats
    weights: Floats
    gamma: float
    scale: float

    @classmethod
    def fit(cls, features: Floats, targets: Floats, gamma: float, ridge: float, scale: float) -> KernelMachine:
        """features: (n, f); targets: (n, d); scale: the square of a typical distance (`typical`)."""
        kernel = np.exp(-gamma * squared_distances(features, features) / scale)
        kernel[np.diag_indices_from(kernel)] += ridge
        return cls(features, np.linalg.solve(kernel, targets), gamma, scale)

    def __call__(self, features: Floats) -> Floats:
        """(m, d) of (m, f): the shorter, the less it knows of its kind."""
        return np.asarray(np.exp(-self.gamma * squared_distances(features, self.features) / self.scale) @ self.weights)


def typical(features: Floats) -> float:
    """The median squared distance of some of (n, f) features."""
    some = features[:: max(1, len(features) // SAMPLE)]
    return float(np.median(squared_distances(some, some)))


def out_of_fold(
    features: NDArray[np.floating], targets: Floats, groups: NDArray[np.int64], settings: TeacherSection
) -> Floats:
    """(n, v, d) what the teacher says of v drawings of each of n pictures, normalised, when it trained on other groups.

    features: (n, v, f), the first drawing being the picture itself, on which it trains; targets: (n, d) normalised
    texts; groups: (n,), never torn apart.
    """
    plain = np.ascontiguousarray(features[:, 0], np.float32)
    scale, part = typical(plain), _parts(groups, settings.folds)
    said = np.zeros((*features.shape[:2], targets.shape[1]), np.float32)
    for fold in range(settings.folds):
        train, asked = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
        if not len(train) or not len(asked):
            continue
        mean = targets[train].mean(0)
        machine = KernelMachine.fit(plain[train], targets[train] - mean, settings.gamma, settings.ridge, scale)
        for drawing in range(features.shape[1]):
            said[asked, drawing] = machine(np.ascontiguousarray(features[asked, drawing], np.float32)) + mean
    return normalised(said.reshape(-1, targets.shape[1])).reshape(said.shape)


def _parts(groups: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """(n,) fold of each picture: by a hash of its group, so that no other picture changes it."""
    digests = {group: hashlib.sha256(str(group).encode()).digest() for group in np.unique(groups).tolist()}
    return np.array([int.from_bytes(digests[group][:4], "big") % folds for group in groups.tolist()])
