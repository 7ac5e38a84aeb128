"""The second stage: what the kernel machine says, and that the tower learns it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from demos.clip_retrieval.config import ClipConfig, CompositeSection, DistilSection
from demos.clip_retrieval.model.build import build
from demos.clip_retrieval.model.shape import Shape
from demos.clip_retrieval.model.weights import shape_of
from demos.clip_retrieval.training.distil import (
    Lessons,
    Told,
    _begin_head,
    composites,
    distilled,
    lessons,
    trunk_features,
)
from demos.clip_retrieval.training.draws import Drawings
from demos.clip_retrieval.training.fit import plain
from demos.clip_retrieval.training.train_model import train_model
from shared.pretrained.minilm import minilm_folder
from shared.seed import generator

SHAPE = Shape("test_resnet", 32, 384, (0.5,) * 3, (0.5,) * 3)


def unit(count: int, width: int, name: str) -> np.ndarray:
    found = generator(0, "distil", name).standard_normal((count, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def pixels(count: int, name: str) -> np.ndarray:
    return generator(0, "distil", name).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(SHAPE, minilm_folder())


@pytest.fixture(scope="module")
def learned(model: torch.nn.Module) -> Lessons:
    drawings = Drawings(
        np.arange(40),
        pixels(120, "drawn").reshape(40, 3, 32, 32, 3),
        features=unit(120, 16, "hog").astype(np.float16).reshape(40, 3, 16),
    )
    made = pixels(50, "made"), unit(50, 16, "made hog").astype(np.float16)
    told = Told(pixels(5, "toned"), unit(5, 384, "toned texts"))
    return lessons(
        model, SHAPE, drawings, unit(40, 384, "texts"), made, told, DistilSection(ridge=0.01, tone_repeats=3)
    )


def test_it_says_the_captions_of_what_it_was_told_and_less_of_what_it_was_not(learned: Lessons) -> None:
    """One row a picture: drawings in their order, composites, then those that are told their own captions."""
    assert len(learned.pictures) == len(learned.said) == len(learned.weight) == 120 + 50 + 5
    texts = unit(40, 384, "texts")
    assert ((learned.said[:120:3] @ texts.T).argmax(1) == np.arange(40)).all()
    assert ((learned.said[:120:3] * texts).sum(1) > 0.98).all()
    np.testing.assert_allclose(np.linalg.norm(learned.said, axis=1), 1, atol=1e-4)
    assert learned.weight[:120:3].min() > learned.weight[120:170].max()
    np.testing.assert_array_equal(learned.said[170:], unit(5, 384, "toned texts"))
    assert (learned.weight[170:] == 2.0).all()
    assert learned.weight.max() <= 2.0


def test_pictures_with_skin_tones_are_shown_as_often_as_said(learned: Lessons) -> None:
    times = np.bincount(learned.shown, minlength=175)
    assert (times == [*[1] * 170, *[3] * 5]).all()


def test_what_is_shown_more_often_is_learned_better(model: torch.nn.Module, learned: Lessons) -> None:
    """The head learns the rows of `shown`, and no others."""
    some = np.arange(0, 40)
    whole = build(replace(SHAPE, head="mlp"), minilm_folder())
    _begin_head(whole.visual.head, replace(learned, shown=np.repeat(some, 4)), 100, 0)
    whole.visual.head.eval()
    with torch.inference_mode():
        answers = torch.nn.functional.normalize(whole.visual.head(torch.from_numpy(learned.features)), dim=1)
    cosine = (answers.numpy() * learned.said).sum(1)
    assert cosine[some].mean() > cosine[170:].mean() + 0.3


def test_drawings_without_features_are_no_lesson(model: torch.nn.Module) -> None:
    bare = Drawings(np.arange(2), pixels(2, "bare")[:, None])
    made = pixels(1, "m"), unit(1, 16, "h").astype(np.float16)
    with pytest.raises(ValueError, match="no features"):
        lessons(model, SHAPE, bare, unit(2, 384, "t"), made, Told(pixels(0, "n"), unit(0, 384, "n")), DistilSection())


def test_the_new_head_takes_over_the_standardisation_of_its_inputs(model: torch.nn.Module, learned: Lessons) -> None:
    """Trained on standardised features, it answers the tower's own as well as it did those."""
    whole = build(replace(SHAPE, head="mlp"), minilm_folder())
    head = whole.visual.head

    def cosine() -> float:
        head.eval()
        with torch.inference_mode():
            answers = torch.nn.functional.normalize(head(torch.from_numpy(learned.features)), dim=1)
        return float((answers * torch.from_numpy(learned.said)).sum(1).mean())

    before = cosine()
    _begin_head(head, learned, 200, 0)
    assert before < 0.1
    assert cosine() > 0.6


