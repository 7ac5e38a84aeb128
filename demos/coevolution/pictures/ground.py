"""Digits as a loop is given them, and the models of home."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.coevolution.config import PicturesSection, UpSection
from demos.coevolution.data import SLUG
from demos.coevolution.pictures.digits import CLASSES, HOME, SIDE, digits
from demos.coevolution.pictures.networks import Large, Small, by_chance
from demos.coevolution.training.fit import Lesson, fit, judged, soft
from demos.coevolution.training.jobs import course
from shared.errors import UserError
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pictures:
    """Models of home number `seed`, in `file`. wrong: how often the simulated person names another digit."""

    seed: int
    file: Path
    wrong: float
    home: str = HOME
    classes: int = CLASSES

    @functools.cached_property
    def _models(self) -> tuple[nn.Module, nn.Module]:
        left = torch.load(self.file, weights_only=True)
        models = by_chance(Large, 0), by_chance(Small, 0)
        for model, kind in zip(models, ("large", "small"), strict=True):
            model.load_state_dict(left[kind])
            model.eval()
        return models

    @functools.cached_property
    def _said(self) -> Tensor:
        return judged(self._models[0], list(digits().images))

    @property
    def calibration(self) -> dict[str, NDArray[np.int64]]:
        """Of each scene."""
        return digits().calibration

    @property
    def test(self) -> dict[str, NDArray[np.int64]]:
        """Of each scene."""
        return digits().test

    @property
    def at_home(self) -> NDArray[np.int64]:
        """With a label or without."""
        return digits().rest[HOME]

    def large(self) -> nn.Module:
        """All of it."""
        return self._models[0]

    def small(self) -> nn.Module:
        """All of it."""
        return self._models[1]

    def arriving(self, seed: int, up: UpSection) -> list[NDArray[np.int64]]:
        """Of each new scene as many. Raises UserError when there are too few."""
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(up.rounds)]
        new = {scene: places for scene, places in digits().rest.items() if scene != HOME}
        for scene, places in new.items():
            each = up.stream // len(new)
            if each * up.rounds > len(places):
                raise UserError(f"{each * up.rounds} pictures are to come of the scene {scene}, with {len(places)}")
            order = generator(seed, SLUG, "pictures", scene).permutation(places)
            for number, part in enumerate(found):
                part.append(order[number * each : (number + 1) * each])
        random = generator(seed, SLUG, "order of pictures")
        return [random.permutation(np.concatenate(parts)) for parts in found]

    def word(self, place: int, seed: int) -> int | None:
        """The digit, or by lot another."""
        lot = generator(seed, SLUG, "person", str(place))
        label = int(digits().labels[place])
        return int((label + lot.integers(1, CLASSES)) % CLASSES) if lot.random() < self.wrong else label

    def labels(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The digit."""
        return digits().labels[places]

    def said(self, places: NDArray[np.int64]) -> Tensor:
        """As it was before the first round."""
        return self._said[torch.as_tensor(places)]

    def for_the_large(self, places: NDArray[np.int64]) -> list[Tensor]:
        """(28, 28) pixels of each."""
        return list(digits().images[torch.as_tensor(places)])

    def for_the_small(self, places: NDArray[np.int64]) -> list[Tensor]:
        """(28, 28) pixels of each."""
        return self.for_the_large(places)

    def size(self, place: int) -> int:
        """Of the pixels."""
        return SIDE * SIDE


@dataclass(frozen=True)
class Schooling:
    """Train both models at home, and leave them."""

    pictures: PicturesSection
    seed: int
    file: Path
    device: str


def school(job: Schooling) -> Path:
    """The large one learns from labels, the small one from what it says of these and of all others at home."""
    section = job.pictures
    here = generator(job.seed, SLUG, "labelled pictures").permutation(digits().rest[HOME])
    known = here[: section.labelled]
    labels = functional.one_hot(torch.as_tensor(digits().labels[known]), CLASSES).float()
    rows = list(digits().images[torch.as_tensor(known)])
    large = fit(
        by_chance(Large, job.seed), Lesson(rows, labels), course(section.cloud, head_factor=1.0), job.seed, job.device
    )
    rows, heat = list(digits().images[torch.as_tensor(here)]), section.device.temperature
    lesson = Lesson(rows, soft(judged(large, rows), heat), temperature=heat)
    small = fit(by_chance(Small, job.seed), lesson, course(section.device, head_factor=1.0), job.seed, job.device)
    torch.save({"large": large.state_dict(), "small": small.state_dict()}, job.file)
    return job.file
