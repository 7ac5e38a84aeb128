"""The parts of the report: what they compare, count and show, on a network at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos.diffusion.config import DiffusionConfig, EvaluationSection, SampleSection
from demos.diffusion.data import training_records, validation
from demos.diffusion.judging import parts
from demos.diffusion.judging.compose import PALETTE, THINGS, Composition, colour_of, unseen
from demos.diffusion.judging.judge import Judge, noisy
from demos.diffusion.judging.memory import nearest
from demos.diffusion.judging.parts import Studio
from demos.diffusion.model.clip import Clip
from demos.diffusion.model.pipeline import PictogramPipeline
from shared.openmoji.records import captions, records
from shared.openmoji.render import pictures
from shared.progress import Progress
from shared.run import RunFolder
from shared.seed import generator


@pytest.fixture
def studio(tiny_pipeline: PictogramPipeline, tiny_config: DiffusionConfig, tmp_path: Path) -> Studio:
    config = tiny_config.model_copy(
        update={
            "evaluation": EvaluationSection(prompts=16, steps=[1, 2], bootstrap=100),
            "sample": SampleSection(steps=2),
            "guide": tiny_config.guide.model_copy(update={"steps": 2, "draws": 2}),
        }
    )
    run = RunFolder(tmp_path, Progress(quiet=True))
    return Studio({"teacher": tiny_pipeline, "student": tiny_pipeline}, Judge(config, 32, run), config, run)


def test_what_was_drawn_is_not_drawn_again(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    once = studio.judge.drawn
    monkeypatch.setattr(studio.judge, "drawn", lambda *given: drawn.append(given[1]) or once(*given))  # type: ignore[func-returns-value]
    first, again = studio.row("one", steps=1), studio.row("the same", steps=1)
    assert (first.name, again.name) == ("one", "the same")
    assert first.distance is again.distance
    assert len(drawn) == 1
    studio.row("one", who="student", steps=1)
    studio.row("other", steps=2)
    assert len(drawn) == 3


@pytest.mark.slow
def test_all_parts_have_tables_and_rows_of_equal_cost(studio: Studio) -> None:
    quality = parts.quality(studio)
    assert [row[1] for row in quality.tables[0].rows] == [None, None, 100, 20, 20, 20, 100, 50]
    assert quality.tables[0].caption is not None
    assert "nearest of 16," in quality.tables[0].caption
    assert "chance 6.2 %" in quality.tables[0].caption
    samplers = parts.samplers(studio)
    # Heun looks twice at a step, so it has half the steps; guidance doubles all.
    assert [row[1] for row in samplers.tables[0].rows if str(row[0]).startswith("Heun")] == [2]
    student = parts.student(studio)
    assert [row[1] for row in student.tables[0].rows] == [100, 40, 1, 2, 4, 8, 4, 4, 4, 8]
    beside = [row[1] for row in student.tables[1].rows]
    assert beside == ["DDIM, 50 steps", "DPM-Solver++ SDE Karras, 20 steps"]
    clip = parts.clip(studio, Clip())
    rows = {str(row[0]): row for row in clip.tables[0].rows}
    # Equal evaluations, but for single pictures of the student, and the teacher's best way, whose steps are fixed.
    single, moved = "the student, 2 steps", "the student, 2 steps, guided by CLIP"
    assert {name: row[1] for name, row in rows.items() if row[1] != 4} == {single: 2, moved: 2, parts.BEST: 40}
    best, others = [*rows][-1], [*rows][-3:-1]
    assert best == "best of 2 of the student, 2 steps, guided and chosen by CLIP"
    assert others == ["best of 1 of the student, 4 steps, by CLIP", "best of 2 of the student, 2 steps, by CLIP"]
    added = [(row[0], row[1]) for row in clip.tables[1].rows]
    assert added[2:] == [
        (moved, single),
        *[(best, other) for other in ("no guidance", "classifier-free guidance", parts.BEST, *others)],
    ]
    for row in clip.tables[1].rows:
        more = rows[str(row[0])][6] - rows[str(row[1])][6]  # type: ignore[operator]
        assert str(row[2]).startswith(f"{more:+.1f} (".replace("-", "−"))
    assert clip.headlines[0].value == pytest.approx(rows[best][6] - rows["no guidance"][6])  # type: ignore[operator]
    memory = parts.memory(studio)
    # What is copied is found in spite of noise; what the split keeps apart is none.
    assert [row[2] for row in memory.tables[0].rows[:2]] == [100, 0]
    assert memory.tables[0].rows[1][0] == "real held-out pictures"
    composition = parts.composition(studio, training_records())
    assert [row[0] for row in composition.tables[0].rows] == ["colour and thing", "the thing alone"]
    files = [figure.file for part in (samplers, student, clip, memory, composition) for figure in part.figures]
    assert len(files) == 5
    assert all((studio.run.folder / file).is_file() for file in files)


def test_a_teacher_alone_is_chosen_from_at_equal_cost(studio: Studio) -> None:
    alone = Studio({"teacher": studio.teacher}, studio.judge, studio.config, studio.run)
    rows = parts.clip(alone, Clip()).tables[0].rows
    assert [row[1] for row in rows] == [4, 4, 40, 4, 4, 4]
    assert rows[-1][0] == "best of 2 of the teacher, 1 steps, by CLIP"


def test_another_seed_draws_other_pictures_of_the_same_names(studio: Studio) -> None:
    other = Judge(studio.config.model_copy(update={"seed": 1}), 32, studio.run)
    everything = {int(row): seed for row, seed in zip(studio.judge.rows, studio.judge.seeds, strict=True)}
    assert everything == {row: row for row in everything}
    assert not set(other.seeds) & set(everything)
    huge = Judge(studio.config.model_copy(update={"seed": 10**18}), 32, studio.run)
    assert all(0 <= seed < 2**63 for seed in huge.seeds)


def test_settings_are_chosen_on_other_names_than_they_are_judged_on(studio: Studio) -> None:
    config = studio.config.model_copy(
        update={"evaluation": studio.config.evaluation.model_copy(update={"families": "validation"})}
    )
    judge = Judge(config, 32, studio.run)
    assert set(judge.rows.tolist()) <= set(validation().tolist())
    assert not set(judge.rows.tolist()) & set(studio.judge.rows.tolist())


def test_no_pair_of_a_composition_was_in_training() -> None:
    pairs = unseen(training_records())
    assert len(pairs) > 60
    told = [" ".join(captions(records()[row], ["name", "tags"])).lower() for row in training_records()]
    for pair in (Composition("red", "cat"), Composition("green", "house")):
        assert pair not in pairs
    for pair in pairs:
        assert not any(pair.prompt.removeprefix("a ") in text for text in told)
    assert {pair.thing for pair in pairs} == set(THINGS)


@pytest.mark.parametrize("colour", [name for name in PALETTE if name])
def test_the_colour_of_a_heart(colour: str) -> None:
    (row,) = [number for number, emoji in enumerate(records()) if emoji.name == f"{colour} heart"]
    assert colour_of(np.asarray(pictures(64)[row])) == colour


def test_a_picture_without_colour_has_none() -> None:
    assert colour_of(np.full((8, 8, 3), 255, np.uint8)) == ""
    assert colour_of(np.zeros((8, 8, 3), np.uint8)) == ""


def test_a_copy_is_found() -> None:
    real = np.asarray(pictures(64))
    train = training_records()
    made = np.concatenate([noisy(real[train[[600, 3]]], 6.0, generator(0, "noise")), real[validation()]])
    found = nearest(made, real[train])
    assert found.at[:2].tolist() == [600, 3]
    assert found.copies[:2].all()
    assert not found.copies[2:].any()
