"""Pictures near a picture: how many are of its kind, and which pictures are near too many others (hubs).

Scores are (n, n) between the pictures of one gallery; a picture is never its own answer. Ties count against us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Neighbours:
    """How alike in kind near pictures are, of n pictures, m of which have another of their kind in the gallery.

    precision: (n,) share of the first k answers that are of the kind. r_precision: (m,) share of the first R, R the
    number of others of the kind. map_at_r: (m,) average precision at R, whose mean is mAP@R (Musgrave et al., A Metric
    Learning Reality Check, 2020). The chance_ fields are the means of a random order; best_precision is the mean that
    no order exceeds, since many kinds have fewer than k others.
    """

    k: int
    precision: NDArray[np.float64]
    r_precision: NDArray[np.float64]
    map_at_r: NDArray[np.float64]
    chance_precision: float
    chance_r_precision: float
    chance_map_at_r: float
    best_precision: float


def neighbours(scores: NDArray[np.floating], kinds: NDArray[np.generic], k: int = 5) -> Neighbours:
    """Judge the answers to each picture. scores: (n, n), finite; kinds: (n,) labels; k: 1 to n - 1.

    Raises ValueError outside these ranges.

    >>> found = neighbours(np.array([[0, 2, 1], [2, 0, 1], [1, 2, 0.0]]), np.array(["a", "a", "b"]), k=1)
    >>> found.precision.tolist(), found.chance_precision, found.best_precision
    ([1.0, 1.0, 0.0], 0.3333333333333333, 0.6666666666666666)
    """
    count = len(kinds)
    if scores.shape != (count, count) or not 1 <= k < count or not np.isfinite(scores).all():
        raise ValueError(f"scores {scores.shape} must be finite and ({count}, {count}), and k = {k} below {count}")
    same = kinds[:, None] == kinds[None]
    ordered = same[np.arange(count)[:, None], order(scores, same)]
    positives = same.sum(1) - 1
    r_precision, average = _at_r(ordered, positives)
    share = positives / (count - 1)
    judged = positives > 0
    return Neighbours(
        k,
        ordered[:, :k].mean(1),
        r_precision[judged],
        average[judged],
        float(share.mean()),
        float(share[judged].mean()) if judged.any() else 0.0,
        float(np.mean([chance_map_at_r(int(p), count - 1) for p in positives[judged]])) if judged.any() else 0.0,
        float((np.minimum(positives, k) / k).mean()),
    )


def order(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n, n - 1) the other pictures, best first; of equal scores, wrong ones come first."""
    count = len(scores)
    others = np.where(np.eye(count, dtype=bool), -np.inf, scores)
    return np.lexsort((relevant, -others), axis=1)[:, : count - 1]


def _at_r(ordered: NDArray[np.bool_], positives: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) R-precision and mAP@R; 0 where there is nothing right."""
    rank = np.arange(1, ordered.shape[1] + 1)
    first = ordered & (rank <= positives[:, None])
    divisor = np.maximum(positives, 1)
    precision_at = np.cumsum(first, axis=1) / rank
    return first.sum(1) / divisor, (precision_at * first).sum(1) / divisor


def chance_map_at_r(positives: int, others: int) -> float:
    """mAP@R of a random order: the mean over ranks i to R of P(right at i) E[precision at i given that].

    >>> chance_map_at_r(1, 10), chance_map_at_r(10, 10)
    (0.1, 1.0)
    """
    ranks = np.arange(1, positives + 1)
    another = (positives - 1) / max(others - 1, 1)
    return float((positives / others * (1 + (ranks - 1) * another) / ranks).mean())


@dataclass(frozen=True)
class Hubs:
    """How unevenly a gallery is answered with (Radovanović et al., Hubs in Space, JMLR 11, 2010).

    counts: (g,) queries that have a picture among their first k, N_k; skewness: of N_k, high when a few pictures answer
    many queries; chance_skewness: of a random order; top: indices of the five greatest hubs.
    """

    k: int
    counts: NDArray[np.int64]
    skewness: float
    chance_skewness: float
    top: NDArray[np.int64]


def hubs(scores: NDArray[np.floating], k: int = 10) -> Hubs:
    """Count how often each gallery picture is among the first k. scores: (q, g) with g above k.

    Raises ValueError when it is not.
    """
    queries, gallery = scores.shape
    if not 1 <= k < gallery:
        raise ValueError(f"k must be 1 to {gallery - 1}, got {k}")
    first = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    counts = np.bincount(first.ravel(), minlength=gallery)
    share, spread = k / gallery, counts.std()
    skewness = float(((counts - counts.mean()) ** 3).mean() / spread**3) if spread else 0.0
    chance = (1 - 2 * share) / np.sqrt(queries * share * (1 - share))
    return Hubs(k, counts, skewness, float(chance), np.argsort(-counts, kind="stable")[:5])
