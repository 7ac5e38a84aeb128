"""Whether pictures are copies: the training picture that each is nearest to, in the measure by which families were
joined, so that no real held-out picture is a copy of a training picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.openmoji.families import NEAR, coarse, rms

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Nearest:
    """Of each picture: at, the place of the nearest training picture; off, how far it is [levels of 255, root mean
    square over mean colours of a 16 x 16 grid]."""

    at: NDArray[np.int64]
    off: NDArray[np.float64]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """(n,) whether so near that the house would not let a split part them. Noise of single pixels hides no copy."""
        return self.off < NEAR


def nearest(pixels: NDArray[np.uint8], train: NDArray[np.uint8]) -> Nearest:
    """pixels: (n, s, s, 3), train: (m, s, s, 3), s a multiple of 16."""
    off = rms(coarse(pixels), coarse(train))
    return Nearest(off.argmin(1), off.min(1).astype(float))
