"""Histograms of oriented gradients and of colours: what a picture looks like, without anything learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIDE = 64  # pixels of the pictures
CELLS = (8, 16)  # pixels a side of HOG's cells: details and shape
COLOURS = 4  # levels of each of red, green and blue in the histogram
GRID = 4  # histograms a side
SMALL = 1e-9


def hog_features(pixels: NDArray[np.uint8]) -> Floats:
    """(n, d) features of (n, 64, 64, 3) pictures, each of length 1: histograms of oriented gradients (Dalal and Triggs,
    2005) in small cells and in large ones, colours of the whole and of a grid; four blocks of equal weight."""
    from skimage.feature import hog

    blocks = []
    for cell in CELLS:
        shape = {"orientations": 9, "pixels_per_cell": (cell, cell), "cells_per_block": (2, 2)}
        blocks.append(np.stack([hog(picture, channel_axis=-1, **shape) for picture in pixels]))
    colours = _colour_histograms(pixels)
    # Square roots: the Euclidean distance is then Hellinger's.
    blocks += [np.sqrt(colours.sum(1)), np.sqrt(colours.reshape(len(pixels), -1))]
    return normalised(np.concatenate([normalised(block) for block in blocks], axis=1))


def normalised(vectors: NDArray[np.floating]) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    found = vectors.astype(np.float32)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), SMALL))


def squared_distances(left: Floats, right: Floats) -> Floats:
    """(n, m) squared Euclidean distance of each pair of rows, at least 0."""
    return np.maximum((left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T, 0)


def _colour_histograms(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 16, 64) pixels of each colour in each cell of a 4 x 4 grid."""
    count, step = len(pixels), SIDE // GRID
    levels = pixels.astype(np.int64) // (256 // COLOURS)
    code = (levels[..., 0] * COLOURS + levels[..., 1]) * COLOURS + levels[..., 2]
    cells = code.reshape(count, GRID, step, GRID, step).transpose(0, 1, 3, 2, 4).reshape(count * GRID**2, step**2)
    flat = (cells + np.arange(len(cells))[:, None] * COLOURS**3).ravel()
    found = np.bincount(flat, minlength=len(cells) * COLOURS**3)
    return found.reshape(count, GRID**2, COLOURS**3).astype(np.float32)
