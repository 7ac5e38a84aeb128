"""How training pictures vary: one affine map and one loss of contrast each, drawn for a whole batch at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from demos.clip_retrieval.config import AugmentSection


def augmented(pictures: Tensor, settings: AugmentSection, random: np.random.Generator) -> Tensor:
    """(n, 3, s, s) pictures in 0 to 1 on white, each turned, scaled, sheared, shifted and faded at random.

    What comes in from outside is white, as the background is. Colours keep their hue and sides stay sides, since
    captions name both.
    """
    count = len(pictures)

    def within(limit: float) -> Tensor:
        return torch.from_numpy(random.uniform(-limit, limit, count).astype(np.float32))

    angle, scale, aspect = within(math.radians(settings.rotation)), within(settings.zoom).exp(), within(settings.shear)
    aspect, shear = aspect.exp(), within(settings.shear)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = angle.cos() * scale * aspect
    matrix[:, 0, 1] = -angle.sin() * scale + shear
    matrix[:, 1, 0] = angle.sin() * scale
    matrix[:, 1, 1] = angle.cos() * scale / aspect
    # The grid runs from -1 to 1: a share of the side is twice as much there.
    matrix[:, 0, 2], matrix[:, 1, 2] = within(2 * settings.shift), within(2 * settings.shift)
    fade = 1 - torch.from_numpy(random.uniform(0, settings.contrast, (count, 3, 1, 1)).astype(np.float32))
    grid = functional.affine_grid(matrix, list(pictures.shape), align_corners=False).to(pictures)
    # Sampled as ink on black (1 - picture), so that the border's zeros are white.
    ink = functional.grid_sample(1 - pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return 1 - ink * fade.to(pictures)
