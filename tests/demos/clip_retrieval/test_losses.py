from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.loss import ClipLoss, SigLipLoss
from torch.nn import functional

from demos.clip_retrieval.training.losses import (
    MultiPositiveClipLoss,
    MultiPositiveSigLipLoss,
    bank_loss,
    contrastive,
    regression_loss,
)

SCALE, BIAS = torch.tensor(14.3), torch.tensor(-10.0)


def features(seed: int, count: int = 8, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    image, text = (functional.normalize(torch.randn(count, width), dim=1) for _ in range(2))
    return image, text


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_on_keys_that_differ_the_multi_positive_losses_are_open_clips_own(seed: int) -> None:
    image, text = features(seed)
    keys = torch.randperm(8)
    torch.testing.assert_close(MultiPositiveClipLoss()(image, text, SCALE, keys), ClipLoss()(image, text, SCALE))
    torch.testing.assert_close(
        MultiPositiveSigLipLoss()(image, text, SCALE, BIAS, keys), SigLipLoss()(image, text, SCALE, BIAS)
    )


def gradient(loss: torch.nn.Module, text: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
    image = features(3, len(text))[0].requires_grad_()
    loss(image, text, SCALE, *more).backward()
    assert image.grad is not None
    return image.grad


def test_repeated_captions_need_the_multi_positive_form_in_siglip_and_not_in_clip() -> None:
    keys = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6])
    repeated = features(5, 7)[1][keys]
    torch.testing.assert_close(gradient(MultiPositiveClipLoss(), repeated, keys), gradient(ClipLoss(), repeated))
    ours, plain = gradient(MultiPositiveSigLipLoss(), repeated, BIAS, keys), gradient(SigLipLoss(), repeated, BIAS)
    assert (ours - plain).norm() > 0.1 * plain.norm()


def test_synonyms_need_the_multi_positive_form_in_clip() -> None:
    keys, text = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6]), features(6)[1]
    assert (gradient(MultiPositiveClipLoss(), text, keys) - gradient(ClipLoss(), text)).norm() > 0.01


def test_all_keys_equal_is_finite() -> None:
    image, text = features(1)
    keys = torch.zeros(8, dtype=torch.long)
    assert torch.isfinite(MultiPositiveClipLoss()(image, text, SCALE, keys))
    assert torch.isfinite(MultiPositiveSigLipLoss()(image, text, SCALE, BIAS, keys))


def test_the_bank_is_won_by_the_right_caption() -> None:
    _, bank = features(2)
    targets = torch.arange(8)
    right = bank_loss(bank, bank, targets, torch.tensor(100.0))
    wrong = bank_loss(bank, bank, targets.roll(1), torch.tensor(100.0))
    assert right < 0.01 < wrong


def test_regression_is_zero_at_the_target_and_two_opposite_to_it() -> None:
    image, _ = features(4)
    assert regression_loss(image, image) == pytest.approx(0, abs=1e-6)
    assert regression_loss(image, -image) == pytest.approx(2, abs=1e-6)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: clip, siglip, multipositive, multipositive-siglip"):
        contrastive("triplet")
