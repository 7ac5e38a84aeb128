"""scikit-learn's IsolationForest as a peer: fitted on early training data, threshold from the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import IsolationForest

from demos.renewables.faults.events import Event, touched
from demos.renewables.faults.peers import cut, false_episodes, months, system
from demos.renewables.faults.replay import PvRecord, TurbineRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

Features = Callable[[PvRecord | TurbineRecord], "NDArray[np.float64]"]
FIT_SHARE = 0.7
LEVELS = (*np.geomspace(0.05, 1e-4, 40).tolist(), 0.0)


@dataclass(frozen=True)
class Forest:
    """A fitted forest; samples that score below the threshold are flagged."""

    name: str
    note: str
    model: Any
    features: Features
    threshold: float

    def flags(self, record: PvRecord | TurbineRecord) -> NDArray[np.bool_]:
        """(n,) whether each sample is too easily isolated."""
        scores = _scores(self.model, self.features(record))
        return np.asarray(scores < self.threshold)


def _scores(model: Any, table: NDArray[np.float64]) -> NDArray[np.float64]:
    scores = np.full(len(table), np.inf)
    whole = np.isfinite(table).all(axis=1)
    if whole.any():
        scores[whole] = model.score_samples(table[whole])
    return scores


def fit_forest(
    name: str,
    training: Sequence[PvRecord | TurbineRecord],
    features: Features,
    events: Sequence[Event],
    budget: float,
    trees: int,
    seed: int,
) -> Forest:
    """Fit on the first 70 % of training without its labelled events; the rest sets the threshold by the budget."""
    early, late = [], []
    for record in training:
        split = record.seconds[0] + FIT_SHARE * (record.seconds[-1] - record.seconds[0])
        early.append(cut(record, record.seconds[0], split))
        late.append(cut(record, split, record.seconds[-1] + 1))
    rows = np.concatenate([_healthy(record, features(record), events) for record in early])
    model = IsolationForest(n_estimators=trees, max_samples=min(1024, len(rows)), random_state=seed, n_jobs=1).fit(rows)
    scores = [_scores(model, features(record)) for record in late]
    every = np.concatenate([one[np.isfinite(one)] for one in scores])
    allowed = budget * months(late)
    threshold = -np.inf
    for level in LEVELS:
        value = float(np.quantile(every, level))
        found = sum(false_episodes(one < value, record, events) for one, record in zip(scores, late, strict=True))
        if found <= allowed:
            threshold = value
            break
    return Forest(name, "sample by sample, causal features, sees the expected power", model, features, threshold)


def _healthy(
    record: PvRecord | TurbineRecord, table: NDArray[np.float64], events: Sequence[Event]
) -> NDArray[np.float64]:
    own = [event for event in events if event.source == system(record)]
    bad = np.zeros(len(table), dtype=bool)
    for event in own:
        if touched(event.source, record.seconds[0], record.seconds[-1], [event]):
            bad |= (record.seconds >= event.start) & (record.seconds <= event.end)
    return table[np.isfinite(table).all(axis=1) & ~bad]
