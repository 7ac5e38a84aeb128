"""Who is protected, and what is public.

    trendlab data fetch private_training

Private: 5,000 handwritten digits of MNIST, each a unit of its own, as if each were one person's. Public: the digits of
scikit-learn, 1,797 by 43 other writers, 8 x 8 pixels (UCI, Alpaydin and Kaynak 1998), enlarged to the same frame.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shared.data import DataManifest, fetch_member, manifest_file, read_manifest, uses
from shared.result import DataUse
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLUG = "private_training"
SIDE, INK = 28, 20  # of the frame, and of what is drawn in it, as in MNIST [px]
CLASSES = 10


@dataclass(frozen=True)
class Pictures:
    """images: (n, 28, 28) from 0 (paper) to 1 (ink); labels: (n,) digits."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@functools.cache
def manifest() -> DataManifest:
    """What `data.yaml` beside this file names."""
    return read_manifest(manifest_file(SLUG))


@functools.cache
def mnist() -> Pictures:
    """The 5,000 private pictures."""
    table = np.loadtxt(fetch_member(manifest(), "mnist_5k.csv.gz"), delimiter=",", dtype=np.uint8)
    images = torch.from_numpy(table[:, :-1].astype(np.float32) / 255).unflatten(1, (SIDE, SIDE))
    return Pictures(images, torch.from_numpy(table[:, -1].astype(np.int64)))


@functools.cache
def public_digits() -> Pictures:
    """The 1,797 public pictures, their 8 x 8 pixels spread over the 20 x 20 that MNIST draws in."""
    from sklearn.datasets import load_digits

    source = load_digits()
    small = torch.from_numpy(source.images).float()[:, None] / 16
    ink = functional.interpolate(small, size=(INK, INK), mode="bicubic", align_corners=False).clamp(0, 1)
    images = functional.pad(ink, [(SIDE - INK) // 2] * 4)[:, 0]
    return Pictures(images, torch.from_numpy(source.target.astype(np.int64)))


def split(pictures: Pictures, train: int, test: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of `train` and `test` pictures, as many of each digit as of the others, to one picture; by the seed."""
    random = generator(seed, SLUG, "split")
    labels = pictures.labels.numpy()
    ranks = np.empty(len(labels), dtype=np.int64)
    for digit in range(CLASSES):
        members = np.flatnonzero(labels == digit)
        ranks[members] = random.permutation(len(members))
    # All first ones of each digit, then all second ones, and so on; within a rank by chance.
    order = np.lexsort((random.random(len(labels)), ranks))
    return order[:train], order[train : train + test]


def used(*more: str) -> list[DataUse]:
    """Provenance of the private and of the public pictures, and of `more` files of the manifest."""
    import sklearn

    file = Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz"
    public = DataUse(
        name=file.name,
        version=f"scikit-learn {metadata.version('scikit-learn')}",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        licence="BSD-3-Clause (package); UCI Optical Recognition of Handwritten Digits, CC BY 4.0",
        rows=1797,
        note="public",
    )
    return [*uses(manifest(), "mnist_5k.csv.gz", *more), public]
