from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from demos.clip_retrieval.config import (
    AugmentSection,
    ClipConfig,
    DistilSection,
    LossSection,
    ModelSection,
    TeacherSection,
    TrainSection,
    VectorSection,
)
from demos.clip_retrieval.model.build import build
from demos.clip_retrieval.model.shape import Shape
from demos.clip_retrieval.model.weights import assembled
from demos.clip_retrieval.training.augment import augmented
from demos.clip_retrieval.training.draws import Draws
from demos.clip_retrieval.training.train_model import train_model
from shared.errors import UserError
from shared.openmoji.records import records
from shared.pretrained.minilm import minilm_folder
from shared.seed import generator


def changed(config: ClipConfig, **parts: object) -> ClipConfig:
    return config.model_copy(update=parts)


def test_the_same_seed_gives_the_same_weights_and_another_fold_others(
    tiny_config: ClipConfig, tiny_train: np.ndarray, tiny_tower: Path, tmp_path: Path
) -> None:
    again = train_model(tiny_config, tiny_train, tmp_path / "again.safetensors", part="test")
    other = train_model(tiny_config, tiny_train, tmp_path / "other.safetensors", part="other")
    first, second, third = (load_file(file) for file in (tiny_tower, again.tower, other.tower))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["visual.head.mlp.fc2.weight"], third["visual.head.mlp.fc2.weight"])


def test_training_lowers_the_loss_and_leaves_the_text_tower_alone(
    tiny_config: ClipConfig, tiny_train: np.ndarray, tmp_path: Path
) -> None:
    longer = changed(
        tiny_config,
        train=TrainSection(epochs=12, batch=16),
        augment=AugmentSection(mixup=0),
        teacher=TeacherSection(weight=0),
        vector=VectorSection(count=0),
        distil=DistilSection(epochs=0),
    )
    trained = train_model(longer, tiny_train, tmp_path / "t.safetensors", part="x", validation=tiny_train[:20])
    losses = trained.history.losses
    assert losses[-1] < 0.8 * losses[0]
    assert [epoch for epoch, _ in trained.history.watched] == list(range(1, 13))
    assert all(0 < rank <= 1 for _, rank in trained.history.watched)
    assert not any(name.startswith("text.transformer") for name in load_file(trained.tower))


def test_the_text_projection_learns_only_when_asked(
    tiny_config: ClipConfig, tiny_train: np.ndarray, tiny_tower: Path, tmp_path: Path
) -> None:
    short = changed(tiny_config, distil=DistilSection(epochs=0))
    learning = changed(short, train=tiny_config.train.model_copy(update={"projection": True}))
    other = changed(short, seed=5)
    files = [
        train_model(config, tiny_train, tmp_path / f"{number}.safetensors", part="test").tower
        for number, config in enumerate((learning, other))
    ]
    start, learned, still = (load_file(file)["text.proj.weight"] for file in (tiny_tower, *files))
    assert torch.equal(start, still)
    assert not torch.equal(start, learned)


@pytest.mark.parametrize("kind", ["clip", "siglip", "multipositive", "multipositive-siglip"])
def test_every_loss_trains(kind: str, tiny_config: ClipConfig, tiny_train: np.ndarray, tmp_path: Path) -> None:
    config = changed(
        tiny_config,
        loss=LossSection(kind=kind, bank=0.0, regression=0.0),
        train=TrainSection(epochs=6, batch=32),
        vector=VectorSection(count=0),
        distil=DistilSection(epochs=0),
    )
    losses = train_model(config, tiny_train, tmp_path / "t.safetensors", part="x").history.losses
    assert losses[-1] < losses[0]


def test_text_layers_are_trained_where_asked(tiny_config: ClipConfig, tmp_path: Path) -> None:
    from demos.clip_retrieval.model.build import unlock_text_layers

    shape = Shape("test_resnet", 32, 384, (0.5,) * 3, (0.5,) * 3)
    model = build(shape, minilm_folder())
    locked = {name for name, weight in model.named_parameters() if weight.requires_grad and name.startswith("text.")}
    assert locked == {"text.proj.weight"}
    unlock_text_layers(model, 2)
    free = {name for name, weight in model.named_parameters() if weight.requires_grad and ".layer." in name}
    assert {name.split(".layer.")[1].split(".")[0] for name in free} == {"4", "5"}


