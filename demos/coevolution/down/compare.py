"""All students on all material, for each seed, and what is learned without a large model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demos.coevolution.config import StudentName
from demos.coevolution.down.jobs import MATERIALS, Learning, Material, Scores, Teaching, learn, teach
from demos.coevolution.down.peers import Plain, plain
from shared import device as devices

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig
    from shared.demo import Run

Cell = tuple[StudentName, Material, bool]  # a student, what it learned from, whether it began blank


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


def compare(config: CoevolutionConfig, run: Run) -> Found:
    """Train everything."""
    down, device = config.down, devices.resolve(config.device)
    seeds = [config.seed + number for number in range(down.seeds)]
    with tempfile.TemporaryDirectory(prefix="trendlab-") as name:
        folder = Path(name)
        cloud = run.map("large models", teach, [Teaching(down, seed, folder, device) for seed in seeds])
        asked = [
            (cell, Learning(cell[0], cell[1], down, seed, folder, device, cell[2]))
            for seed in seeds
            for cell in cells(config)
        ]
        scores = run.map("small models", learn, [job for _, job in asked])
    students: dict[Cell, list[Scores]] = {}
    for (cell, _), score in zip(asked, scores, strict=True):
        students.setdefault(cell, []).append(score)
    peers = run.map("plain models", plain, [Plain(seed, down.labelled, down.test) for seed in seeds])
    return Found(cloud, students, peers)
