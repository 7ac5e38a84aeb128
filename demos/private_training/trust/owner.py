"""What an owner does with its rows: nothing of them leaves but whole numbers, clipped and with noise, in shares."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.private_training.learn.fit import clipped_sums, refuse_labels, trained
from demos.private_training.step.bits import SeededBits, SystemBits, gaussian
from demos.private_training.step.book import Book
from shared import seed
from shared.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from demos.private_training.learn.fit import Units
    from demos.private_training.trust.plan import Plan

DEMO = Path(__file__).parent.parent
EXACT = 2**53  # whole numbers up to here are exact in float64


@dataclass(frozen=True)
class Owner:
    """name: as in the ledger; units: those of its own rows; classes: how many labels there may be, which is public.

    Made by who holds the rows, and so the place to look at them. Raises UserError without any, and for other labels.
    """

    name: str
    units: Units
    classes: int = 2

    def __post_init__(self) -> None:
        if not len(self.units):
            raise UserError(f"trust: owner {self.name!r} has no rows")
        refuse_labels(self.units, self.classes)


def numbers(owner: Owner, model: nn.Module, plan: Plan, step: int) -> NDArray[np.int64]:
    """The sum of clipped gradients of its units with its noise, in steps of the lattice: (size of the model,).

    Raises UserError where they are too large to be exact.
    """
    with one_thread():
        book = Book(model.train())
        everyone = torch.arange(len(owner.units))
        sums = clipped_sums(model, book, owner.units, everyone, plan.bound)
        book.close()
        flat = torch.cat([part.detach().flatten() for part in sums]).double()
        whole = flat.div_(plan.step(len(flat))).round_()
        if plan.multiplier:
            bits = SystemBits() if plan.seed is None else SeededBits(plan.seed, "owner", owner.name, step)
            whole.add_(gaussian(bits, len(flat)).mul_(plan.own_noise(len(flat))).round_())
    if not bool((whole.abs() < EXACT).all()):
        raise UserError(f"trust: the sum of {owner.name!r} is too large for the lattice; take a larger bound")
    return whole.numpy().astype(np.int64)


def load(model: nn.Module, weights: list[NDArray[np.float32]]) -> nn.Module:
    """`model` with other weights, in the order of those that train."""
    with torch.no_grad():
        for parameter, array in zip(trained(model), weights, strict=True):
            parameter.copy_(torch.from_numpy(np.array(array)))
    return model


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums of floats depend on how many threads share them, and here they are to be the same everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def code_hash() -> str:
    """SHA-256 over the code that an owner runs.

    Each owner tells the hash of its own code, and nothing makes it tell the truth: an attestation by hardware would.
    Here that is SIMULATED, and every place that shows the hash says so.
    """
    parts = ("budget/*.py", "learn/fit.py", "learn/networks.py", "step/*.py", "trust/*.py")
    files = [file for part in parts for file in sorted(DEMO.glob(part))]
    files.append(Path(seed.__file__))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
