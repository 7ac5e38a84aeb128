"""All students on all material, for each seed, and what is learned otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import HOME
from demos.coevolution.down.peers import Plain, Static, Taught, plain, static, taught
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import (
    LAST,
    MATERIALS,
    Learning,
    Material,
    Scores,
    learn,
    right_by_text,
    students_answers,
    teachers_answers,
)
from demos.coevolution.training.trained import Cell, Trained
from shared import device as devices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.coevolution.config import CoevolutionConfig, StudentName
    from demos.coevolution.training.fit import Objective

PLAIN = "TF-IDF, logistic regression"
STATIC = "model2vec, logistic regression"
TAUGHT = "TF-IDF, logistic regression, taught"
TEST, CALIBRATION = "test", "calibration"
LOSSES: dict[Objective, str] = {"KD": "device, torchdistill's KD", "DIST": "device, torchdistill's DIST"}


@dataclass(frozen=True)
class Found:
    """Of each seed: the large model, the small ones, and the peers: on the same labels without a large model, or the
    device on everything by another's loss. by_text: of each part at home that no training saw, of the large
    model, "cloud", and of each student that learned from all: (n,) the share of seeds that are right on each text."""

    cloud: list[Scores]
    students: dict[Cell, list[Scores]]
    peers: dict[str, list[Scores]]
    by_text: dict[str, dict[str, NDArray[np.float64]]]


def cells(config: CoevolutionConfig) -> list[Cell]:
    """What is trained; the device's model also from chance, on labels and on everything."""
    found: list[Cell] = [(student, kind, False) for student in config.down.students for kind in learned_from(student)]
    if "device" in config.down.students:
        found += [("device", kind, True) for kind in (MATERIALS[0], LAST["device"])]
    return found


def learned_from(student: StudentName) -> tuple[Material, ...]:
    """All that a student is trained on, up to its last."""
    return MATERIALS[: MATERIALS.index(LAST[student]) + 1]


def compare(trained: Trained) -> Found:
    """Train everything."""
    students = trained.students(cells(trained.config))
    return Found(trained.clouds(), students, _peers(trained), _by_text(trained))


def _by_text(trained: Trained) -> dict[str, dict[str, NDArray[np.float64]]]:
    answers = {"cloud": [teachers_answers(trained.folder, seed)[0] for seed in trained.seeds]}
    for student in trained.config.down.students:
        answers[student] = [students_answers(file) for file in trained.lying(student, LAST[student])]
    parts = {TEST: frozen().test[HOME], CALIBRATION: frozen().calibration[HOME]}
    return {
        part: {
            name: np.mean([right_by_text(each, places[: trained.config.models.test]) for each in said], axis=0)
            for name, said in answers.items()
        }
        for part, places in parts.items()
    }


def _peers(trained: Trained) -> dict[str, list[Scores]]:
    models, run = trained.config.models, trained.run
    found = {
        PLAIN: run.map("plain models", plain, [Plain(seed, models.labelled, models.test) for seed in trained.seeds])
    }
    (found[STATIC],) = run.map("static vectors", static, [Static(tuple(trained.seeds), models.labelled, models.test)])
    hearing = [Taught(seed, models, trained.folder) for seed in trained.seeds]
    found[TAUGHT] = run.map("plain models, taught", taught, hearing)
    if "device" in trained.config.down.students:
        device = devices.resolve(trained.config.device)
        jobs = [
            Learning("device", LAST["device"], models, seed, trained.folder, device, objective=loss)
            for loss in LOSSES
            for seed in trained.seeds
        ]
        for job, scores in zip(jobs, run.map("losses of others", learn, jobs), strict=True):
            found.setdefault(LOSSES[job.objective], []).append(scores)
    return found
