"""Trainings that are broken on purpose, one line each, to see whether an audit finds it.

Each is a mistake that is easily made. `broken(name)` puts the wrong line in the place of the right one in
`learn.fit`, for as long as the block lasts; nothing else may train meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from demos.private_training.learn import fit as right
from demos.private_training.step import book
from demos.private_training.step.bits import Bits, SeededBits
from demos.private_training.step.noise import noisy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.private_training.config import Break

clipped_sums = right.clipped_sums


@contextmanager
def broken(name: Break) -> Iterator[None]:
    """Break `fit`."""
    line, wrong = _wrong(name)
    before = getattr(right, line)
    setattr(right, line, wrong)
    try:
        yield
    finally:
        setattr(right, line, before)


def _wrong(name: Break) -> tuple[str, Callable[..., Any]]:
    """The name of the line and what takes its place."""
    if name == "half the noise":
        return "noisy", _half
    if name == "no clipping":
        return "clipped_sums", _unclipped
    if name == "the mean is clipped":
        return "clipped_sums", _mean_clipped
    if name == "a seed used again":
        return "noisy", _seed_again
    return "included", _Shuffled()


def _half(sums: list[Tensor], bound: float, multiplier: float, bits: Bits) -> list[Tensor]:
    # The bound is that of a sum of which half is meant, or a standard deviation is taken for a variance.
    return noisy(sums, bound, multiplier / 2, bits)


def _unclipped(model: nn.Module, account: book.Book, units: right.Units, chosen: Tensor, bound: float) -> list[Tensor]:
    return clipped_sums(model, account, units, chosen, float("inf"))


def _mean_clipped(
    model: nn.Module, account: book.Book, units: right.Units, chosen: Tensor, bound: float
) -> list[Tensor]:
    # As `clip_grad_norm_` does after an ordinary backward pass.
    sums = _unclipped(model, account, units, chosen, bound)
    count = max(1, len(chosen))
    norm = float(sum(part.square().sum() for part in sums)) ** 0.5 / count
    return [part * min(1.0, bound / max(norm, 1e-12)) for part in sums]


def _seed_again(sums: list[Tensor], bound: float, multiplier: float, bits: Bits) -> list[Tensor]:
    return noisy(sums, bound, multiplier, SeededBits(0, "the same for every training"))


class _Shuffled:
    """Batches of one shuffled pass after another, as an ordinary loader makes them."""

    def __init__(self) -> None:
        self._left: list[NDArray[np.intp]] = []

    def __call__(self, bits: Bits, count: int, rate: float) -> NDArray[np.intp]:
        if not self._left:
            order = np.argsort(bits.words(count), kind="stable")
            self._left = np.array_split(order, round(1 / rate))
        return self._left.pop()


@contextmanager
def unguarded() -> Iterator[None]:
    """Let any layer train, as if no one had thought of what it shows of the others."""
    before = book._refusal
    book._refusal = lambda *_: ""
    try:
        yield
    finally:
        book._refusal = before


def with_batch_norm(width: int, classes: int) -> nn.Module:
    """(n, width) -> (n, classes): a network whose first layer is normalised over the batch."""
    return nn.Sequential(
        nn.Linear(width, 16),
        nn.BatchNorm1d(16, affine=False, track_running_stats=False),
        nn.Tanh(),
        nn.Linear(16, classes),
    )
