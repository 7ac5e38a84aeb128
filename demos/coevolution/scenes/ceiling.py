"""How well one person knows what the others think: a ceiling for what a single rating can teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demos.coevolution.data import Text


def agreement(texts: Sequence[Text]) -> tuple[float, float]:
    """Of texts with a label, each person against the mean of all others: how often both are on the same side, and how
    often the person said 0, which is on neither. Each 0 to 1, each text counting the same."""
    same, neither = [], []
    for text in texts:
        if text.label is None:
            continue
        ratings = np.array(text.ratings, dtype=float)
        others = ratings.sum() - ratings
        same.append(float(np.mean(np.sign(ratings) * np.sign(others) > 0)))
        neither.append(float(np.mean(ratings == 0)))
    return float(np.mean(same)), float(np.mean(neither))
