"""Lots that each unit draws for its own rows: whether another unit is there changes none of them.

Drawn by place in the file, all lots would move when one unit leaves, and the sum over units by far more than that
unit's bound. Lots of its own need no secret seed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from shared.seed import generator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

GOLDEN, FIRST, SECOND = (np.uint64(word) for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def identities(names: Iterable[str]) -> NDArray[np.uint64]:
    """Of each unit a number of its name alone."""
    digests = [hashlib.sha256(name.encode()).digest()[:8] for name in names]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def lots(whose: NDArray[np.uint64], numbers: NDArray[np.int64], seed: int, *names: str) -> NDArray[np.uint64]:
    """A lot for each row (n,), of nothing but the seed and purpose, its unit's identity and its number among the rows
    of that unit."""
    word = generator(seed, "private_training", *names).integers(0, 2**64, dtype=np.uint64)
    return _mixed(_mixed(whose ^ word) + numbers.astype(np.uint64) * GOLDEN)


def numbered(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the same key come before each (n,)."""
    order = np.argsort(keys, kind="stable")
    _, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
    numbers = np.empty(len(keys), dtype=np.int64)
    numbers[order] = np.arange(len(keys)) - np.repeat(starts, counts)
    return numbers


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Steele, Lea and Flood's finalizer (SplitMix64, OOPSLA 2014): each bit of a word moves all of the result."""
    with np.errstate(over="ignore"):
        words = (words ^ (words >> np.uint64(30))) * FIRST
        words = (words ^ (words >> np.uint64(27))) * SECOND
    return words ^ (words >> np.uint64(31))
