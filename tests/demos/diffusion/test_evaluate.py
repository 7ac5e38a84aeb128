"""A whole run: trained, taught, judged, and opened again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from demos.diffusion.config import DiffusionConfig, EvaluationSection, ModelSection, StudentSection
from demos.diffusion.evaluate import evaluate
from demos.diffusion.model.build import STUDENT
from demos.diffusion.model.origin import LEARNED, TRAINING, doubt_of_split, keep_training
from shared.errors import UserError
from shared.progress import Progress
from shared.result import Result
from shared.run import RunFolder

SCHEDULE = {"batch": 8, "warmup": 1, "checkpoint": 0.0}


@pytest.fixture
def config(tiny_config: DiffusionConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DiffusionConfig:
    states = tmp_path / "states"
    states.mkdir()
    monkeypatch.setattr("demos.diffusion.training.checkpoint.work_folder", lambda: states)
    return tiny_config.model_copy(
        update={
            "model": tiny_config.model.model_copy(update={"name": "train"}),
            "sample": tiny_config.sample.model_copy(update={"batch": 16}),
            "student": StudentSection(name="train", steps=4, imitate=2, draws=2, rank=2, peer=True, **SCHEDULE),
            "evaluation": EvaluationSection(parts=["student", "training"], prompts=16, bootstrap=100),
        }
    )


def run_in(folder: Path) -> RunFolder:
    folder.mkdir()
    return RunFolder(folder, Progress(quiet=True))


def rows_of(result: Result, title: str) -> list[str]:
    (table,) = (table for table in result.tables if table.title == title)
    return [str(row[0]) for row in table.rows]


@pytest.mark.slow
def test_a_run_trains_teaches_judges_and_can_be_opened(config: DiffusionConfig, tmp_path: Path) -> None:
    kept = run_in(tmp_path / "first")
    first = evaluate(config, kept)
    assert [table.title for table in first.tables] == [
        "The student",
        "The student beside others",
        "Variety",
        "Average of the weights",
        "The teacher's training",
        "The student's training",
        "The peer's training",
    ]
    assert rows_of(first, "The teacher's training") == [str(step) for step in range(1, 7)]
    assert {"the student, 2 steps", "latent consistency distillation, 2 steps"} <= set(rows_of(first, "The student"))
    assert len({metric.name for metric in first.metrics}) == len(first.metrics)
    # What goes on after a stop, the student's and its peer's, stays until the run is kept.
    assert [file.suffix for file in (tmp_path / "states" / "checkpoints").iterdir()] == [".pt"] * 2
    for action in kept.actions:
        action()
    assert not list((tmp_path / "states" / "checkpoints").iterdir())
    assert {weights.name for weights in first.weights} >= {
        "the teacher",
        "the student's adapter",
        "the peer's adapter",
    }
    pipeline = tmp_path / "first" / "pipeline"
    # Opened, and with settings of another student: the one that is there draws as it has learned.
    opened = config.model_copy(
        update={
            "model": ModelSection(name=f"local-dir:{pipeline}"),
            "student": StudentSection(name="beside", draws=5),
            "evaluation": EvaluationSection(parts=["student"], prompts=16, bootstrap=100),
        }
    )
    again = evaluate(opened, run_in(tmp_path / "second"))
    assert not any("may have been among it" in note for note in again.notes)
    assert "the student, 2 steps" in rows_of(again, "The student")
    known = {metric.name: metric.value for metric in first.metrics}
    for metric in again.metrics:
        # Kept in half precision both times: what is read back is what was judged.
        if metric.name in known and "latent" not in metric.name:
            off = {"": 0.02, "%": 2.0, "10⁻³": 7.0}[metric.unit]  # variety, of 16 names, and the distance of so few
            assert metric.value == pytest.approx(known[metric.name], rel=0.05, abs=off), metric.name
    (pipeline / STUDENT / LEARNED).write_text("{}")
    with pytest.raises(UserError, match="does not say in how many steps"):
        evaluate(opened, run_in(tmp_path / "third"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"model": {"name": "train"}}, "beside a teacher that is trained now there is none"),
        ({"student": {"name": "none", "peer": True}}, "is trained beside a student"),
        ({"model": {"size": 40}}, "40 pixels are no multiple of 16"),
        ({"sample": {"sampler": "lcm"}, "guide": {"steps": 26}}, "lcm takes at most 50"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        DiffusionConfig.model_validate(wrong)


def test_what_was_trained_on_other_names_is_not_judged(tmp_path: Path) -> None:
    keep_training(tmp_path, 0, [0.5])
    assert doubt_of_split(tmp_path) is None
    told = json.loads((tmp_path / TRAINING).read_text())
    (tmp_path / TRAINING).write_text(json.dumps({**told, "split": "another"}))
    with pytest.raises(UserError, match="another division"):
        doubt_of_split(tmp_path)
    (tmp_path / TRAINING).unlink()
    assert "may have been among it" in (doubt_of_split(tmp_path) or "")
