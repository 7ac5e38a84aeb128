"""The models of a run as files: exported, compared with what they were made from, deployed and timed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.coevolution.data import texts
from demos.coevolution.deploy.gate import Parity, home_temperature, judging, parity, send, written
from demos.coevolution.deploy.measure import Latency, latencies
from demos.coevolution.deploy.runtime import Student
from demos.coevolution.models.words import pieces
from demos.coevolution.splits import frozen
from demos.coevolution.training.fit import judged
from demos.coevolution.training.jobs import (
    LAST,
    Answers,
    accuracy,
    at_home,
    hard,
    opened_cloud,
    opened_student,
    student_file,
    teachers_answers,
    unlabelled,
)
from demos.coevolution.training.shipped import write
from demos.coevolution.versions.store import STUDENTS, Store, hashed

if TYPE_CHECKING:
    from torch import nn

    from demos.coevolution.training.trained import Trained


WEIGHTS = "weights"  # folder of a run with its models as they would be shipped
CLOUD = "cloud, 32 bits"
EVERY = 12  # of the texts that test, one in so many is timed


@dataclass(frozen=True)
class Deployed:
    """parity: of each file, by its name; latency: likewise; words: (n,) seconds to cut a text up; out: folder of the
    version of each kind that went out."""

    parity: dict[str, Parity]
    latency: dict[str, Latency]
    out: dict[str, Path]


def deployed(trained: Trained) -> Deployed:
    """Those of the first seed, in 32 and in 8 bits; what goes out lies in the run's folder."""
    trained.clouds()
    trained.students([(student, kind, False) for student, kind in LAST.items()])
    trained.run.say("files: export, compare, time")
    folder, seed = trained.folder, trained.seeds[0]
    store, spare = Store(trained.run.folder / STUDENTS), Store(trained.folder / "spare")
    places = np.concatenate([part[: trained.config.models.test] for part in frozen().calibration.values()])
    rows = pieces([texts()[place].text for place in places])
    parities: dict[str, Parity] = {}
    folders: dict[str, Path] = {}
    out: dict[str, Path] = {}
    cloud: str | None = None
    for kind, model in _models(folder, seed):
        # In 32 bits, as a file computes, where trainings may have done so in 16.
        answers = Answers(torch.as_tensor(places), judged(model, rows, exact=True))
        known, data = _learned(trained, kind, answers)
        by, heat = judging(answers, places), home_temperature(answers)
        sent = send(store, kind, model, by, heat=heat, data=data, scores=known, teacher=cloud, note="from home")
        out[kind] = store.folder / sent.version.name
        cloud = sent.version.name if kind == "cloud" else cloud
        for bits in (8, 32):
            name = f"{kind}, {bits} bits"
            if bits in sent.parity:
                folders[name], parities[name] = sent.folders[bits], sent.parity[bits]
            else:
                folders[name] = _other(spare, kind, model, bits)
                parities[name] = parity(Student(folders[name]), by)
    if trained.config.models.source == "trained" and trained.config.models.large == "MiniLM":
        write(trained.run.folder / WEIGHTS, dict(_models(folder, seed)))
    asked = [texts()[place].text for part in frozen().test.values() for place in part[::EVERY]]
    order = {CLOUD: folders[CLOUD], **folders}
    latency = latencies(order, asked, ("cloud, 8 bits", "edge, 8 bits", "device, 8 bits"))
    return Deployed(parities, latency, out)


def _models(folder: Path, seed: int) -> list[tuple[str, nn.Module]]:
    students = {
        student: opened_student(student_file(folder, student, kind, seed, False), student)
        for student, kind in LAST.items()
    }
    return [("cloud", opened_cloud(folder, seed)), *students.items()]


def _learned(trained: Trained, kind: str, answers: Answers) -> tuple[dict[str, float], str]:
    """Accuracy on what calibrates, by scene, and the hash of what a model at home learned from; of those that are
    shipped it is not known here."""
    models, seed = trained.config.models, trained.seeds[0]
    scores = {str(scene): accuracy(answers, places[: models.test]) for scene, places in frozen().calibration.items()}
    if models.source == "shipped":
        return scores, ""
    known = at_home(models, seed)[0]
    if kind == "cloud":
        return scores, hashed([texts()[place].text for place in known], hard(known).targets.numpy())
    given = np.concatenate([known, *unlabelled(models, seed).values()])
    said = teachers_answers(trained.folder, seed)[0].of(given)
    return scores, hashed([texts()[place].text for place in given], said.numpy())


def _other(spare: Store, kind: str, model: nn.Module, bits: int) -> Path:
    """A file in the width that does not go out, to be compared."""
    return spare.folder / spare.add(kind, written(model, bits), data="", scores={}).name
