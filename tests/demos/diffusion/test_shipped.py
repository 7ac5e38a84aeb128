"""The card of the shipped weights says what they are, and they draw what they are told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from demos.diffusion.config import DiffusionConfig, EvaluationSection, GuideSection, SampleSection
from demos.diffusion.data import training_records
from demos.diffusion.judging.judge import Judge
from demos.diffusion.judging.kid import looked_at
from demos.diffusion.model.build import SHIPPED, STUDENT, opened, with_student
from demos.diffusion.model.clip import Clip
from demos.diffusion.model.origin import doubt_of_split, draws_of, weights_digest
from demos.diffusion.sampling.choose import best_of
from demos.diffusion.sampling.draw import draw, evaluations
from demos.diffusion.sampling.guide import ClipGuide
from demos.diffusion.sampling.pictograms import identity
from shared.openmoji.records import records
from shared.openmoji.splits import group_split
from shared.pretrained.minilm import MiniLM
from shared.pretrained.words import cleaned
from shared.progress import Progress
from shared.run import RunFolder

CARD = SHIPPED / "README.md"
LARGEST = 25_000_000  # bytes that a demo may ship
SOME = 24  # names


def test_the_card_names_the_weights_the_command_and_the_data() -> None:
    text = CARD.read_text(encoding="utf-8")
    assert identity(SHIPPED, student=False) in text
    assert weights_digest(SHIPPED / STUDENT)[:16] in text
    assert "trendlab run diffusion --profile cpu" in text
    assert group_split().digest in text
    assert "CC BY-SA 4.0" in text
    assert doubt_of_split(SHIPPED) is None


def test_what_is_shipped_is_small_and_holds_no_pickle() -> None:
    files = [file for file in SHIPPED.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".md"}
    assert not any("_name_or_path" in file.read_text(encoding="utf-8") for file in files if file.suffix == ".json")
    assert sum(file.stat().st_size for file in files) < LARGEST


def test_it_draws_names_of_its_training_so_that_another_network_finds_them(tmp_path: Path) -> None:
    pipeline = opened(SHIPPED)
    judge = Judge(
        DiffusionConfig(evaluation=EvaluationSection(prompts=16)), 64, RunFolder(tmp_path, Progress(quiet=True))
    )
    rows = judge.train_rows[np.linspace(0, len(judge.train_rows) - 1, SOME).astype(int)]
    assert set(rows.tolist()) <= set(training_records().tolist())
    names = [cleaned(records()[row].name) for row in rows.tolist()]
    few = SampleSection(sampler="lcm", steps=draws_of(SHIPPED), guidance=1.0, batch=SOME)
    for one, settings in ((pipeline, SampleSection(steps=8, batch=SOME)), (with_student(pipeline, SHIPPED), few)):
        made = draw(one, names, list(range(SOME)), settings)
        right = judge.reader.precision(judge.reader.says(looked_at(made)), MiniLM()(names))
        # By luck one in 24; ten were found of the teacher's when this was written.
        assert right.mean() > 0.25


@pytest.mark.slow
def test_the_numbers_of_the_card_are_those_of_the_shipped_weights(tmp_path: Path) -> None:
    row = re.compile(r"^\| (\S.*?) \| (\d+) \| (\.\d+) \(.*?\) \| (\d+\.\d) % ", re.MULTILINE)
    said = {name: tuple(map(float, told)) for name, *told in row.findall(CARD.read_text(encoding="utf-8"))}
    judge = Judge(DiffusionConfig(), 64, RunFolder(tmp_path, Progress(quiet=True)))
    teacher, eye, guide = opened(SHIPPED), Clip(), GuideSection()
    student = with_student(teacher, SHIPPED)
    plain, few = SampleSection(mixed=True, steps=10), SampleSection(mixed=True, sampler="lcm", steps=4, guidance=1.0)
    longer = few.model_copy(update={"steps": guide.draws})
    made, _ = best_of(
        student,
        judge.prompts,
        judge.seeds,
        longer,
        5,
        eye,
        guide=lambda prompts: ClipGuide(eye, prompts, guide.strength, guide.moves),
    )
    chosen = "best of 5 of the student, 8 steps, guided and chosen by CLIP"
    rows = [
        judge.drawn(teacher, plain.model_copy(update={"sampler": "ddim", "steps": 50}), "DDIM, 50 steps"),
        judge.drawn(teacher, plain, "DPM-Solver++ SDE, 10 steps"),
        judge.drawn(student, few, "the student, 4 steps"),
        judge.judged(made, chosen, 5 * evaluations(longer), 0.0),
    ]
    for found in rows:
        looks, distance, right = said[found.name]
        # On processors that multiply otherwise, the pictures are a little others.
        assert found.evaluations == looks
        assert found.distance.value == pytest.approx(distance, abs=0.01)
        assert 100 * found.right.mean() == pytest.approx(right, abs=1.5)
