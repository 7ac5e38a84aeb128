"""A partial whitening of the space of texts: what all captions share is taken out, what tells them apart is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR = 0.1  # of the mean variance, added to that of every direction


def whitening(texts: NDArray[np.floating], power: float) -> NDArray[np.float32]:
    """(w, w) symmetric map of the vectors of texts, of spectral norm 1.

    texts: (n, w) vectors of training captions. The direction that all of them share is projected out, since it tells
    none from another; then directions of variance v are scaled by v ** (-power / 2). power: 0 to 1; 0 leaves it at the
    projection, 1 is a whitening.
    """
    unit = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    common = unit.mean(0) / np.linalg.norm(unit.mean(0))
    centred = unit - np.outer(unit @ common, common)
    variance, axes = np.linalg.eigh(np.cov(centred.T))
    variance = np.maximum(variance, 0)
    scales = (variance + FLOOR * variance.mean()) ** (-power / 2)
    matrix = (axes * scales) @ axes.T @ (np.eye(len(common)) - np.outer(common, common))
    return np.asarray(matrix / np.linalg.norm(matrix, 2), np.float32)
