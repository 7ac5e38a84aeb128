"""Whether pictures are copies: the training picture that each is most like, beside what real new pictures have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

BLOCK = 256
SAME = 0.95  # cosine of EfficientNet's features from which two pictures are called near copies


@dataclass(frozen=True)
class Nearest:
    """Of each picture: at, the place of the training picture most like it; likeness, the cosine to it."""

    at: NDArray[np.int64]
    likeness: NDArray[np.float64]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """(n,) whether the likeness is that of a near copy."""
        return self.likeness >= SAME


def nearest(features: Floats, train: Floats) -> Nearest:
    """features: (n, f); train: (m, f)."""
    one, other = _unit(features), _unit(train)
    at, likeness = [], []
    for start in range(0, len(one), BLOCK):
        cosines = one[start : start + BLOCK] @ other.T
        at.append(cosines.argmax(1))
        likeness.append(cosines.max(1))
    return Nearest(np.concatenate(at), np.concatenate(likeness).astype(float))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
