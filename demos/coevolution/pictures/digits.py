"""Digits of MNIST in four scenes: as they are, which is home, and as others would send them, which is simulated.

Each picture is in one scene alone. Who wrote which digit is not known: one person's digits may be in several parts.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.coevolution.data import SLUG, manifest
from shared.data import fetch_member
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLE = "mnist_5k.csv.gz"
SIDE, CLASSES = 28, 10
HOME = "as written"
TURN = 40.0  # degrees
SMALL = 0.6  # of its size
SHARES = {HOME: 0.4, "turned": 0.2, "negative": 0.2, "small": 0.2}  # of all pictures
TESTS, CALIBRATES = 0.3, 0.15  # share of the pictures of a scene


@dataclass(frozen=True)
class Digits:
    """images: (n, SIDE, SIDE) from 0 to 1; labels: (n,); test, calibration, rest: places by scene."""

    images: Tensor
    labels: NDArray[np.int64]
    test: dict[str, NDArray[np.int64]]
    calibration: dict[str, NDArray[np.int64]]
    rest: dict[str, NDArray[np.int64]]


@functools.cache
def digits() -> Digits:
    """All 5,000, each in its scene; the same for all seeds."""
    table = np.loadtxt(fetch_member(manifest(), TABLE), delimiter=",", dtype=np.uint8)
    images = torch.from_numpy(table[:, :-1].astype(np.float32) / 255).unflatten(1, (SIDE, SIDE))
    places = generator(0, SLUG, "digits").permutation(len(table))
    borders = np.round(np.cumsum([0.0, *SHARES.values()]) * len(places)).astype(int)
    test, calibration, rest = {}, {}, {}
    for scene, start, end in zip(SHARES, borders[:-1], borders[1:], strict=True):
        here = places[start:end]
        images[here] = seen(images[here], scene)
        tests, calibrates = (round(share * len(here)) for share in (TESTS, CALIBRATES))
        test[scene], calibration[scene], rest[scene] = np.split(here, [tests, tests + calibrates])
    return Digits(images, table[:, -1].astype(np.int64), test, calibration, rest)


def seen(images_nhw: Tensor, scene: str) -> Tensor:
    """(n, h, w) as they come in a scene, from 0 to 1."""
    if scene == "negative":
        return 1 - images_nhw
    if scene == "turned":
        return _moved(images_nhw, 1.0, TURN)
    if scene == "small":
        return _moved(images_nhw, SMALL, 0.0)
    return images_nhw


def _moved(images_nhw: Tensor, size: float, degrees: float) -> Tensor:
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]) / size
    grid = functional.affine_grid(turn.expand(len(images_nhw), 2, 3), [len(images_nhw), 1, SIDE, SIDE], False)
    return functional.grid_sample(images_nhw[:, None], grid, align_corners=False)[:, 0].clamp(0, 1)
