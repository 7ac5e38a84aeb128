"""A sum of whole numbers that nobody sees the parts of: additive secret sharing modulo 2^64.

Each owner splits its numbers in as many shares as there are owners: all but the last are random words, the last is what
is missing to the secret. Any of them without one other are uniform and tell nothing. Each owner adds up the shares that
it was given and publishes that; all of these together are the sum, to the bit. All owners must stay to the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from demos.private_training.step.bits import Bits

LARGEST = 2**63 - 1  # of a sum, on either side of 0


def split(secret: NDArray[np.int64], owners: int, bits: Bits) -> NDArray[np.uint64]:
    """secret: (n,) whole numbers, of at most LARGEST / owners -> (owners, n) shares, whose sum modulo 2^64 it is.

    Raises UserError with fewer than 2 owners, from whom nothing is hidden, and for numbers whose sum could wrap around.
    """
    if owners < 2:
        raise UserError(f"a secure sum needs at least 2 owners, got {owners}: the sum of one is its own numbers")
    limit = LARGEST // owners
    # Not by abs, which leaves the least integer as it is.
    if secret.dtype != np.int64 or (secret > limit).any() or (secret < -limit).any():
        raise UserError(f"numbers of a secure sum of {owners} must be whole, at most {limit} on either side of 0")
    shares = np.empty((owners, len(secret)), dtype=np.uint64)
    shares[:-1] = bits.words((owners - 1) * len(secret)).reshape(owners - 1, -1)
    shares[-1] = secret.view(np.uint64) - added(shares[:-1])
    return shares


def added(shares: Sequence[NDArray[np.uint64]] | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(m, n) shares -> (n,) their sum modulo 2^64: what an owner publishes of those it was given."""
    return np.add.reduce(np.stack(list(shares)), axis=0, dtype=np.uint64)


def joined(published: Sequence[NDArray[np.uint64]]) -> NDArray[np.int64]:
    """(owners, n) published sums -> (n,) the sum of all secrets."""
    return added(published).view(np.int64)
