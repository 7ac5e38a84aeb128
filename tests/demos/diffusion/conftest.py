from __future__ import annotations

import numpy as np
import pytest
import torch

from demos.diffusion.config import DiffusionConfig, ModelSection, SampleSection, TrainSection
from demos.diffusion.model.build import build
from demos.diffusion.model.pipeline import PictogramPipeline
from shared.openmoji.records import Emoji, records


@pytest.fixture(scope="session")
def tiny_config() -> DiffusionConfig:
    """A network of 300,000 weights on pictures of 32 pixels, for a few steps."""
    return DiffusionConfig(
        device="cpu",
        model=ModelSection(size=32, patch=4, channels=[32, 64]),
        train=TrainSection(steps=6, batch=8, warmup=2),
        sample=SampleSection(steps=3, batch=4),
    )


@pytest.fixture
def tiny_pipeline(tiny_config: DiffusionConfig) -> PictogramPipeline:
    """At random, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = build(tiny_config.model)
    pipeline.set_progress_bar_config(disable=True)
    # A network that starts has a last layer of small weights: let it say something.
    with torch.no_grad():
        pipeline.unet.conv_out.weight.mul_(3)
    pipeline.unet.eval()
    return pipeline


@pytest.fixture(scope="session")
def some_emojis() -> list[Emoji]:
    return records()[:4495:200]


@pytest.fixture(scope="session")
def some_pictures(some_emojis: list[Emoji]) -> np.ndarray:
    from shared.openmoji.render import pictures

    return np.asarray(pictures(32)[:4495:200])
