"""Encoders on torch: whatever open_clip can build, from a folder or from its list of checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.clip_retrieval.model.build import normalised, quiet_and_offline
from demos.clip_retrieval.model.shape import CONFIG
from demos.clip_retrieval.model.weights import assembled, digest
from shared.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.model.encoder import Fit

BATCH = 64
PREFIX_FOLDER, PREFIX_CHECKPOINT = "local-dir:", "pretrained:"


class TorchEncoder:
    """An open_clip model as an `Encoder`. model: in evaluation mode on `device`; tokenizer: text -> (n, c)."""

    def __init__(self, model: Any, tokenizer: Any, identity: str, device: str) -> None:
        self._model, self._tokenizer, self._device = model, tokenizer, device
        side = model.visual.image_size
        self.size = int(side[0] if isinstance(side, (tuple, list)) else side)
        settings = dict(getattr(model.visual, "preprocess_cfg", {}))
        self.fit: Fit = "pad" if settings.get("resize_mode") == "longest" else "crop"
        self._mean, self._std = tuple(settings["mean"]), tuple(settings["std"])
        self.identity = identity
        self.scale = float(model.logit_scale.detach().exp())
        self.dimension = int(self.texts(["a"]).shape[1])

    @torch.inference_mode()
    def images(self, pictures_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Encoder.images`."""
        found = [np.empty((0, getattr(self, "dimension", 0)), np.float32)]
        for at in range(0, len(pictures_nhwc), BATCH):
            inputs = normalised(pictures_nhwc[at : at + BATCH], self._mean, self._std, self._device)
            found.append(self._model.encode_image(inputs, normalize=True).float().cpu().numpy())
        return np.concatenate(found)

    @torch.inference_mode()
    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """As `Encoder.texts`."""
        found = []
        for at in range(0, len(texts), BATCH):
            tokens = trimmed(self._tokenizer(texts[at : at + BATCH]), self._model).to(self._device)
            found.append(self._model.encode_text(tokens, normalize=True).float().cpu().numpy())
        return np.concatenate(found) if found else np.empty((0, self.dimension), np.float32)


def trimmed(tokens: torch.Tensor, model: Any) -> torch.Tensor:
    """Tokens (n, c) without the columns that are padding alone, for text towers that take any length.

    open_clip pads to the whole context; a transformer of transformers masks padding, so the vectors stay the same.
    open_clip's own text towers have a position for each column and keep them all.
    """
    if not hasattr(getattr(model, "text", None), "pooler"):
        return tokens
    return tokens[:, : int((tokens != 0).sum(1).max())]


def open_folder(folder: Path, device: str = "cpu") -> Any:
    """The model of a folder with open_clip_config.json, in evaluation mode. Raises UserError when it does not load."""
    import open_clip

    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} has no {CONFIG}; a local-dir: model is a folder as open_clip saves it")
    try:
        with quiet_and_offline():
            model = open_clip.create_model(f"local-dir:{folder}", device=device)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"open_clip cannot load {folder}: {_first_line(error)}") from None
    model.eval()
    return model


def load_open_clip(name: str, device: str) -> TorchEncoder:
    """The encoder of "shipped", "local-dir:FOLDER" or "pretrained:ARCHITECTURE/TAG". Raises UserError in one line."""
    import open_clip

    if name.startswith(PREFIX_CHECKPOINT):
        return _checkpoint(name.removeprefix(PREFIX_CHECKPOINT), device)
    folder = assembled() if name == "shipped" else Path(name.removeprefix(PREFIX_FOLDER)).expanduser().absolute()
    model = open_folder(folder, device)
    with quiet_and_offline():
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin")) or sorted(folder.glob("*.pt"))
    identity = folder.name if name == "shipped" else digest(weights[0])
    return TorchEncoder(model, tokenizer, identity, device)


def _checkpoint(name: str, device: str) -> TorchEncoder:
    """A checkpoint that open_clip knows by architecture and tag, downloaded by open_clip into its own cache."""
    import open_clip

    architecture, _, tag = name.partition("/")
    known = open_clip.list_pretrained_tags_by_model(architecture)
    if not tag or tag not in known:
        some = ", ".join(known[:6]) or "none; see open_clip.list_pretrained()"
        raise UserError(f"model.name=pretrained:{name}: open_clip knows these tags of {architecture!r}: {some}")
    try:
        model, _, _ = open_clip.create_model_and_transforms(architecture, pretrained=tag, device=device)
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:  # hub libraries raise a dozen kinds, all meaning that it could not be had
        raise UserError(
            f"model.name=pretrained:{name} could not be downloaded ({_first_line(error)}); with a network try again, "
            f"or save it as a folder elsewhere and give model.name=local-dir:FOLDER"
        ) from None
    model.eval()
    return TorchEncoder(model, tokenizer, hashlib.sha256(name.encode()).hexdigest()[:16], device)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
