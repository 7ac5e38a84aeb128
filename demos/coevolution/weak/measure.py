"""The way up without labels in the cloud: devices adapt to their own scenes, and what they then say of texts there, as
sure as they are, teaches the large model, which is stronger than they are (Burns et al. 2023)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.coevolution.cascade.confidence import temperature
from demos.coevolution.config import WeakSection
from demos.coevolution.data import texts
from demos.coevolution.models.device import Device
from demos.coevolution.models.encoder import CLASSES
from demos.coevolution.models.words import pieces
from demos.coevolution.training.fit import Course, Lesson, fit, judged, soft
from demos.coevolution.training.jobs import Scores, course, labels_of
from demos.coevolution.up.evolve import Evolution, Loop
from demos.coevolution.up.stream import NEW, one_rating
from shared.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Strengthening:
    """loop: the models, the texts that come in its one round, and the lots."""

    loop: Evolution
    weak: WeakSection


@dataclass(frozen=True)
class Strengthened:
    """Accuracy on the test: of the device as it came, and of those adapted, together; of the large model as it was,
    taught by them, taught by them while it holds to itself, and taught the true labels of the same texts."""

    device: Scores
    weak: Scores
    start: Scores
    taught: Scores
    held: Scores
    ceiling: Scores


def strengthen(job: Strengthening) -> Strengthened:
    """One stream."""
    loop = Loop(job.loop)
    (arrived,) = loop.arriving()
    adapted = {str(scene): _adapted(loop, arrived, scene, job.weak) for scene in NEW}
    labelled = np.array([place for place in arrived if texts()[place].label is not None])
    said = _together(loop, adapted, labelled)
    true = functional.one_hot(torch.as_tensor(labels_of(labelled)), CLASSES).float()
    how = course(job.weak.cloud, head_factor=1.0)
    device = loop.scores(loop.small)
    return Strengthened(
        device,
        {scene: _right(_together(loop, adapted, places), places) for scene, places in loop.ground.test.items()},
        loop.scores(loop.top),
        _learned(loop, labelled, said, how),
        _learned(loop, labelled, said, replace(how, own_share=job.weak.own_share)),
        _learned(loop, labelled, true, how),
    )


def _adapted(loop: Loop, arrived: NDArray[np.int64], scene: str, weak: WeakSection) -> tuple[Device, float]:
    """The device of a scene, after a few words of people that stay with it, and the temperature of its answers."""
    here = [int(place) for place in arrived if texts()[place].scene == scene][: weak.words]
    heard = [(place, rating) for place in here if (rating := one_rating(place, loop.job.seed))]
    if not heard:
        raise UserError(f"none of {len(here)} people had an opinion on a {scene}: weak.words must be larger")
    labels = torch.tensor([int(rating > 0) for _, rating in heard])
    rows = pieces([texts()[place].text for place, _ in heard])
    lesson = Lesson(rows, functional.one_hot(labels, CLASSES).float())
    device = fit(copy.deepcopy(loop.small), lesson, course(weak.device), loop.seed_of(0), loop.job.device)
    # Of home: labels of the scene are not there.
    places = loop.ground.calibration[loop.ground.home]
    return device, temperature(loop.on(device, places).numpy(), labels_of(places))


def _together(loop: Loop, adapted: dict[str, tuple[Device, float]], places: NDArray[np.int64]) -> Tensor:
    """(n, 2) the mean of what all devices say, each as sure as it is."""
    rows = pieces([texts()[place].text for place in places])
    return torch.stack([soft(judged(device, rows), heat) for device, heat in adapted.values()]).mean(0)


def _right(said: Tensor, places: NDArray[np.int64]) -> float:
    return float((said.argmax(1).numpy() == labels_of(places)).mean())


def _learned(loop: Loop, places: NDArray[np.int64], targets: Tensor, how: Course) -> Scores:
    """The large model after it learned these, and what it said of texts at home."""
    lesson = loop.with_home(1, places, targets)
    return loop.scores(fit(copy.deepcopy(loop.top), lesson, how, loop.seed_of(1), loop.job.device))
