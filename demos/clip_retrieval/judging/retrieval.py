"""Retrieval metrics on a matrix of scores, with the value that chance has on the same gallery.

Scores are (q, g), higher is nearer; relevant is (q, g), true where an answer is right: one query may have several right
answers (Chun et al., ECCV Caption, 2022). Ties count against us: a wrong answer with the score of the best right one is
ranked before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def relevance(queries: NDArray[np.generic], gallery: NDArray[np.generic]) -> Bools:
    """(q, g) whether a query and a gallery picture agree in any label. queries: (q, l); gallery: (g, l), such as a
    number for the name and one for the picture, so that equal names and identical pictures are all right answers.

    >>> relevance(np.array([[1, 7]]), np.array([[1, 8], [2, 7], [2, 8]])).tolist()
    [[True, True, False]]
    """
    return np.asarray((queries[:, None, :] == gallery[None, :, :]).any(-1))


def ranks(scores: NDArray[np.floating], relevant: Bools) -> Ints:
    """(q,) rank of the first right answer, from 1: one more than the wrong answers that score at least as much.

    Raises ValueError when a score is not finite, the shapes differ or a query has no right answer.

    >>> ranks(np.array([[0.9, 0.5, 0.5]]), np.array([[False, True, False]])).tolist()
    [3]
    """
    _check(scores, relevant)
    if not relevant.any(1).all():
        raise ValueError("a query without a right answer in the gallery")
    best = np.where(relevant, scores, -np.inf).max(1, keepdims=True)
    return np.asarray(((scores >= best) & ~relevant).sum(1) + 1)


@dataclass(frozen=True)
class Ranked:
    """Ranks of queries and what they were ranked among. ranks: (q,) from 1; positives: (q,) right answers of each;
    gallery: pictures searched."""

    ranks: Ints
    positives: Ints
    gallery: int

    @classmethod
    def of(cls, scores: NDArray[np.floating], relevant: Bools) -> Ranked:
        """From scores and relevance, both (q, g)."""
        return cls(ranks(scores, relevant), relevant.sum(1), relevant.shape[1])

    @classmethod
    def pooled(cls, parts: Sequence[Ranked]) -> Ranked:
        """The queries of folds together. Raises ValueError when their galleries are not of one size."""
        (gallery,) = {part.gallery for part in parts}
        return cls(
            np.concatenate([part.ranks for part in parts]), np.concatenate([part.positives for part in parts]), gallery
        )

    def hits(self, k: int) -> Floats:
        """(q,) 1 where a right answer is among the first k, else 0; their mean is R@k."""
        return (self.ranks <= k).astype(float)

    def reciprocal(self) -> Floats:
        """(q,) 1 / rank; their mean is the MRR."""
        return np.asarray(1 / self.ranks)

    def hits_among(self, size: int, k: int = 1) -> Floats:
        """(q,) probability of a hit among the first k when only `size` pictures of the gallery, one of them the best
        right answer, are searched: exact over all such choices, by the hypergeometric distribution.

        size: 1 to the gallery's. Raises ValueError outside, or where a query has more than one right answer.
        """
        if not 1 <= size <= self.gallery or (self.positives != 1).any():
            raise ValueError(f"size must be 1 to {self.gallery}, with one right answer a query")
        others, drawn = self.gallery - 1, size - 1
        found = np.zeros(len(self.ranks))
        for rank in np.unique(self.ranks).tolist():
            ahead = rank - 1
            ways = sum(comb(ahead, j) * comb(others - ahead, drawn - j) for j in range(min(k, drawn + 1)))
            found[self.ranks == rank] = ways / comb(others, drawn)
        return found

    def chance_hits(self, k: int) -> float:
        """R@k of a random order: 1 - C(g - p, k) / C(g, k), the mean over queries; k / g with one right answer.

        >>> Ranked(np.array([1]), np.array([1]), 400).chance_hits(10)
        0.025
        """
        return self._chance(lambda p: (comb(self.gallery, k) - comb(self.gallery - p, k)) / comb(self.gallery, k))

    def chance_reciprocal(self) -> float:
        """MRR of a random order: the mean of sum over r of P(first right answer at r) / r."""
        return self._chance(lambda p: float((first_right(self.gallery, p) / np.arange(1, self.gallery + 1)).sum()))

    def chance_median(self) -> float:
        """Median rank of a random order: the first rank at which half of the queries have a right answer; (g + 1) / 2
        with one right answer and g odd."""
        values, counts = np.unique(self.positives, return_counts=True)
        mixed = sum(n * first_right(self.gallery, int(p)) for p, n in zip(values, counts, strict=True)) / counts.sum()
        return float(np.searchsorted(np.cumsum(mixed), 0.5 - 1e-12) + 1)

    def _chance(self, of_positives: Callable[[int], float]) -> float:
        values, counts = np.unique(self.positives, return_counts=True)
        return float(np.average([of_positives(int(p)) for p in values], weights=counts))


def first_right(gallery: int, positives: int) -> Floats:
    """(g,) probability that a random order has its first right answer at rank 1, 2, ...: C(g - r, p - 1) / C(g, p).

    >>> first_right(3, 1).round(3).tolist(), first_right(3, 2).round(3).tolist()
    ([0.333, 0.333, 0.333], [0.667, 0.333, 0.0])
    """
    total = comb(gallery, positives)
    return np.array([comb(gallery - rank, positives - 1) / total for rank in range(1, gallery + 1)])


def _check(scores: NDArray[np.floating], relevant: Bools) -> None:
    if scores.shape != relevant.shape or scores.ndim != 2:
        raise ValueError(f"scores {scores.shape} and relevant {relevant.shape} must both be (queries, gallery)")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
