"""A model goes out in 8 bits only if it still says the same: otherwise in 32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.cascade.confidence import temperature
from demos.coevolution.data import HOME, texts
from demos.coevolution.deploy.export import export
from demos.coevolution.deploy.runtime import MODEL, TOKENIZER, Student
from demos.coevolution.models.words import words
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import Answers, labels_of
from shared.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from demos.coevolution.models.words import Words
    from demos.coevolution.versions.store import Store, Writer
    from demos.coevolution.versions.version import Version

MOST_LOST = 0.005  # of accuracy, 0 to 1
LEAST_AGREEMENT = 0.98


@dataclass(frozen=True)
class Parity:
    """lost: accuracy by which a file is behind its model; agreement: share of texts on which both say the same;
    furthest: largest difference of a probability."""

    lost: float
    agreement: float
    furthest: float

    @property
    def holds(self) -> bool:
        """Whether the file may go out."""
        return self.lost <= MOST_LOST and self.agreement >= LEAST_AGREEMENT


@dataclass(frozen=True)
class Sent:
    """A version that was deployed; and of each width that was tried, in bits, its folder and how far it is from its
    model."""

    version: Version
    folders: dict[int, Path]
    parity: dict[int, Parity]


@dataclass(frozen=True)
class Judging:
    """Texts by which a file is judged, their labels, and the (n, 2) logits of the model it is made from."""

    texts: list[str]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]


def judging(answers: Answers, places: NDArray[np.int64]) -> Judging:
    """By these of `texts()`, which have labels."""
    asked = [texts()[place] for place in places]
    return Judging([text.text for text in asked], labels_of(places), answers.of(places).numpy())


def parity(student: Student, by: Judging) -> Parity:
    """A file beside its model."""
    ours = np.array([student.logits(student.pieces(text)) for text in by.texts])
    said, meant = ours.argmax(1), by.logits.argmax(1)
    odds = [1 / (1 + np.exp(each[:, 0] - each[:, 1])) for each in (ours, by.logits)]
    return Parity(
        float((meant == by.labels).mean() - (said == by.labels).mean()),
        float((said == meant).mean()),
        float(np.abs(odds[0] - odds[1]).max()),
    )


def send(
    store: Store,
    kind: str,
    model: nn.Module,
    by: Judging,
    *,
    heat: float,
    data: str,
    scores: dict[str, float],
    parent: str | None = None,
    teacher: str | None = None,
    note: str = "",
    vocabulary: Words | None = None,
) -> Sent:
    """Add a version in 8 bits, and deploy it if it is at one with its model; otherwise one in 32. heat: temperature of
    its answers. Raises UserError where that is not either; nothing is deployed then."""
    folders: dict[int, Path] = {}
    found: dict[int, Parity] = {}
    for bits in (8, 32):
        version = store.add(
            kind,
            written(model, bits, vocabulary),
            data=data,
            scores=scores,
            parent=parent,
            teacher=teacher,
            temperature=heat,
            note=f"{note}, {bits} bits" if note else f"{bits} bits",
        )
        folders[bits] = store.folder / version.name
        found[bits] = parity(Student(folders[bits]), by)
        if found[bits].holds:
            break
    else:
        raise UserError(f"the file of the {kind} does not say what its model says, not even in 32 bits: {found[32]}")
    store.deploy(version.name)
    return Sent(version, folders, found)


def written(model: nn.Module, bits: int, vocabulary: Words | None = None) -> Writer:
    """What puts the files of a version into a folder: all that a device needs."""

    def write(folder: Path) -> None:
        export(model, folder / MODEL, bits)
        (folder / TOKENIZER).write_bytes((vocabulary or words()).file.read_bytes())

    return write


def home_temperature(answers: Answers, most: int | None = None) -> float:
    """Of a model's answers, by those that calibrate at home."""
    places = frozen().calibration[HOME]
    places = places[np.isin(places, answers.places.numpy())][:most]
    return temperature(answers.of(places).numpy(), labels_of(places))
