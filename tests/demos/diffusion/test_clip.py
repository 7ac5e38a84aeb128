"""The tower file is the CLIP that `clip_retrieval` ships; its gradient leads to likeness; the best is the likest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from demos.clip_retrieval.model.torch_encoder import load_open_clip
from demos.diffusion.config import SampleSection
from demos.diffusion.model.clip import EDGES, SHIPPED, Clip, _shifted
from demos.diffusion.model.pipeline import PictogramPipeline
from demos.diffusion.sampling.choose import best_of, likenesses
from demos.diffusion.sampling.draw import draw
from demos.diffusion.sampling.guide import ClipGuide
from shared.errors import UserError
from shared.openmoji.render import pictures

NAMES = ["red apple", "dog face", "flag: Norway", "violin"]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip()


@pytest.fixture(scope="module")
def shown() -> torch.Tensor:
    """(6, 3, 64, 64) real pictures in -1 to 1."""
    some = np.array(pictures(64)[:4495:800])
    return torch.from_numpy(some).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_the_file_alone_is_the_whole_model(clip: Clip, shown: torch.Tensor) -> None:
    whole = load_open_clip("shipped", "cpu")
    pixels = ((shown + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert (clip.pictures(shown).numpy() * whole.images(pixels)).sum(1) == pytest.approx(1, abs=1e-4)
    assert (clip.texts(NAMES).numpy() * whole.texts(NAMES)).sum(1) == pytest.approx(1, abs=1e-4)


def test_uphill_is_uphill(clip: Clip, shown: torch.Tensor) -> None:
    texts = clip.texts([*NAMES, "ship", "cat"])
    slope = clip.uphill(shown, texts)

    def likeness(pictures: torch.Tensor) -> torch.Tensor:
        return torch.stack([(clip.pictures(_shifted(pictures, *edge)) * texts).sum(1) for edge in EDGES]).mean(0)

    step = 1e-2 * slope / slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    rise = likeness(shown + step) - likeness(shown - step)
    expected = 2e-2 * slope.flatten(1).norm(dim=1)
    torch.testing.assert_close(rise, expected, rtol=0.1, atol=1e-5)


def test_a_shift_moves_and_fills_with_white() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., 10, 20] = 0.5
    for down, right in EDGES:
        moved = _shifted(picture, down, right)
        assert moved.shape == picture.shape
        assert float(moved[0, 0, 10 + down, 20 + right]) == 0.5
        white = int((moved[0, 0] == 1).sum())
        assert white == 64 * (abs(down) + abs(right))


def test_guidance_makes_pictures_liker_and_keeps_each_to_itself(clip: Clip, shown: torch.Tensor) -> None:
    names = [*NAMES, "ship", "cat"]
    guide = ClipGuide(clip, names, 0.3, 4)
    moved = guide(shown, 0.5)
    before, after = ((clip.pictures(pictures) * clip.texts(names)).sum(1) for pictures in (shown, moved))
    assert (after > before + 0.03).all()
    assert moved.abs().max() <= 1
    alone = ClipGuide(clip, names[3:4], 0.3, 4)(shown[3:4], 0.5)
    assert (alone[0] - moved[3]).abs().mean() < 0.01
    # Where the picture says nothing yet, and where it would keep what is moved as noise.
    assert guide(shown, 1e-4) is shown
    assert guide(shown, 0.9) is shown


def test_guidance_reaches_what_is_drawn(clip: Clip, tiny_pipeline: PictogramPipeline) -> None:
    settings, seeds = SampleSection(steps=4, guidance=1.0), [0, 1, 2, 3]
    plain = draw(tiny_pipeline, NAMES, seeds, settings)
    guided = draw(tiny_pipeline, NAMES, seeds, settings, guide=lambda some: ClipGuide(clip, some, 0.3, 2))
    assert (plain != guided).any((1, 2, 3)).all()


def test_without_strength_nothing_is_moved(clip: Clip, tiny_pipeline: PictogramPipeline) -> None:
    settings = SampleSection(steps=3, guidance=1.0)
    plain = draw(tiny_pipeline, NAMES, [0, 1, 2, 3], settings)
    same = draw(tiny_pipeline, NAMES, [0, 1, 2, 3], settings, guide=lambda some: ClipGuide(clip, some, 0.0, 1))
    assert (plain == same).all()


def test_the_best_of_several_is_the_likest(clip: Clip, tiny_pipeline: PictogramPipeline) -> None:
    settings = SampleSection(steps=2, guidance=1.0)
    best, _ = best_of(tiny_pipeline, NAMES[:2], [5, 6], settings, 4, clip)
    (only, _), (first, _) = (best_of(tiny_pipeline, NAMES[:2], [5, 6], settings, count, clip) for count in (1, 4))
    assert (only == draw(tiny_pipeline, NAMES[:2], [5, 6], settings)).all()
    assert (best == first).all()
    # But for rounding, which differs with the size of a batch.
    assert (likenesses(clip, best, NAMES[:2]) >= likenesses(clip, only, NAMES[:2]) - 1e-4).all()


def test_guided_pictures_are_chosen_from_as_well(clip: Clip, tiny_pipeline: PictogramPipeline) -> None:
    settings = SampleSection(steps=2, guidance=1.0)

    def guide(prompts: Sequence[str]) -> ClipGuide:
        return ClipGuide(clip, prompts, 0.4, 1)

    (best, _), (plain, _) = (
        best_of(tiny_pipeline, NAMES[:2], [5, 6], settings, 1, clip, guide=one) for one in (guide, None)
    )
    assert (best == draw(tiny_pipeline, NAMES[:2], [5, 6], settings, guide=guide)).all()
    assert (best != plain).any()


def test_what_is_no_tower_is_one_line(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    (tmp_path / "text").write_text("no tower")
    with pytest.raises(UserError, match="not a safetensors file"):
        Clip(tmp_path / "text")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="no tower of clip_retrieval"):
        Clip(tmp_path / "other.safetensors")
    with safe_open(SHIPPED, framework="pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, tmp_path / "fold.safetensors", metadata={**header, "fold": "1"})
    with pytest.raises(UserError, match="may know what is held out here"):
        Clip(tmp_path / "fold.safetensors")