@pytest.mark.slow
def test_text_layers_that_learned_are_kept_and_answer(tiny_config: ClipConfig, tmp_path: Path) -> None:
    """The published MiniLM is not put back in their place; the rest of it is."""
    tuned = changed(
        tiny_config,
        train=TrainSection(epochs=2, batch=16, text_layers=1, projection=True),
        loss=LossSection(bank=0.0),
        teacher=TeacherSection(weight=0.0),
    )
    some = np.arange(0, 4495, 90)
    file = train_model(tuned, some, tmp_path / "tuned.safetensors", part="test", validation=some[:10]).tower
    kept = {name for name in load_file(file) if name.startswith("text.transformer.")}
    assert kept
    assert {name.split(".layer.")[1].split(".")[0] for name in kept} == {"5"}
    published = load_file(minilm_folder() / "model.safetensors")
    whole = load_file(assembled(file) / "open_clip_model.safetensors")
    moved, still = "encoder.layer.5.output.dense.weight", "encoder.layer.4.output.dense.weight"
    assert not torch.allclose(whole[f"text.transformer.{moved}"], published[moved], atol=1e-3)
    assert torch.equal(whole[f"text.transformer.{still}"], published[still])


def test_a_tower_that_timm_has_not_is_one_line(tiny_config: ClipConfig, tmp_path: Path) -> None:
    wrong = changed(tiny_config, model=ModelSection(name="train", image_tower="resnet999"))
    with pytest.raises(UserError, match=r"image_tower=resnet999.*did you mean"):
        train_model(wrong, np.arange(30), tmp_path / "t.safetensors", part="x")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"split": {"folds": [0, 0]}}, "0 stands in it twice"),
        ({"evaluation": {"peers": ["hog", "hog"]}}, "'hog' stands in it twice"),
        ({"train": {"captions": ["name", "name"]}}, "'name' stands in it twice"),
        ({"model": {"dimension": 128}}, "needs train.projection=true"),
        ({"train": {"text_layers": 1}}, "must be 0 where train.text_layers is not"),
        ({"train": {"text_layers": 1}, "loss": {"bank": 0}}, "must be 0 where train.text_layers is not"),
    ],
)
def test_settings_that_would_mislead_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ClipConfig.model_validate(wrong)


def test_each_base_is_drawn_once_an_epoch_and_tones_as_often_as_asked() -> None:
    emojis, train = records(), np.arange(4495)
    draws = Draws(emojis, train, 0.5, generator(0, "test"))
    assert len(draws) == len({emoji.base for emoji in emojis})
    drawn = draws.records(np.arange(len(draws)))
    assert len({emojis[record].base for record in drawn}) == len(draws)
    with_tones = {emoji.base for emoji in emojis if emoji.skin_tone}
    toned = sum(emojis[record].skin_tone > 0 for record in drawn)
    assert 0.35 < toned / len(with_tones) < 0.65
    plain = Draws(emojis, train, 0.0, generator(0, "test"))
    assert not any(emojis[record].skin_tone for record in plain.records(np.arange(len(plain))))


def test_augmentation_keeps_white_white_and_zero_settings_keep_the_picture() -> None:
    pictures = torch.ones(4, 3, 32, 32)
    varied = augmented(pictures, AugmentSection(), generator(0, "test"))
    torch.testing.assert_close(varied, pictures)
    pictures = torch.rand(4, 3, 32, 32)
    still = AugmentSection(rotation=0, zoom=0, shear=0, shift=0, contrast=0)
    torch.testing.assert_close(augmented(pictures, still, generator(0, "test")), pictures, atol=1e-5, rtol=0)
    assert (augmented(pictures, AugmentSection(), generator(0, "test")) - pictures).abs().mean() > 0.05