def test_both_parts_of_the_training_look_at_what_is_shown_alone(model: torch.nn.Module, learned: Lessons) -> None:
    """Lessons outside `shown` have no answer; the loss would not be a number if they were looked at."""
    said = learned.said.copy()
    said[40:] = np.nan
    config = ClipConfig(device="cpu", distil=DistilSection(epochs=1, batch=16, head_epochs=1))
    some = replace(learned, said=said, shown=np.repeat(np.arange(40), 2))
    _, _, history = distilled(model, SHAPE, some, config, seed=0, track=plain)
    assert np.isfinite(history.losses).all()


def test_fewer_pictures_than_a_batch_are_one_batch(model: torch.nn.Module, learned: Lessons) -> None:
    config = ClipConfig(device="cpu", distil=DistilSection(epochs=1, batch=4096, head_epochs=1))
    _, _, history = distilled(model, SHAPE, replace(learned, shown=np.arange(20)), config, seed=0, track=plain)
    assert len(history.losses) == 1


def test_the_whole_tower_learns_and_the_text_side_stays(model: torch.nn.Module, learned: Lessons) -> None:
    config = ClipConfig(device="cpu", distil=DistilSection(epochs=12, batch=16, head_epochs=1, learning_rate=0.01))
    taught, shape, history = distilled(model, SHAPE, learned, config, seed=0, track=plain)
    assert shape.head == "mlp"
    assert history.losses[-1] < 0.97 * history.losses[0]
    before, after = model.state_dict(), taught.state_dict()
    for name in before:
        if name.startswith("text.") or name == "logit_scale":
            assert torch.equal(before[name], after[name]), name
    moved = "visual.trunk.conv1.weight"
    moved = moved if moved in before else next(name for name in before if name.startswith("visual.trunk."))
    assert not torch.equal(before[moved], after[moved])


def test_the_tower_is_seen_as_open_clip_runs_it(model: torch.nn.Module) -> None:
    shown = pixels(3, "seen")
    inputs = (torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        whole = model.eval().visual(inputs)
        head = model.visual.head(torch.from_numpy(trunk_features(model, SHAPE, shown)))
    torch.testing.assert_close(head, whole, atol=0.03, rtol=0.03)  # bfloat16 where the processor has it


def test_a_model_of_two_stages_is_saved_with_its_head(
    tiny_config: ClipConfig, tiny_train: np.ndarray, tiny_tower: Path, tmp_path: Path
) -> None:
    assert shape_of(tiny_tower).head == "mlp"
    assert any(name.startswith("visual.head.mlp") for name in load_file(tiny_tower))
    single = tiny_config.model_copy(update={"distil": DistilSection(epochs=0)})
    trained = train_model(single, tiny_train, tmp_path / "single.safetensors", part="test")
    assert shape_of(trained.tower).head == "linear"
    assert len(trained.history.losses) == 2


def test_no_composites_are_none_and_not_an_error() -> None:
    config = ClipConfig(composite=CompositeSection(count=0))
    shown, features = composites(np.arange(5), config, 0, lambda _, function, items: list(map(function, items)))
    assert shown.shape == (0, 64, 64, 3)
    assert len(features) == 0
