"""Whether a picture shows its words: the words are to be found among 99 others by a judge that drew nothing.

The judge is kernel ridge regression from EfficientNet-Lite0's features of *all* real pictures, the held-out ones too,
to MiniLM's vectors of their names and tags. It knows what each thing looks like, which the model that draws does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

AMONG = 100  # prompts, the right one among them
GAMMA, RIDGE = 2.0, 0.1  # of exp(-gamma d² / median d²) and of the regression
SAMPLE = 300  # pictures whose distances set the scale


@dataclass(frozen=True)
class WordJudge:
    """features: (n, f) of the real pictures, of length 1; weights: (n, d)."""

    features: Floats
    weights: Floats
    scale: float

    @classmethod
    def fit(cls, features: Floats, texts: Floats) -> WordJudge:
        """features: (n, f) of real pictures; texts: (n, d) what they show, normalised."""
        features = _unit(features)
        some = features[:: max(1, len(features) // SAMPLE)]
        scale = float(np.median(_distances(some, some)))
        kernel = np.exp(-GAMMA * _distances(features, features) / scale)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        centre = texts.mean(0)
        return cls(features, np.linalg.solve(kernel, texts - centre).astype(np.float32), scale)

    def right(self, features: Floats, prompts: Floats, random: np.random.Generator) -> NDArray[np.bool_]:
        """(n,) whether each picture's own prompt is the nearest of AMONG, the others drawn from the other prompts.

        features: (n, f) of pictures; prompts: (n, d) texts, normalised. Ties count against the picture.
        """
        kernel = np.exp(-GAMMA * _distances(_unit(features), self.features) / self.scale)
        said = _unit(kernel @ self.weights)
        scores = said @ _unit(prompts - prompts.mean(0)).T
        found = []
        for row, score in enumerate(scores):
            others = random.permutation(np.delete(np.arange(len(prompts)), row))[: AMONG - 1]
            found.append(bool((score[others] < score[row]).all()))
        return np.array(found)


def chance(prompts: Sequence[str]) -> float:
    """Share of pictures that would be right by luck."""
    return 1 / min(AMONG, len(prompts))


def _unit(vectors: NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _distances(one: Floats, other: Floats) -> Floats:
    return np.maximum((one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T, 0)
