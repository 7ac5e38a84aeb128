"""More devices, each with a stream of its own scene and a budget: through one large model, or by averaging the weights
of what each learns alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from demos.coevolution.data import SLUG, Scene, texts
from demos.coevolution.models.device import Device
from demos.coevolution.models.encoder import CLASSES
from demos.coevolution.models.words import pieces
from demos.coevolution.training.fit import Course, Lesson, fit, soft
from demos.coevolution.training.jobs import Scores
from demos.coevolution.up.evolve import Evolution, Loop
from demos.coevolution.up.ground import scores_of
from demos.coevolution.up.stream import NEW, one_rating
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Gathering:
    """A loop whose stream is that of `devices` devices together; averaged: without the large model; course: how each
    then learns alone."""

    loop: Evolution
    devices: int
    averaged: bool
    course: Course


@dataclass(frozen=True)
class Gathered:
    """Accuracy on the test of the device's model, before and after; labels: words of people that were used."""

    before: Scores
    after: Scores
    labels: int


def scenes_of(devices: int) -> list[Scene]:
    """The scene of each device, in turns."""
    return [NEW[number % len(NEW)] for number in range(devices)]


def shares_of(devices: int) -> dict[Scene, float]:
    """Share of each scene in what comes to all devices together."""
    scenes = scenes_of(devices)
    return {scene: scenes.count(scene) / devices for scene in NEW}


def gather(job: Gathering) -> Gathered:
    """All rounds."""
    loop = Loop(job.loop)
    before = loop.scores(loop.small)
    if not job.averaged:
        after = loop.run()[-1].small
        assert after is not None
        return Gathered(before, scores_of(after), sum(target is not None for target in loop.targets))
    labels = _average(loop, job)
    return Gathered(before, loop.scores(loop.small), labels)


def _average(loop: Loop, job: Gathering) -> int:
    """Federated averaging (McMahan et al. 2017): in each round every device goes on from the common model with the
    words that it has so far, and as many texts of home as the first model answered them; the common model becomes the
    mean of theirs, by how many words each has. As in the other way it goes out only if no scene loses too much."""
    up = job.loop.up
    scenes = scenes_of(job.devices)
    heard: list[list[tuple[int, int]]] = [[] for _ in scenes]
    random = generator(job.loop.seed, SLUG, "averaged", str(job.devices))
    first = copy.deepcopy(loop.small)
    for number, arrived in enumerate(loop.arriving(), start=1):
        for words, places in zip(heard, _dealt(arrived, scenes, random), strict=True):
            picked = places[: up.uploads // job.devices]
            ratings = [(int(place), one_rating(int(place), job.loop.seed)) for place in picked]
            words += [(place, int(rating > 0)) for place, rating in ratings if rating]
        trained = [_alone(loop, first, words, job.course, number) for words in heard if words]
        counts = [len(words) for words in heard if words]
        if not counts:
            continue
        candidate = averaged(loop.small, [model.state_dict() for model in trained], counts)
        loop.small, _ = loop.goes_out("device", loop.small, candidate)
    return sum(len(words) for words in heard)


def _dealt(arrived: NDArray[np.int64], scenes: list[Scene], random: np.random.Generator) -> list[NDArray[np.int64]]:
    """What comes to each device, of its own scene."""
    parts: dict[Scene, list[NDArray[np.int64]]] = {}
    for scene in dict.fromkeys(scenes):
        places = random.permutation([place for place in arrived if texts()[place].scene == scene])
        parts[scene] = list(np.array_split(places, scenes.count(scene)))
    return [parts[scene].pop() for scene in scenes]


def _alone(loop: Loop, first: Device, words: list[tuple[int, int]], how: Course, number: int) -> Device:
    home = loop.rehearsed(number, len(words))
    labels = functional.one_hot(torch.tensor([label for _, label in words]), CLASSES).float()
    rows = pieces([texts()[place].text for place in (*home, *[place for place, _ in words])])
    lesson = Lesson(rows, torch.cat([soft(loop.on(first, home), 1.0), labels]))
    return fit(copy.deepcopy(loop.small), lesson, how, loop.seed_of(number), loop.job.device)


def averaged(start: Device, weights: list[dict[str, torch.Tensor]], counts: list[int]) -> Device:
    """A model with the mean of these weights, by these counts."""
    found = copy.deepcopy(start)
    shares = torch.tensor(counts, dtype=torch.float32) / sum(counts)
    mean = {name: sum(share * each[name] for share, each in zip(shares, weights, strict=True)) for name in weights[0]}
    found.load_state_dict(mean)
    return found
