"""Gaussian noise on a lattice: what is released is an integer multiple of a step, so that no rounding tells a secret.

A sum of floats and noise of floats has low bits that depend on both (Mironov, CCS 2012; Jin et al. 2022 for this very
mechanism). Here the sum x is rounded to a lattice first, and the noise to the same lattice. With x on the lattice,
x + round(z) = round(x + z): rounding after adding exact Gaussian noise, and so exactly as private as that.
Rounding x may move two neighbouring sums apart by one step in each coordinate; SLACK pays for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from demos.private_training.step.bits import gaussian

if TYPE_CHECKING:
    from demos.private_training.step.bits import Bits

SLACK = 2.0**-10  # by which noise is larger than the accounted one


def lattice_step(bound: float, size: int) -> float:
    """The step of the lattice for sums of `size` numbers of gradients no longer than `bound`: all roundings together
    move a sum by at most SLACK * bound."""
    return SLACK * bound / math.sqrt(size)


def noisy(sums: list[Tensor], bound: float, multiplier: float, bits: Bits) -> list[Tensor]:
    """Each of `sums`, which together are a sum of vectors no longer than `bound`, with Gaussian noise.

    multiplier: standard deviation of the noise in units of the bound; 0 adds none. Returns tensors of the same shapes,
    types and devices.
    """
    size = sum(part.numel() for part in sums)
    if multiplier == 0 or size == 0:
        return [part.clone() for part in sums]
    step = lattice_step(bound, size)
    noise = gaussian(bits, size).mul_(multiplier * bound * (1 + SLACK) / step).round_()
    flat = torch.cat([part.detach().flatten() for part in sums])
    released = flat.to("cpu", torch.float64, copy=True).div_(step).round_().add_(noise).mul_(step)
    pieces = released.to(flat.device, flat.dtype).split([part.numel() for part in sums])
    return [piece.view_as(part) for piece, part in zip(pieces, sums, strict=True)]
