"""The CLIP of pictograms that guides and chooses: a tower file, as `clip_retrieval` trains and ships one.

Only the file is taken from there: its header says how the image tower is built (open_clip around timm), and its text
side is one linear map behind the MiniLM that this demo has anyway. Neither judge of this demo knows of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from demos.diffusion.data import FOLD
from shared.errors import UserError
from shared.openmoji.splits import group_split
from shared.pretrained.minilm import DIMENSION, MiniLM

SHIPPED = Path(__file__).parents[2] / "clip_retrieval" / "weights" / "tower.safetensors"
IMAGE, TEXT = "visual.", "text.proj.weight"
EDGES = ((0, 0), (3, 0), (-3, 0), (0, 3), (0, -3))  # shifts at which a picture is looked at [64ths of its side]


class Clip:
    """Likeness of pictures and words. file: a tower's. Raises UserError when it is none, or knows held-out names."""

    def __init__(self, file: Path = SHIPPED, device: str = "cpu") -> None:
        tensors, header = _read(file)
        if (header.get("split"), header.get("fold")) != (group_split().digest, str(FOLD)):
            raise UserError(f"{file}: was trained on another division of OpenMoji; it may know what is held out here")
        shape: dict[str, Any] = json.loads(header["shape"])
        from open_clip.timm_model import TimmModel

        self.size = int(shape["size"])
        self._tower = TimmModel(shape["image_tower"], shape["dimension"], self.size, proj=shape["head"])
        image = {name.removeprefix(IMAGE): value.float() for name, value in tensors.items() if name.startswith(IMAGE)}
        self._tower.load_state_dict(image)
        self._tower.to(device).eval().requires_grad_(False)
        self._project = tensors[TEXT].float().to(device)
        self._mean, self._std = (torch.tensor(shape[name], device=device).view(1, 3, 1, 1) for name in ("mean", "std"))
        self._texts, self._device = MiniLM(), device
        self.identity = hashlib.sha256(file.read_bytes()).hexdigest()[:16]

    def texts(self, texts: Sequence[str]) -> Tensor:
        """(n, d) vectors of length 1."""
        pooled = torch.from_numpy(self._texts(texts)).to(self._device)
        return functional.normalize(pooled @ self._project.T, dim=1)

    def pictures(self, pictures: Tensor) -> Tensor:
        """(n, d) vectors of length 1, of (n, 3, s, s) pictures in -1 to 1, through which gradients go."""
        if pictures.shape[-1] != self.size:
            pictures = functional.interpolate(pictures, self.size, mode="bicubic", antialias=True)
        inputs = ((pictures + 1) / 2 - self._mean) / self._std
        return functional.normalize(self._tower(inputs.contiguous(memory_format=torch.channels_last)), dim=1)

    def uphill(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """(n, 3, s, s) the gradient of each picture's likeness to its text, mean over small shifts of the picture, so
        that what it follows is no pattern of single pixels."""
        with torch.enable_grad():
            seen = pictures.detach().requires_grad_(True)
            moved = torch.cat([_shifted(seen, *edge) for edge in EDGES])
            likeness = (self.pictures(moved) * texts.repeat(len(EDGES), 1)).sum() / len(EDGES)
            (found,) = torch.autograd.grad(likeness, seen)
        return found


def _shifted(pictures: Tensor, down: int, right: int) -> Tensor:
    """Moved by some 64ths of the side, white (1) where nothing comes after."""
    unit = pictures.shape[-1] / 64
    down, right = round(down * unit), round(right * unit)
    around = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    wider = functional.pad(pictures, around, value=1.0)
    top, left = max(-down, 0), max(-right, 0)
    return wider[..., top : top + pictures.shape[-2], left : left + pictures.shape[-1]]


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            header: dict[str, str] = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 it is no mapping
    except (SafetensorError, OSError):
        raise UserError(f"{file}: is not a safetensors file that can be read") from None
    if "shape" not in header or tensors.get(TEXT, torch.empty(0)).shape[-1:] != (DIMENSION,):
        raise UserError(f"{file}: is no tower of clip_retrieval with MiniLM as its text side")
    return tensors, header
