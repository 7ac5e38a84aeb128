"""Whether a picture shows its words: the words are to be found among 99 others by a judge that drew nothing.

The judge is kernel ridge regression from EfficientNet-Lite0's features of *all* real pictures, the held-out ones too,
to MiniLM's vectors of their names and tags. It knows what each thing looks like, which the model that draws does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

AMONG = 100  # prompts, the right one among them
GAMMA, RIDGE = 2.0, 0.1  # of exp(-gamma d² / median d²) and of the regression
SAMPLE = 300  # pictures whose distances set the scale


@dataclass(frozen=True)
class WordJudge:
    """model: scikit-learn's, from features of length 1 to centred texts."""

    model: Any

    @classmethod
    def fit(cls, features: Floats, texts: Floats) -> WordJudge:
        """features: (n, f) of real pictures; texts: (n, d) what they show, normalised."""
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.metrics.pairwise import euclidean_distances

        features = _unit(features)
        some = features[:: max(1, len(features) // SAMPLE)]
        scale = float(np.median(euclidean_distances(some, squared=True)))
        model = KernelRidge(kernel="rbf", gamma=GAMMA / scale, alpha=RIDGE)
        return cls(model.fit(features, texts - texts.mean(0)))

    def scores(self, features: Floats, prompts: Floats) -> Floats:
        """(n, m) how well each picture shows each prompt. features: (n, f); prompts: (m, d) texts, normalised."""
        said = _unit(self.model.predict(_unit(features)))
        return np.asarray(said @ _unit(prompts - prompts.mean(0)).T)

    def right(self, features: Floats, prompts: Floats, random: np.random.Generator) -> NDArray[np.bool_]:
        """(n,) whether each picture's own prompt is the nearest of AMONG, the others drawn from the other prompts.

        features: (n, f) of pictures; prompts: (n, d) texts, normalised. Ties count against the picture.
        """
        found = []
        for row, score in enumerate(self.scores(features, prompts)):
            others = random.permutation(np.delete(np.arange(len(prompts)), row))[: AMONG - 1]
            found.append(bool((score[others] < score[row]).all()))
        return np.array(found)


def chance(prompts: Sequence[str]) -> float:
    """Share of pictures that would be right by luck."""
    return 1 / min(AMONG, len(prompts))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
