"""One training each, in a form that travels to other processes; what they share lies in a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.coevolution.config import CourseSection, DownSection, StudentName
from demos.coevolution.data import HOME, SCENES, texts
from demos.coevolution.models.device import by_chance, from_vectors, static_vectors
from demos.coevolution.models.encoder import CLASSES, Encoder, fresh, inherited
from demos.coevolution.models.tokens import pieces, tokenizer
from demos.coevolution.splits import frozen, labelled_at_home
from demos.coevolution.training.fit import Course, Lesson, fit, judged, soft, states_of

if TYPE_CHECKING:
    from torch import nn

Material = Literal["labels alone", "distilled on the labelled", "and on others at home", "and on those of all scenes"]
MATERIALS: tuple[Material, ...] = get_args(Material)
Scores = dict[str, float]  # accuracy on the test of each scene, 0 to 1


@dataclass(frozen=True)
class Teaching:
    """Train a large model and let it answer; both are left in `folder`."""

    down: DownSection
    seed: int
    folder: Path
    device: str


@dataclass(frozen=True)
class Learning:
    """Train a small model on what `Teaching` left. blank: it starts from chance, where it has the choice."""

    student: StudentName
    material: Material
    down: DownSection
    seed: int
    folder: Path
    device: str
    blank: bool = False


@dataclass(frozen=True)
class Answers:
    """Of a large model. rows: word pieces of n texts; labels: (n,), -1 of those that it did not learn from; home: (n,)
    whether a text is of the home scene; logits: (n, 2); states: (n, w)."""

    rows: list[list[int]]
    labels: Tensor
    home: Tensor
    logits: Tensor
    states: Tensor


def teach(job: Teaching) -> Scores:
    """The large model, on the labelled texts at home."""
    known, others = labelled_at_home(job.seed, job.down.labelled)
    scenes = [others if scene == HOME else frozen().rest[scene] for scene in SCENES]
    unknown = np.concatenate([part[: job.down.unlabelled] for part in scenes])
    given = [texts()[place] for place in (*known, *unknown)]
    rows, labels = pieces([text.text for text in given]), torch.tensor([text.label or 0 for text in given])
    labels[len(known) :] = -1
    course = _course(job.down.cloud)
    cloud = fit(fresh(None, job.seed), _hard(rows, labels), course, job.seed, job.device)
    home = torch.tensor([text.scene == HOME for text in given])
    states = states_of(cloud, rows)
    with torch.inference_mode():
        answers = Answers(rows, labels, home, cloud.head(states), states)
    torch.save(vars(answers), job.folder / f"answers-{job.seed}.pt")
    torch.save(cloud.state_dict(), job.folder / f"cloud-{job.seed}.pt")
    torch.save(static_vectors(cloud), job.folder / f"vectors-{job.seed}.pt")
    return tested(cloud, job.down.test)


def learn(job: Learning) -> Scores:
    """A small model."""
    answers = Answers(**torch.load(job.folder / f"answers-{job.seed}.pt", weights_only=True))
    section = job.down.edge if job.student == "edge" else job.down.device
    lesson, course = material(answers, job.material, _course(section))
    return tested(fit(_start(job), lesson, course, job.seed, job.device), job.down.test)


def material(answers: Answers, kind: Material, course: Course) -> tuple[Lesson, Course]:
    """What is learned from, and how: from labels there is no temperature, and there are no states."""
    if kind == "labels alone":
        return _hard(answers.rows, answers.labels), replace(course, temperature=1.0, state_weight=0.0)
    everything = torch.ones(len(answers.rows), dtype=torch.bool)
    wanted = {
        "distilled on the labelled": answers.labels >= 0,
        "and on others at home": answers.home,
        "and on those of all scenes": everything,
    }[kind]
    places = wanted.nonzero()[:, 0]
    rows = [answers.rows[place] for place in places]
    return Lesson(rows, soft(answers.logits[places], course.temperature), answers.states[places]), course


def _hard(rows: list[list[int]], labels: Tensor) -> Lesson:
    places = (labels >= 0).nonzero()[:, 0]
    return Lesson([rows[place] for place in places], functional.one_hot(labels[places], CLASSES).float())


def _start(job: Learning) -> nn.Module:
    if job.student == "device":
        if job.blank:
            return by_chance(tokenizer().get_vocab_size(), job.seed)
        return from_vectors(torch.load(job.folder / f"vectors-{job.seed}.pt", weights_only=True), job.seed)
    cloud = Encoder()
    cloud.load_state_dict(torch.load(job.folder / f"cloud-{job.seed}.pt", weights_only=True))
    return inherited(cloud)


def _course(section: CourseSection) -> Course:
    return Course(section.steps, section.batch, section.rate, section.temperature, section.state_weight)


def tested(model: nn.Module, most: int | None) -> Scores:
    """On the test of each scene, or the first `most` of its texts."""
    found = {}
    for scene, places in frozen().test.items():
        asked = [texts()[place] for place in places[:most]]
        answers = judged(model, pieces([text.text for text in asked])).argmax(1).tolist()
        found[str(scene)] = float(np.mean([answer == text.label for answer, text in zip(answers, asked, strict=True)]))
    return found
