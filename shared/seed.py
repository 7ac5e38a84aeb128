"""Random numbers: one seed per run, one independent generator per named purpose."""

from __future__ import annotations

import hashlib
import random
import sys

import numpy as np


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and, when it is already imported, torch.

    seed: from 0. New code takes `generator` instead; the global ones are for libraries that know nothing better.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """An independent generator for the purpose that `names` spell out; the same on every machine and in every process.

    seed: from 0. Raises ValueError when it is negative.

    >>> float(generator(7, "day", 3).random()) == float(generator(7, "day", 3).random())
    True
    >>> float(generator(7, "day", 3).random()) == float(generator(7, "day", 4).random())
    False
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    # Python's own hash is salted per process; a digest is not.
    digest = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=tuple(words)))
