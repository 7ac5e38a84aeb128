"""One training each, in a form that travels to other processes; what they share lies in a folder.

A large model learns from few labels at home, and answers for many texts; small ones learn from its answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.coevolution.config import CourseSection, LargeName, ModelsSection, StudentName
from demos.coevolution.data import HOME, SCENES, SLUG, Scene, texts
from demos.coevolution.models.device import by_chance, from_vectors, static_vectors
from demos.coevolution.models.encoder import CLASSES, Encoder, fresh, inherited, without_dropout
from demos.coevolution.models.mpnet import mpnet_folder
from demos.coevolution.models.top import Below, read_through
from demos.coevolution.models.words import pieces, words
from demos.coevolution.splits import frozen, labelled_at_home
from demos.coevolution.training.fit import Course, Lesson, Objective, fit, judged, soft
from demos.coevolution.training.stretches import stretches
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

Material = Literal[
    "labels alone",
    "distilled on the labelled",
    "and on others at home",
    "and on those of all scenes",
    "and on stretches of all",
]
MATERIALS: tuple[Material, ...] = get_args(Material)
# Stretches are for the device: the edge, in as many steps, learned less from them than from whole texts.
LAST: dict[StudentName, Material] = {"edge": MATERIALS[3], "device": MATERIALS[4]}
Scores = dict[str, float]  # accuracy on the test of each scene, 0 to 1


@dataclass(frozen=True)
class Teaching:
    """Train a large model and let it answer; both are left in `folder`."""

    models: ModelsSection
    seed: int
    folder: Path
    device: str


@dataclass(frozen=True)
class Learning:
    """Train a small model on what `Teaching` left, and leave it there. blank: it starts from chance, where it has the
    choice; objective: ours, or that of a peer, which is not left."""

    student: StudentName
    material: Material
    models: ModelsSection
    seed: int
    folder: Path
    device: str
    blank: bool = False
    objective: Objective = "ours"

    @property
    def file(self) -> Path:
        """Where it is left."""
        return student_file(self.folder, self.student, self.material, self.seed, self.blank)


@dataclass(frozen=True)
class Answers:
    """Of a model. places: (n,) in `texts()`; logits: (n, 2)."""

    places: Tensor
    logits: Tensor

    def rows(self, places: NDArray[np.int64]) -> Tensor:
        """Where these places are among the n. Raises KeyError when one is not."""
        where = torch.full((len(texts()),), -1)
        where[self.places] = torch.arange(len(self.places))
        found = where[torch.as_tensor(places)]
        if bool((found < 0).any()):
            raise KeyError("a text that was not answered")
        return found

    def of(self, places: NDArray[np.int64]) -> Tensor:
        """(m, 2) logits of these places."""
        return self.logits[self.rows(places)]


def teach(job: Teaching) -> Scores:
    """The large model, on the labelled texts at home."""
    known, _ = at_home(job.models, job.seed)
    lesson = hard(known)
    cloud = fit(large(job.models.large, job.seed), lesson, course(job.models.cloud), job.seed, job.device)
    torch.save(static_vectors(cloud, device=job.device), job.folder / f"vectors-{job.seed}.pt")
    answer_stretches(cloud, job.models, job.seed, job.folder, job.device)
    return answer(cloud, job.models, job.seed, job.folder, job.device)


def large(name: LargeName, seed: int = 0) -> Encoder:
    """One as it was published, with a head by chance, that reads MiniLM's word pieces as all models here do."""
    return fresh(None, seed) if name == "MiniLM" else fresh(None, seed, mpnet_folder(), words())


def answer(cloud: Encoder, models: ModelsSection, seed: int, folder: Path, device: str = "cpu") -> Scores:
    """Let a large model answer all texts that others learn from, or that judge; it and its answers are left. device:
    where it is computed."""
    places = torch.as_tensor(np.concatenate([everything(models, seed), *judges(models)]))
    rows = pieces([texts()[place].text for place in places.tolist()])
    below, states = read_through(cloud, rows, models.upper_layers, device)
    with torch.inference_mode():
        answers = Answers(places, cloud.head(states))
    torch.save(vars(answers) | {"states": states} | vars(below), folder / f"answers-{seed}.pt")
    torch.save({"large": models.large, "weights": cloud.state_dict()}, folder / f"cloud-{seed}.pt")
    return scored(answers, models)


def answer_stretches(cloud: Encoder, models: ModelsSection, seed: int, folder: Path, device: str = "cpu") -> None:
    """Let a large model answer stretches of all texts that a small one may learn from; both are left. device: as for
    `answer`."""
    rows = pieces([texts()[place].text for place in everything(models, seed)])
    cut = stretches(rows, models.stretches, generator(seed, SLUG, "stretches"))
    logits = judged(cloud, cut, device=device) if cut else torch.empty(0, CLASSES)
    torch.save({"rows": cut, "logits": logits}, folder / f"stretches-{seed}.pt")


def learn(job: Learning) -> Scores:
    """A small model."""
    section = job.models.edge if job.student == "edge" else job.models.device
    how = course(section, objective=job.objective)
    student = fit(_start(job), material(job, section.temperature), how, job.seed, job.device)
    places = torch.as_tensor(np.concatenate(judges(job.models)))
    rows = pieces([texts()[place].text for place in places.tolist()])
    answers = Answers(places, judged(student, rows, device=job.device))
    if job.objective == "ours":
        leave(student, answers, job.models, job.file)
    return scored(answers, job.models)


