"""All students on all material, for each seed, and what is learned without a large model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from demos.coevolution.down.peers import Plain, plain
from demos.coevolution.training.jobs import MATERIALS, Scores
from demos.coevolution.training.trained import Cell, Trained

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig


@dataclass(frozen=True)
class Found:
    """Of each seed: the large model, the small ones, and TF-IDF with logistic regression on the same labels."""

    cloud: list[Scores]
    students: dict[Cell, list[Scores]]
    plain: list[Scores]


def cells(config: CoevolutionConfig) -> list[Cell]:
    """What is trained; the device's model also from chance, on labels and on everything."""
    found: list[Cell] = [(student, kind, False) for student in config.down.students for kind in MATERIALS]
    if "device" in config.down.students:
        found += [("device", kind, True) for kind in (MATERIALS[0], MATERIALS[-1])]
    return found


def compare(trained: Trained) -> Found:
    """Train everything."""
    models = trained.config.models
    peers = [Plain(seed, models.labelled, models.test) for seed in trained.seeds]
    return Found(
        trained.clouds(), trained.students(cells(trained.config)), trained.run.map("plain models", plain, peers)
    )
