"""How good the answers are, by how many texts go up: for each large model and its students."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.coevolution.cascade.choose import Judged, by_lot, least_rate, oracle, threshold
from demos.coevolution.cascade.confidence import calibration_error, confidence, least_error, temperature
from demos.coevolution.config import ModelsSection
from demos.coevolution.data import HOME, SCENES, SLUG, texts
from demos.coevolution.models.device import Device
from demos.coevolution.models.words import pieces
from demos.coevolution.splits import frozen
from demos.coevolution.training.fit import states_of
from demos.coevolution.training.jobs import (
    Answers,
    at_home,
    labels_of,
    opened_student,
    students_answers,
    teachers_answers,
)
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATES = tuple(round(0.05 * number, 2) for number in range(21))
WITHIN = 0.005  # of the large model's accuracy, 0 to 1
TARGET = 0.25  # share of the texts that may go up
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # of logistic regression
TO_THE_EDGE = 0.5  # share of the texts that the device hands to the edge, where there is one between


@dataclass(frozen=True)
class Cascade:
    """Of one seed.

    heat: temperature of the device; errors: expected calibration error of the device by scene, before and after,
    and what it would be of who is exactly as sure as he is right;
    curves: accuracy on the test at home at each of RATES, by who chooses; chosen: by scene, with the threshold that
    sends TARGET of those that calibrate at home: the share sent, the cascade's accuracy, the device's, the large
    model's; anew: likewise, with each scene's own threshold; least: by who chooses, the smallest share that is within
    WITHIN; helped: share of texts at home that the large model has right and the device has not; through: at home,
    with the edge between: share that reaches the edge, that reaches the cloud, accuracy;
    by_state: at home, when what goes up is not the text but what the device's last layer is given of it: accuracy, and
    bytes of that in half precision.
    """

    heat: float
    errors: dict[str, tuple[float, float, float]]
    curves: dict[str, list[float]]
    chosen: dict[str, tuple[float, float, float, float]]
    anew: dict[str, tuple[float, float, float, float]]
    least: dict[str, float]
    helped: float
    through: tuple[float, float, float]
    by_state: tuple[float, int]


@dataclass(frozen=True)
class Sides:
    """A device's model and those above it, on texts with labels."""

    labels: NDArray[np.int64]
    device: NDArray[np.float32]
    edge: NDArray[np.float32]
    cloud: NDArray[np.float32]

    def judged(self, heat: float) -> Judged:
        """The device and the cloud."""
        return Judged(
            self.device.argmax(1) == self.labels, self.cloud.argmax(1) == self.labels, confidence(self.device, heat)
        )


def cascade_of(folder: Path, seed: int, device: Path, edge: Path, home: ModelsSection) -> Cascade:
    """All that is asked of one seed. device, edge: files of the students."""
    most = home.test
    models = (students_answers(device), students_answers(edge), teachers_answers(folder, seed)[0])
    fitted = {scene: _sides(models, frozen().calibration[scene][:most]) for scene in SCENES}
    tests = {scene: _sides(models, frozen().test[scene][:most]) for scene in SCENES}
    heat = temperature(fitted[HOME].device, fitted[HOME].labels)
    judged = {scene: sides.judged(heat) for scene, sides in tests.items()}
    own = {scene: threshold(sides.judged(heat).sure, TARGET) for scene, sides in fitted.items()}
    return Cascade(
        heat,
        {scene: _errors(sides, heat) for scene, sides in tests.items()},
        curves_of(judged[HOME]),
        {str(scene): _sent(each, own[HOME]) for scene, each in judged.items()},
        {str(scene): _sent(each, own[scene]) for scene, each in judged.items()},
        _least(judged[HOME]),
        float((judged[HOME].large & ~judged[HOME].small).mean()),
        _through(fitted[HOME], tests[HOME], heat),
        _by_state(device, at_home(home, seed)[0], frozen().test[HOME][:most], judged[HOME].sure < own[HOME]),
    )


def _by_state(
    device: Path, known: NDArray[np.int64], test: NDArray[np.int64], sent: NDArray[np.bool_]
) -> tuple[float, int]:
    """The cloud has what the device's last layer is given of the labelled texts, and learns to read that: all it can do
    without the texts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    model = opened_student(device, "device")
    assert isinstance(model, Device)
    states = [states_of(model, pieces([texts()[place].text for place in places])).numpy() for places in (known, test)]
    reader = GridSearchCV(LogisticRegression(max_iter=2000), {"C": STRENGTHS}, cv=5)
    reader.fit(states[0], labels_of(known))
    with torch.inference_mode():
        own = model.head(torch.as_tensor(states[1])).argmax(1).numpy()
    said = np.where(sent, reader.predict(states[1]), own)
    return float((said == labels_of(test)).mean()), 2 * states[1].shape[1]


def _sides(models: tuple[Answers, Answers, Answers], places: NDArray[np.int64]) -> Sides:
    device, edge, cloud = (model.of(places).numpy() for model in models)
    return Sides(labels_of(places), device, edge, cloud)


def _errors(sides: Sides, heat: float) -> tuple[float, float, float]:
    right = sides.device.argmax(1) == sides.labels
    before, after = (calibration_error(confidence(sides.device, each), right) for each in (1.0, heat))
    return before, after, least_error(confidence(sides.device, heat), generator(0, SLUG, "calibrated"))


def curves_of(judged: Judged) -> dict[str, list[float]]:
    """Accuracy at each of RATES, by who chooses."""
    order = np.argsort(judged.sure, kind="stable")
    found: dict[str, list[float]] = {"confidence": [], "by lot": [], "oracle": []}
    for rate in RATES:
        sent = np.zeros(len(order), dtype=bool)
        sent[order[: round(rate * len(order))]] = True
        found["confidence"].append(judged.accuracy(sent))
        found["by lot"].append(by_lot(judged, rate))
        found["oracle"].append(judged.accuracy(oracle(judged, rate)))
    return found


def _sent(judged: Judged, border: float) -> tuple[float, float, float, float]:
    sent = judged.sure < border
    return float(sent.mean()), judged.accuracy(sent), float(judged.small.mean()), float(judged.large.mean())


def _least(judged: Judged) -> dict[str, float]:
    gap = float(judged.large.mean() - judged.small.mean())
    needed = max(0.0, gap - WITHIN)
    return {
        "confidence": least_rate(judged, WITHIN),
        "by lot": needed / gap if gap > 0 else 0.0,
        "oracle": needed,
    }


def _through(fitted: Sides, test: Sides, heat: float) -> tuple[float, float, float]:
    """The device hands TO_THE_EDGE to the edge, and the edge of these so many to the cloud that it is TARGET of all."""
    hot = temperature(fitted.edge, fitted.labels)
    to_edge = threshold(confidence(fitted.device, heat), TO_THE_EDGE)
    seen = confidence(fitted.device, heat) < to_edge
    to_cloud = threshold(confidence(fitted.edge, hot)[seen], TARGET / max(seen.mean(), TARGET))
    at_edge = confidence(test.device, heat) < to_edge
    at_cloud = at_edge & (confidence(test.edge, hot) < to_cloud)
    said = np.where(at_cloud, test.cloud.argmax(1), np.where(at_edge, test.edge.argmax(1), test.device.argmax(1)))
    return float(at_edge.mean()), float(at_cloud.mean()), float((said == test.labels).mean())
