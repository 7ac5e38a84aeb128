"""What a loop stands on: what comes, what people say of it, who judges, and the models that it begins with.

A loop asks for nothing else, so that it is the same for texts and for pictures.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from torch import Tensor, nn

from demos.coevolution.config import ModelsSection, UpSection
from demos.coevolution.data import HOME, texts
from demos.coevolution.models.encoder import without_dropout
from demos.coevolution.models.top import Below, Top
from demos.coevolution.models.words import pieces
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import (
    Answers,
    Scores,
    at_home,
    labels_of,
    opened_cloud,
    opened_student,
    teachers_answers,
    unlabelled,
)
from demos.coevolution.up.stream import one_rating, rounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.coevolution.training.fit import Rows

    Parts = dict[str, NDArray[np.int64]]
    Right = dict[str, NDArray[np.bool_]]  # by scene, (n,) whether each of its texts is answered as it is labelled


class Ground(Protocol):
    """Everything is called by its place, a number. home: the scene that the models know; classes: that an answer is
    one of; calibration, test: places of each scene, which have labels; at_home: those that are rehearsed."""

    @property
    def home(self) -> str: ...

    @property
    def classes(self) -> int: ...

    @property
    def calibration(self) -> Parts: ...

    @property
    def test(self) -> Parts: ...

    @property
    def at_home(self) -> NDArray[np.int64]: ...

    def large(self) -> nn.Module:
        """What learns of the large model; with `pooled`, and with a head."""
        ...

    def small(self) -> nn.Module:
        """The device's model, of another class; likewise."""
        ...

    def arriving(self, seed: int, up: UpSection) -> list[NDArray[np.int64]]:
        """What comes to the device in each round."""
        ...

    def word(self, place: int, seed: int) -> int | None:
        """The class that the person names who is asked; None for who names none."""
        ...

    def labels(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The true class of what judges."""
        ...

    def said(self, places: NDArray[np.int64]) -> Tensor:
        """(n, classes) logits of the large model before the first round."""
        ...

    def for_the_large(self, places: NDArray[np.int64]) -> Rows:
        """What `large` is given."""
        ...

    def for_the_small(self, places: NDArray[np.int64]) -> Rows:
        """What `small` is given."""
        ...

    def size(self, place: int) -> int:
        """Bytes that go up."""
        ...


@dataclass(frozen=True)
class Sentences:
    """Texts, and the models of home number `seed`, which lie in `folder`; the device's in `device_file`."""

    models: ModelsSection
    seed: int
    folder: Path
    device_file: Path
    home: str = HOME
    classes: int = 2

    @functools.cached_property
    def _left(self) -> tuple[Answers, Below]:
        answers, _, below = teachers_answers(self.folder, self.seed)
        return answers, below

    @property
    def calibration(self) -> Parts:
        """The first so many of each scene."""
        return {str(scene): part[: self.models.test] for scene, part in frozen().calibration.items()}

    @property
    def test(self) -> Parts:
        """Likewise."""
        return {str(scene): part[: self.models.test] for scene, part in frozen().test.items()}

    @property
    def at_home(self) -> NDArray[np.int64]:
        """With a label or without."""
        return np.concatenate(at_home(self.models, self.seed))

    def large(self) -> nn.Module:
        """Its last layers, without dropout: by its noise alone what is rehearsed would drift."""
        return Top(without_dropout(opened_cloud(self.folder, self.seed)), self.models.upper_layers)

    def small(self) -> nn.Module:
        """Vectors of word pieces."""
        return opened_student(self.device_file, "device")

    def arriving(self, seed: int, up: UpSection) -> list[NDArray[np.int64]]:
        """Texts of new scenes."""
        return rounds(seed, up.rounds, up.stream, up.shares, unlabelled(self.models, self.seed))

    def word(self, place: int, seed: int) -> int | None:
        """The side of one rating; 0 is none."""
        rating = one_rating(place, seed)
        return int(rating > 0) if rating else None

    def labels(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The side of the mean rating."""
        return labels_of(places)

    def said(self, places: NDArray[np.int64]) -> Tensor:
        """As it was left."""
        return self._left[0].of(places)

    def for_the_large(self, places: NDArray[np.int64]) -> Rows:
        """(l, w) states of each text below the last layers."""
        answers, below = self._left
        return below.of(answers.rows(places).tolist())

    def for_the_small(self, places: NDArray[np.int64]) -> Rows:
        """Numbers of word pieces of each text."""
        return pieces([texts()[place].text for place in places])

    def size(self, place: int) -> int:
        """Of the text in UTF-8."""
        return len(texts()[place].text.encode())


def right(logits: Tensor, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether each answer is right."""
    return np.asarray(logits.argmax(1).numpy() == labels)


def scores_of(found: Right) -> Scores:
    """Accuracy in each scene."""
    return {scene: float(each.mean()) for scene, each in found.items()}
