"""Who answers: the small model where it is sure, the large one elsewhere. Beside it who is asked by lot, and who would
be asked if it were known when that helps.

All take the small model's confidence and whether each model is right, (n,) each, and say how many texts are sent up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """What is known of n texts: whether the small and the large model are right, and how sure the small one is."""

    small: Bools
    large: Bools
    sure: Floats

    def accuracy(self, sent: Bools) -> float:
        """Share of right answers, 0 to 1, when the texts `sent` are answered by the large model."""
        return float(np.where(sent, self.large, self.small).mean())


def threshold(sure_n: Floats, rate: float) -> float:
    """Confidence below which a text is sent up, so that of these texts a share `rate` is, 0 to 1.

    >>> threshold(np.array([0.6, 0.7, 0.8, 0.9, 1.0]), 0.25)
    0.7
    """
    return float(np.quantile(sure_n, rate))


def oracle(judged: Judged, rate: float) -> Bools:
    """Who would be sent at most a share `rate`, if it were known where the large model is right and the small one not:
    no choice of as many texts is better."""
    helps = judged.large & ~judged.small
    sent = np.zeros(len(helps), dtype=bool)
    sent[np.flatnonzero(helps)[: int(rate * len(helps))]] = True
    return sent


def by_lot(judged: Judged, rate: float) -> float:
    """Accuracy that is expected when a share `rate` is sent, whichever."""
    return float((1 - rate) * judged.small.mean() + rate * judged.large.mean())


def least_rate(judged: Judged, within: float) -> float:
    """Smallest share of texts, the least sure ones first, from which on the accuracy is never more than `within` below
    the large model's, both 0 to 1."""
    order = np.argsort(judged.sure, kind="stable")
    gains = judged.large[order].astype(float) - judged.small[order]
    behind = judged.large.mean() - judged.small.mean() - np.concatenate([[0.0], np.cumsum(gains)]) / len(gains)
    too_far = np.flatnonzero(behind > within + 1e-12)
    return float((too_far[-1] + 1) / len(gains)) if len(too_far) else 0.0
