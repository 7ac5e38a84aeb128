"""A CLIP of open_clip's own classes: an image tower trained from scratch beside MiniLM, saved as open_clip loads it.

The text tower is locked by default (LiT: Zhai et al., LiT: Zero-Shot Transfer with Locked-image text Tuning, 2022, with
the towers' parts changed over): only a linear map behind it is trained.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demos.clip_retrieval.model.shape import TEXT_FILES, WEIGHTS, Shape, write_config
from demos.clip_retrieval.model.whitening import whitening
from shared.pretrained.quiet import quiet_and_offline


def build(shape: Shape, text_folder: Path) -> torch.nn.Module:
    """A new model: the image tower at random, the text tower as in `text_folder`, locked but for its projection.

    Random numbers: torch's global generator.
    """
    import open_clip
    from open_clip.model import CustomTextCLIP

    with quiet_and_offline():
        model = CustomTextCLIP(**shape.open_clip(text_folder))
    open_clip.model.set_model_preprocess_cfg(model, shape.preprocess())
    model.lock_text_tower()
    return model


def unlock_text_layers(model: Any, layers: int) -> None:
    """Let the last `layers` layers of the text tower be trained too; 0 to as many as it has.

    open_clip's own `lock_text_tower(unlocked_layers=...)` raises KeyError for BERT towers.
    """
    if layers:
        for layer in model.text.transformer.encoder.layer[-layers:]:
            layer.requires_grad_(True)


def begin_projection(model: Any, texts: NDArray[np.float32], power: float = 0.25) -> None:
    """Start the text projection as a partial whitening of the texts' common space (`model.whitening`).

    texts: (n, w) pooled outputs of the text tower for training captions. Needs dimension == w; other dimensions keep
    their random map.
    """
    weight = model.text.proj.weight
    if weight.shape[0] != texts.shape[1]:
        return
    with torch.no_grad():
        weight.copy_(torch.from_numpy(whitening(texts, power)))


def export(model: torch.nn.Module, shape: Shape, text_folder: Path, folder: Path) -> Path:
    """Write `folder` so that `open_clip.create_model_and_transforms("local-dir:FOLDER")` loads it, also after a move of
    MiniLM: the folder names itself as the home of its text tower. Overwrites; returns the folder.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for name in TEXT_FILES:
        shutil.copyfile(text_folder / name, folder / name)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    write_config(shape, folder)
    return folder


def normalised(pictures: NDArray[np.uint8] | Tensor, mean: Any, std: Any, device: str | torch.device) -> Tensor:
    """(n, s, s, 3) uint8 pictures as the (n, 3, s, s) float input of an image tower, channels last in memory."""
    tensor = torch.from_numpy(np.array(pictures)) if isinstance(pictures, np.ndarray) else pictures
    tensor = tensor.to(device).permute(0, 3, 1, 2).float() / 255
    shape = (1, 3, 1, 1)
    centre, spread = (torch.tensor(values, device=device).view(shape) for values in (mean, std))
    return ((tensor - centre) / spread).contiguous(memory_format=torch.channels_last)
