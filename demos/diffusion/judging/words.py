"""Whether a picture shows its words: the words are to be found among 99 others by a judge that drew nothing.

The judge is kernel ridge regression from EfficientNet-Lite0's features of one real picture of each family, the
held-out ones too, to MiniLM's vectors of their names and tags. It knows what each thing looks like, which the model
that draws does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
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
    """model: scikit-learn's, from features of length 1 to centred texts; inverse: (n, n) of its regularised kernel."""

    model: Any
    inverse: Floats

    @classmethod
    def fit(cls, features: Floats, texts: Floats) -> WordJudge:
        """features: (n, f) of real pictures; texts: (n, d) what they show, normalised."""
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

        features = _unit(features)
        some = features[:: max(1, len(features) // SAMPLE)]
        scale = float(np.median(euclidean_distances(some, squared=True)))
        model = KernelRidge(kernel="rbf", gamma=GAMMA / scale, alpha=RIDGE)
        model.fit(features, texts - texts.mean(0))
        kernel = rbf_kernel(features, gamma=model.gamma)
        return cls(model, np.linalg.inv(kernel + RIDGE * np.eye(len(kernel))))

    def says(self, features: Floats, without: NDArray[np.int64] | None = None) -> Floats:
        """(n, d) the words for pictures, of length 1. features: (n, f).

        without: (n,) for each picture the one, by its place in the fit, that a judge would not have learned.
        """
        from sklearn.metrics.pairwise import rbf_kernel

        features = _unit(features)
        found = self.model.predict(features)
        if without is not None:
            # What the fit gives for all minus what the left-out one adds: its coefficients follow from the inverse.
            column = self.inverse[:, without]
            added = (rbf_kernel(features, self.model.X_fit_, gamma=self.model.gamma) * column.T).sum(1)
            found = found - (added / column[without, np.arange(len(without))])[:, None] * self.model.dual_coef_[without]
        return _unit(found)

    def scores(self, said: Floats, prompts: Floats) -> Floats:
        """(n, m) how well the words for n pictures go with each prompt. said: (n, d); prompts: (m, d), normalised."""
        return np.asarray(said @ _unit(prompts - prompts.mean(0)).T)

    def precision(self, said: Floats, prompts: Floats) -> NDArray[np.float64]:
        """(n,) how probably each picture's own prompt is the nearest of AMONG, the others being any of the prompts.

        said: (n, d) the words for pictures; prompts: (n, d) texts, normalised. Ties count against the picture.
        """
        scores = self.scores(said, prompts)
        count = len(prompts)
        others = min(AMONG, count) - 1
        better = (scores >= np.diag(scores)[:, None]).sum(1) - 1
        ways = comb(count - 1, others)
        return np.array([comb(count - 1 - int(number), others) / ways for number in better])


def chance(prompts: Sequence[str]) -> float:
    """Share of pictures that would be right by luck."""
    return 1 / min(AMONG, len(prompts))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
