"""The judge is the published network, takes pictures one by one or together, and refuses foreign weights."""

from pathlib import Path

import numpy as np
import pytest

from shared.openmoji.render import pictures
from shared.pretrained import efficientnet as module
from shared.pretrained.efficientnet import efficientnet, efficientnet_features


def test_the_network_is_the_one_of_imagenet() -> None:
    network = efficientnet()
    assert not network.training
    assert 4.6e6 < sum(parameter.numel() for parameter in network.parameters()) < 4.7e6


def test_pictures_are_seen_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some through the network itself, one at a time and with a border between two batches."""
    pixels = np.asarray(pictures(128)[40:43])
    monkeypatch.setattr(module, "BATCH", 2)
    together = efficientnet_features(pixels)
    alone = np.concatenate([efficientnet_features(pixels[at : at + 1]) for at in range(3)])
    assert together.shape == (3, 1280)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)
    units = together / np.linalg.norm(together, axis=1, keepdims=True)
    assert (units @ units.T)[np.triu_indices(3, 1)].max() < 0.99


def test_foreign_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    file = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3, 3)}, file)
    monkeypatch.setattr(module, "efficientnet_file", lambda: file)
    with pytest.raises(ValueError, match="not those of EfficientNet-Lite0"):
        efficientnet.__wrapped__()
