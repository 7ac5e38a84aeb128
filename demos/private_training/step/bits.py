"""Where randomness comes from: the operating system, or a seed for experiments that are to be repeated.

Whoever knows the bits can take the noise off again. A system source is keyed by the operating system and takes no
seed; what is trained with a seeded one protects nobody, and every report says which of the two it was.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD = 2.0**-53  # of a uniform number with all the bits that float64 holds
BLOCK = memoryview(bytes(1 << 16))  # of zeros, which the cipher turns into its stream
SPARE = 16  # bytes behind its output that the cipher asks for


class Bits(Protocol):
    """A source of random words. `seeded` tells whether they can be had again."""

    seeded: bool

    def words(self, count: int) -> NDArray[np.uint64]:
        """`count` independent words of 64 bits."""


class SystemBits:
    """AES-256 in counter mode under a key of the operating system: several times as fast as asking it for all bits.

    The key is fresh in each process: a fork that went on with its parent's would draw the same noise twice, and the
    difference of two such results has none.
    """

    seeded = False

    def __init__(self) -> None:
        self._stream: Any = None
        self._process = -1

    def words(self, count: int) -> NDArray[np.uint64]:
        """`count` independent words of 64 bits."""
        if self._process != os.getpid():
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

            self._stream = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(os.urandom(16))).encryptor()
            self._process = os.getpid()
        # Into one array, block by block: the cipher's own arrays would take longer than the cipher.
        words = np.empty(8 * count + SPARE, dtype=np.uint8)
        for start in range(0, 8 * count, len(BLOCK)):
            self._stream.update_into(BLOCK[: 8 * count - start], words.data[start:])
        return words[: 8 * count].view(np.uint64)


class SeededBits:
    """The same words for the same seed and names, for experiments only."""

    seeded = True

    def __init__(self, seed: int, *names: str | int) -> None:
        self._random = generator(seed, "private_training", *names)

    def words(self, count: int) -> NDArray[np.uint64]:
        """`count` words of 64 bits, the next of the stream."""
        return self._random.integers(0, 2**64, count, dtype=np.uint64)


def included(bits: Bits, count: int, rate: float) -> NDArray[np.intp]:
    """Poisson sampling: each of `count` units by a coin of its own that shows it with probability `rate`, 0 to 1.

    The batch may be empty. Returns the units, in order.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be above 0 and at most 1, got {rate}")
    if rate == 1:
        return np.arange(count)
    return np.flatnonzero(bits.words(count) < np.uint64(int(rate * 2**64)))


def gaussian(bits: Bits, count: int) -> Tensor:
    """`count` standard normal numbers (float64) by Box and Muller's formula.

    From uniform numbers of 53 bits, so that the tail is cut where 1.1e-16 of it is left: torch's own float32 numbers
    end at 5.8, which is within what a delta of 1e-5 over a few thousand parameters and steps has to cover.
    """
    half = (count + 1) // 2
    # The upper 53 bits; torch's shift is an arithmetic one, which the mask undoes.
    words = torch.from_numpy(bits.words(2 * half).view(np.int64)).bitwise_right_shift_(11).bitwise_and_(2**53 - 1)
    words = words.double().view(2, half)
    radius = words[0].add_(1).mul_(WORD).log_().mul_(-2).sqrt_()
    angle = words[1].mul_(2 * torch.pi * WORD)
    numbers = torch.empty_like(words)
    torch.cos(angle, out=numbers[0])
    torch.sin(angle, out=numbers[1])
    return numbers.mul_(radius).flatten()[:count]
