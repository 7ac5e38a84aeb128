"""Whom the judge is given: models that never saw what they are asked, the right vectors, each text read once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from demos.clip_retrieval.config import ClipConfig, EvaluationSection, ModelSection, SplitSection
from demos.clip_retrieval.judging.judge import OURS, Model, is_ours, judge, models
from demos.clip_retrieval.judging.peers import LABELS
from demos.clip_retrieval.model.encoder import EncoderSpec
from demos.clip_retrieval.model.weights import SHIPPED, read_header
from shared.errors import UserError
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.openmoji.splits import FOLDS, group_split
from shared.progress import Progress
from shared.run import RunFolder

NEUTRAL = np.flatnonzero([emoji.skin_tone == 0 for emoji in records()])
SIZE = 32


@dataclass
class Darkness:
    """An encoder of two numbers: how dark a picture is, and how long a text; it counts what it is asked."""

    size: int = SIZE
    dimension: int = 2
    fit: str = "pad"
    identity: str = "darkness"
    scale: float = 1.0
    asked: list[list[str]] = field(default_factory=list)

    def images(self, pictures_nhwc: np.ndarray) -> np.ndarray:
        angle = 1.5 * (255 - pictures_nhwc.astype(np.float64)).mean((1, 2, 3)) / 255
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)

    def texts(self, texts: list[str]) -> np.ndarray:
        self.asked.append(texts)
        angle = np.array([min(len(text), 60) / 60 for text in texts])
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, Progress(quiet=True), workers=1)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Darkness:
    """Whatever model is named, it is this one."""
    found = Darkness()
    monkeypatch.setattr(EncoderSpec, "load", lambda self: found)
    return found


def config(**parts: Any) -> ClipConfig:
    return ClipConfig(device="cpu", evaluation=EvaluationSection(peers=[], bootstrap=100), **parts)


def shipped_fold() -> int:
    return int(read_header(SHIPPED)["fold"])


def test_the_shipped_model_is_judged_on_its_own_fold_alone(encoder: Darkness, run: RunFolder) -> None:
    assert read_header(SHIPPED)["split"] == group_split(0).digest
    (found,) = models(config(), run)
    assert found.fold == shipped_fold()
    assert found.spec.model == "shipped"


@pytest.mark.parametrize("case", ["other folds", "another split"])
def test_folds_that_the_shipped_model_was_trained_on_are_refused(case: str, encoder: Darkness, run: RunFolder) -> None:
    others = [fold for fold in range(FOLDS) if fold != shipped_fold()]
    split = SplitSection(folds=others) if case == "other folds" else SplitSection(seed=1)
    with pytest.raises(UserError) as told:
        models(config(split=split), run)
    assert f"split.folds=[{shipped_fold()}]" in str(told.value)
    assert "model.name=train" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_tower_of_a_run_is_judged_on_its_own_fold_alone(encoder: Darkness, run: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "tower.safetensors"
    shutil.copyfile(SHIPPED, other)
    named = ModelSection(name=f"local-dir:{other}")
    (found,) = models(config(model=named, split=SplitSection(folds=[0, 1, 2])), run)
    assert found.fold == shipped_fold()
    others = [fold for fold in range(FOLDS) if fold != shipped_fold()]
    with pytest.raises(UserError, match="it has seen the others"):
        models(config(model=named, split=SplitSection(folds=others)), run)
    assert is_ours(f"local-dir:{other}")
    assert is_ours("train")
    assert not is_ours("local-dir:there")
    assert not is_ours("pretrained:ViT-B-32/laion2b_s34b_b79k")


def test_a_foreign_model_is_judged_on_every_fold_that_is_asked(encoder: Darkness, run: RunFolder) -> None:
    found = models(config(model=ModelSection(name="local-dir:there"), split=SplitSection(folds=[2, 0])), run)
    assert [(model.fold, model.spec.model, model.spec.device) for model in found] == [
        (2, "local-dir:there", "cpu"),
        (0, "local-dir:there", "cpu"),
    ]


def test_every_neutral_picture_is_embedded_once_under_its_own_record(encoder: Darkness, run: RunFolder) -> None:
    (found,) = models(config(), run)
    assert found.rows.tolist() == NEUTRAL.tolist()
    np.testing.assert_array_equal(found.images, encoder.images(np.asarray(pictures(SIZE)[NEUTRAL])))
    some = NEUTRAL[[700, 3, 255, 256, 3]]
    np.testing.assert_array_equal(found.of(some), encoder.images(np.asarray(pictures(SIZE)[some])))


def test_training_gets_no_picture_of_its_test_fold_or_of_validation(
    encoder: Darkness, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def train_model(config: ClipConfig, train: np.ndarray, file: Path, **rest: Any) -> Any:
        calls.append({"train": train, "file": file, **rest})
        return SimpleNamespace(spec=lambda device: EncoderSpec(f"local-dir:{file}", device), history=None)

    monkeypatch.setattr("demos.clip_retrieval.training.train_model.train_model", train_model)
    split = group_split(3)
    found = models(config(model=ModelSection(name="train"), split=SplitSection(seed=3, folds=[1, 2])), run)
    assert [model.fold for model in found] == [1, 2]
    assert len({call["file"] for call in calls}) == len({call["part"] for call in calls}) == 2
    for fold, call in zip((1, 2), calls, strict=True):
        families = set(split.family[call["train"]].tolist())
        judged = {*split.family[split.test(fold)].tolist(), *split.family[split.validation].tolist()}
        assert len(call["train"]) > 2500
        assert not families & judged
        assert set(call["validation"].tolist()) <= set(split.validation.tolist())
        assert (call["facts"]["fold"], call["facts"]["split"]) == (str(fold), split.digest)


def test_ours_comes_first_and_peers_are_asked_on_the_same_galleries(encoder: Darkness, run: RunFolder) -> None:
    asked = config().model_copy(update={"evaluation": EvaluationSection(peers=["oracle", "pixels"], bootstrap=100)})
    found = models(asked, run)
    judged = judge(found, asked, run)
    assert [(one.key, one.label) for one in judged] == [
        ("ours", OURS),
        ("oracle", LABELS["oracle"]),
        ("pixels", LABELS["pixels"]),
    ]
    gallery = group_split().gallery(shipped_fold())
    groups = [records()[row].group for row in gallery]
    for one in judged:
        (part,) = one.folds
        assert len(part.text_to_image.ranks) == part.text_to_image.gallery == len(gallery)
        assert [part.groups.classes[label] for label in part.groups.labels] == groups
        assert part.larger is not None
        assert part.larger.gallery == len(group_split().representative)
        assert (part.larger.ranks >= part.text_to_image.ranks).all()
    assert judged[2].setting.startswith("neighbours ")


def test_ours_is_ranked_as_its_vectors_say(encoder: Darkness, run: RunFolder) -> None:
    (found,) = models(config(), run)
    (ours,) = judge([found], config(), run)
    gallery = group_split().gallery(found.fold)
    words = encoder.texts([records()[row].name for row in gallery])
    scores = words @ encoder.images(np.asarray(pictures(SIZE)[gallery])).T
    ranks = ours.folds[0].text_to_image.ranks
    # One picture a family: the only right answer is the picture itself, and ties count against us.
    assert ranks.tolist() == [int((row >= row[place]).sum()) for place, row in enumerate(scores)]


def test_the_split_of_the_config_is_the_one_that_judges(encoder: Darkness, run: RunFolder) -> None:
    asked = config(model=ModelSection(name="local-dir:there"), split=SplitSection(seed=1, folds=[1]))
    (ours,) = judge(models(asked, run), asked, run)
    groups = [ours.folds[0].groups.classes[label] for label in ours.folds[0].groups.labels]
    assert groups == [records()[row].group for row in group_split(1).gallery(1)]
    assert groups != [records()[row].group for row in group_split(0).gallery(1)]


def test_a_model_gives_its_own_encoder(encoder: Darkness) -> None:
    model = Model(0, EncoderSpec("local-dir:there"), NEUTRAL[:2], np.eye(2, dtype=np.float32))
    found: object = model.encoder
    assert found is encoder
    assert model.history is None
