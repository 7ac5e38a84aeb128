"""Stretches cut from texts, for a large model to answer: what it says of half a sentence tells a small one which words
made it say so, and there are many more of them than of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHORTEST = 3  # pieces
LONGEST = 0.8  # of a text's


def stretches(rows: Sequence[Sequence[int]], copies: int, random: np.random.Generator) -> list[list[int]]:
    """`copies` from each text that has more than SHORTEST pieces, of a length and from a place by lot, between the
    signs that open and close a text.

    rows: numbers of word pieces, with those two signs.
    """
    found: list[list[int]] = []
    for _ in range(copies):
        for row in rows:
            inner = row[1:-1]
            if len(inner) <= SHORTEST:
                continue
            length = int(random.integers(SHORTEST, max(SHORTEST, int(LONGEST * len(inner))) + 1))
            start = int(random.integers(len(inner) - length + 1))
            found.append([row[0], *inner[start : start + length], row[-1]])
    return found
