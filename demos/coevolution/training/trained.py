"""Models of a run: each is trained when a chapter first asks for it, and lies in a folder for the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from demos.coevolution.config import StudentName
from demos.coevolution.models.mpnet import mpnet_folder
from demos.coevolution.training.jobs import (
    MATERIALS,
    Learning,
    Material,
    Scores,
    Teaching,
    learn,
    student_file,
    teach,
)
from demos.coevolution.training.shipped import Opening, open_shipped
from shared import device as devices

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig
    from demos.coevolution.deploy.files import Deployed
    from shared.demo import Run

Cell = tuple[StudentName, Material, bool]  # a student, what it learned from, whether it began blank


@dataclass
class Trained:
    """seeds: of the large models, each with its own labelled texts and start."""

    config: CoevolutionConfig
    run: Run
    folder: Path
    _clouds: list[Scores] = field(default_factory=list)
    _students: dict[Cell, list[Scores]] = field(default_factory=dict)
    _files: Deployed | None = None

    @property
    def seeds(self) -> list[int]:
        """Of the large models."""
        return [self.config.seed + number for number in range(self.config.models.seeds)]

    def clouds(self) -> list[Scores]:
        """The large model of each seed, tested."""
        if not self._clouds and self.config.models.source == "shipped":
            self.run.say("open the models that are shipped")
            scores, students = open_shipped(Opening(self.config.models, self.seeds[0], self.folder))
            self._clouds = [scores]
            self._students = {
                (student, kind, False): [score] for student, score in students.items() for kind in MATERIALS
            }
        elif not self._clouds:
            if self.config.models.large == "MPNet":
                mpnet_folder()  # before each of several processes would fetch it
            device = devices.resolve(self.config.device)
            jobs = [Teaching(self.config.models, seed, self.folder, device) for seed in self.seeds]
            self._clouds = self.run.map("large models", teach, jobs)
        return self._clouds

    def students(self, cells: list[Cell]) -> dict[Cell, list[Scores]]:
        """Small models of each seed, tested."""
        self.clouds()
        device = devices.resolve(self.config.device)
        asked = [
            (cell, Learning(cell[0], cell[1], self.config.models, seed, self.folder, device, cell[2]))
            for seed in self.seeds
            for cell in cells
            if cell not in self._students
        ]
        if asked:
            scores = self.run.map("small models", learn, [job for _, job in asked])
            for (cell, _), score in zip(asked, scores, strict=True):
                self._students.setdefault(cell, []).append(score)
        return {cell: self._students[cell] for cell in cells}

    def files(self) -> Deployed:
        """The models of the first seed as files, compared and timed."""
        from demos.coevolution.deploy.files import deployed

        if self._files is None:
            self._files = deployed(self)
        return self._files

    def lying(self, student: StudentName, material: Material) -> list[Path]:
        """Where a small model that learned from that lies, for each seed."""
        self.students([(student, material, False)])
        return [student_file(self.folder, student, material, seed, False) for seed in self.seeds]
