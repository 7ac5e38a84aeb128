"""How far pictures are from real ones: the kernel distance on features of a network that had no part in drawing them.

The estimator is that of KID (Binkowski et al., Demystifying MMD GANs, 2018), an unbiased squared maximum mean
discrepancy with a cubic kernel. The features are EfficientNet-Lite0's, not Inception's, so the numbers compare with
each other and with no published KID or FID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.pretrained.efficientnet import efficientnet_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 128  # pixels at which everything is looked at
SUBSETS, SHARE = 200, 0.5


@dataclass(frozen=True)
class Distance:
    """value: over all pictures; halves: (200,) over halves of both sets, drawn without repeats, the same halves for
    all that is compared with one set by one seed; low, high: the middle 95 % of them, a little wider than that of the
    whole."""

    value: float
    halves: NDArray[np.float64]

    @property
    def low(self) -> float:
        """Of the middle 95 %."""
        return float(np.quantile(self.halves, 0.025))

    @property
    def high(self) -> float:
        """Of the middle 95 %."""
        return float(np.quantile(self.halves, 0.975))

    def over(self, other: Distance) -> tuple[float, tuple[float, float] | None]:
        """(ratio to another distance from the same set, the middle 95 % of it over halves), None where that other is
        not above 0 in all halves, as with few pictures: a ratio then says nothing."""
        spread = None
        if other.halves.min() > 0:
            low, high = np.quantile(self.halves / other.halves, [0.025, 0.975])
            spread = float(low), float(high)
        return self.value / other.value, spread


def looked_at(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 1280) features of (n, s, s, 3) pictures, all enlarged alike."""
    from PIL import Image

    side = (SIDE, SIDE)
    larger = [np.asarray(Image.fromarray(picture).resize(side, Image.Resampling.BICUBIC)) for picture in pixels]
    return efficientnet_features(np.stack(larger))


def kernel_distance(one: NDArray[np.float32], other: NDArray[np.float32], random: np.random.Generator) -> Distance:
    """Between two sets of features, (n, d) and (m, d)."""
    within, across, beyond = _kernel(one, one), _kernel(one, other), _kernel(other, other)
    every = _unbiased(within, across, beyond)
    found = []
    for _ in range(SUBSETS):
        rows = random.permutation(len(one))[: max(2, int(SHARE * len(one)))]
        columns = random.permutation(len(other))[: max(2, int(SHARE * len(other)))]
        parts = within[np.ix_(rows, rows)], across[np.ix_(rows, columns)], beyond[np.ix_(columns, columns)]
        found.append(_unbiased(*parts))
    return Distance(every, np.array(found))


def _kernel(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray((one.astype(np.float64) @ other.T.astype(np.float64) / one.shape[1] + 1) ** 3)


def _unbiased(within: NDArray[np.float64], across: NDArray[np.float64], beyond: NDArray[np.float64]) -> float:
    def off_diagonal(kernel: NDArray[np.float64]) -> float:
        count = len(kernel)
        return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))

    return off_diagonal(within) + off_diagonal(beyond) - 2 * float(across.mean())
