"""Guidance by CLIP: at each step the predicted picture is moved a little to where it is more like its words.

Dhariwal and Nichol, Diffusion Models Beat GANs, 2021, guide with a classifier of noisy pictures. Here CLIP looks at the
predicted clean picture (as in Bansal et al., Universal Guidance for Diffusion Models, 2023), and its gradient stays
outside the drawing network, so that a step costs no more evaluations of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from demos.diffusion.model.clip import Clip

CHANCE_SIGNAL = 1e-3  # share of the variance below which a predicted picture says nothing
SETTLED_SIGNAL = 0.8  # from which what is moved would stay in the picture as noise


class ClipGuide:
    """What `PictogramPipeline` takes as `correct`. strength: largest root mean square of the move at a step, of a
    picture in -1 to 1; moves: how many moves make it."""

    def __init__(self, clip: Clip, prompts: Sequence[str], strength: float, moves: int = 1) -> None:
        self._clip, self._texts, self._strength, self._moves = clip, clip.texts(prompts), strength, moves

    def __call__(self, pictures: torch.Tensor, signal: float) -> torch.Tensor:
        """(n, 3, s, s) the predicted pictures, moved; signal: share of the state's variance that is picture."""
        if not CHANCE_SIGNAL <= signal < SETTLED_SIGNAL:
            return pictures
        for _ in range(self._moves):
            slope = self._clip.uphill(pictures, self._texts)
            # Nothing is whiter than white: what leads there would take its part of the length.
            slope = slope.masked_fill((pictures.abs() >= 1) & (slope * pictures > 0), 0.0)
            slope = slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
            # The less is known of the picture, the farther it may be moved.
            pictures = (pictures + self._strength / self._moves * (1 - signal) ** 0.5 * slope).clamp(-1, 1)
        return pictures
