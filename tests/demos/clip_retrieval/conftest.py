from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos.clip_retrieval.config import (
    ClipConfig,
    CompositeSection,
    DistilSection,
    ModelSection,
    TrainSection,
    VectorSection,
)


@pytest.fixture(scope="session")
def tiny_config() -> ClipConfig:
    """A tower of 16,000 weights on pictures of 32 pixels, for two epochs."""
    return ClipConfig(
        device="cpu",
        model=ModelSection(name="train", image_tower="test_resnet", size=32),
        train=TrainSection(epochs=2, batch=16),
        vector=VectorSection(count=2),
        composite=CompositeSection(count=120),
        distil=DistilSection(epochs=1, batch=16),
    )


@pytest.fixture(scope="session")
def tiny_train() -> np.ndarray:
    """Every 30th record: 150 of them."""
    return np.arange(0, 4495, 30)


@pytest.fixture(scope="session")
def tiny_tower(tiny_config: ClipConfig, tiny_train: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tower file, trained for two epochs."""
    from demos.clip_retrieval.training.train_model import train_model

    file = tmp_path_factory.mktemp("tower") / "tower.safetensors"
    return train_model(tiny_config, tiny_train, file, part="test", validation=tiny_train[:20]).tower
