"""Which texts of a round are sent up, where only a few may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.config import Policy

if TYPE_CHECKING:
    from numpy.typing import NDArray


def chosen(
    policy: Policy,
    sure_n: NDArray[np.floating],
    states_nw: NDArray[np.floating],
    count: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Places of `count` texts among n.

    sure_n: the small model's confidence; states_nw: what its last layer is given. hard: the least sure ones; diverse:
    the ones in the middle of as many clusters; all others by lot.
    """
    if policy == "hard":
        return np.argsort(sure_n, kind="stable")[:count]
    if policy == "diverse":
        return _middles(states_nw, count, random)
    return random.permutation(len(sure_n))[:count]


def _middles(states_nw: NDArray[np.floating], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    clusters = KMeans(count, n_init=1, random_state=int(random.integers(2**31))).fit(states_nw)
    far_n = np.linalg.norm(states_nw - clusters.cluster_centers_[clusters.labels_], axis=1)
    order = np.argsort(far_n, kind="stable")
    _, first = np.unique(clusters.labels_[order], return_index=True)
    found = order[first]
    # Of texts that are the same to the model there are fewer clusters than asked for.
    rest = np.setdiff1d(order, found)
    return np.concatenate([found, random.permutation(rest)[: count - len(found)]])