def leave(student: nn.Module, answers: Answers, models: ModelsSection, file: Path) -> None:
    """A small model, and what it said of the texts that judge."""
    torch.save({"large": models.large, "weights": student.state_dict(), "answers": vars(answers)}, file)


def student_file(folder: Path, student: str, kind: Material, seed: int, blank: bool) -> Path:
    """Where a small model lies."""
    return folder / f"{student}-{MATERIALS.index(kind)}{'-blank' if blank else ''}-{seed}.pt"


def teachers_answers(folder: Path, seed: int) -> tuple[Answers, Tensor, Below]:
    """What a large model said, its (n, w) pooled states, and what it made of the texts below its last layers."""
    left = _left(folder / f"answers-{seed}.pt")
    return Answers(left["places"], left["logits"]), left["states"], Below(left["flat"], left["starts"])


def students_answers(file: Path) -> Answers:
    """What a small model said of the texts that judge."""
    return Answers(**_left(file)["answers"])


def _left(file: Path) -> dict[str, Any]:
    return dict(torch.load(file, weights_only=True, mmap=True))


def opened_cloud(folder: Path, seed: int) -> Encoder:
    """A large model that was trained."""
    left = _left(folder / f"cloud-{seed}.pt")
    cloud = large(left["large"])
    cloud.load_state_dict(left["weights"])
    return cloud.eval()


def opened_student(file: Path, student: StudentName) -> nn.Module:
    """A small model that was trained."""
    left = _left(file)
    model = by_chance(words().size, 0) if student == "device" else inherited(large(left["large"]))
    model.load_state_dict(left["weights"])
    return model.eval()


def at_home(models: ModelsSection, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the labelled texts, and of the others at home."""
    known, others = labelled_at_home(seed, models.labelled)
    return known, others[: models.unlabelled]


def unlabelled(models: ModelsSection, seed: int) -> dict[Scene, NDArray[np.int64]]:
    """Places of texts without a label, by scene."""
    return {
        scene: at_home(models, seed)[1] if scene == HOME else frozen().rest[scene][: models.unlabelled]
        for scene in SCENES
    }


def everything(models: ModelsSection, seed: int) -> NDArray[np.int64]:
    """Places of all texts that a small model may learn from."""
    return np.concatenate([at_home(models, seed)[0], *unlabelled(models, seed).values()])


def judges(models: ModelsSection) -> list[NDArray[np.int64]]:
    """Places of texts that calibrate and that test, of each scene."""
    return [places[: models.test] for part in (frozen().calibration, frozen().test) for places in part.values()]


def material(job: Learning, temperature: float) -> Lesson:
    """What is learned from. temperature: of a teacher's answers; labels have none."""
    known, others = at_home(job.models, job.seed)
    if job.material == "labels alone":
        return hard(known)
    places = {
        "distilled on the labelled": known,
        "and on others at home": np.concatenate([known, others]),
    }.get(job.material, everything(job.models, job.seed))
    answers, states, _ = teachers_answers(job.folder, job.seed)
    rows = answers.rows(places)
    said = pieces([texts()[place].text for place in places])
    if job.material != "and on stretches of all":
        return Lesson(said, soft(answers.logits[rows], temperature), states[rows], temperature)
    cut = torch.load(job.folder / f"stretches-{job.seed}.pt", weights_only=True)
    targets = soft(torch.cat([answers.logits[rows], cut["logits"]]), temperature)
    return Lesson([*said, *cut["rows"]], targets, temperature=temperature)


def hard(places: NDArray[np.int64]) -> Lesson:
    """Texts with their labels."""
    labels = torch.tensor([texts()[place].label for place in places])
    return Lesson(pieces([texts()[place].text for place in places]), functional.one_hot(labels, CLASSES).float())


def _start(job: Learning) -> nn.Module:
    if job.student == "device":
        if job.blank:
            return by_chance(words().size, job.seed)
        return from_vectors(torch.load(job.folder / f"vectors-{job.seed}.pt", weights_only=True), job.seed)
    edge = inherited(opened_cloud(job.folder, job.seed))
    return edge if job.material == "labels alone" else without_dropout(edge)


def course(section: CourseSection, **others: Any) -> Course:
    """As the config has it, and others of its fields."""
    return Course(section.steps, section.batch, section.rate, getattr(section, "state_weight", 0.0), **others)


def scored(answers: Answers, models: ModelsSection) -> Scores:
    """Accuracy on the test of each scene, or on the first so many of its texts."""
    return {str(scene): accuracy(answers, places[: models.test]) for scene, places in frozen().test.items()}


def accuracy(answers: Answers, places: NDArray[np.int64]) -> float:
    """Share of these texts, which have labels, that are answered as they are labelled, 0 to 1."""
    return float(right_by_text(answers, places).mean())


def right_by_text(answers: Answers, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether each of these texts, which have labels, is answered as it is labelled."""
    return np.asarray(answers.of(places).argmax(1).numpy() == labels_of(places))


def labels_of(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of texts that have one."""
    return np.array([texts()[place].label for place in places], dtype=np.int64)
