"""Scattering features: two layers of wavelets and moduli, with nothing learned and so nothing to pay for.

Bruna and Mallat, "Invariant scattering convolution networks", PAMI 2013; for private learning Tramer and Boneh,
"Differentially private learning needs better features", ICLR 2021. Morlet wavelets at 2 scales and 8 angles, given by
their Fourier transforms; kymatio, the library for this, does not import with current versions of scipy.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

SCALES, ANGLES = 2, 8
CHANNELS = 1 + SCALES * ANGLES + SCALES * (SCALES - 1) // 2 * ANGLES**2
SIGMA, CENTRE, SLANT = 0.8, 0.75 * math.pi, 4 / ANGLES  # of the finest wavelet: width [px], frequency [rad/px], shape
BORDER = 2  # pixels mirrored on each side
BATCH = 16  # fits a cache: twice as fast as 250


def scattering(pictures: Tensor) -> Tensor:
    """pictures: (n, h, w) grey, h + 4 and w + 4 divisible by 4 -> (n, 81, (h + 4) / 4, (w + 4) / 4) coefficients."""
    return torch.cat([_scattering(part) for part in pictures.float().split(BATCH)])


def _scattering(pictures: Tensor) -> Tensor:
    padded = functional.pad(pictures[:, None], [BORDER] * 4, mode="reflect")
    height, width = padded.shape[2:]
    wavelets = _wavelets(height, width).to(padded.device)
    down, across = (_averages(side).to(padded.device) for side in (height, width))

    def modulus(image: Tensor, bank: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(image) * bank).abs()

    first = modulus(padded, wavelets)
    # Of a modulus only slower waves are left to see.
    second = modulus(first[:, :ANGLES, None], wavelets[ANGLES:]).flatten(1, 2)
    return torch.cat([down @ layer @ across.T for layer in (padded, first, second)], dim=1)


@lru_cache(maxsize=8)
def _wavelets(height: int, width: int) -> Tensor:
    """Fourier transforms (SCALES * ANGLES, height, width), fine before coarse."""
    wavelets = [
        _morlet(height, width, SIGMA * 2**scale, CENTRE / 2**scale, math.pi * angle / ANGLES)
        for scale in range(SCALES)
        for angle in range(ANGLES)
    ]
    return torch.stack(wavelets)


@lru_cache(maxsize=8)
def _averages(side: int) -> Tensor:
    """(side / 4, side): Gaussian weights around every fourth pixel, of a line that repeats. A round Gaussian is the
    product of one along each side, so that two small matrices do what three Fourier transforms would."""
    around = torch.fft.ifft(_bump(1, side, SIGMA * 2 ** (SCALES - 1), 0, 0, 1)[0]).real
    return torch.stack([around.roll(place) for place in range(0, side, 2**SCALES)])


def _morlet(height: int, width: int, sigma: float, centre: float, angle: float) -> Tensor:
    wave, bump = (_bump(height, width, sigma, at, angle, SLANT) for at in (centre, 0))
    # So much of the bump that a constant picture gives nothing.
    return wave - wave[0, 0] / bump[0, 0] * bump


def _bump(height: int, width: int, sigma: float, centre: float, angle: float, slant: float) -> Tensor:
    """An elliptic Gaussian around `centre` in the direction `angle`, in a plane of frequencies that repeats."""
    total = torch.zeros(height, width, dtype=torch.float64)
    turns = 2 * math.pi
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            y = torch.fft.fftfreq(height, dtype=torch.float64)[:, None] * turns + down * turns
            x = torch.fft.fftfreq(width, dtype=torch.float64)[None] * turns + right * turns
            along = x * math.cos(angle) + y * math.sin(angle) - centre
            across = y * math.cos(angle) - x * math.sin(angle)
            total += torch.exp(-(sigma**2) / 2 * (along**2 + (across / slant) ** 2))
    return total.float()
