"""Encoders on torch: whatever open_clip can build, from a folder or from its list of checkpoints."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.clip_retrieval.model.build import normalised
from demos.clip_retrieval.model.shape import CONFIG
from demos.clip_retrieval.model.weights import SHIPPED, assembled, digest
from shared.errors import UserError
from shared.pretrained.quiet import quiet_and_offline, silent_logs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.corpus.pictures import Fit

BATCH = 64
LONGEST = 160  # characters of a library's message that an error repeats
PREFIX_FOLDER, PREFIX_CHECKPOINT = "local-dir:", "pretrained:"
# By open_clip's resize_mode and interpolation.
FITS: dict[tuple[str, str], Fit] = {
    ("longest", "bicubic"): "pad",
    ("shortest", "bicubic"): "crop",
    ("shortest", "bilinear"): "crop-bilinear",
    ("squash", "bicubic"): "squash",
    ("squash", "bilinear"): "squash-bilinear",
}
WHITE = 255


class TorchEncoder:
    """An open_clip model as an `Encoder`. model: in evaluation mode on `device`; tokenizer: text -> (n, c).

    Raises UserError when its pictures are prepared in a way that is not supported.
    """

    def __init__(self, model: Any, tokenizer: Any, identity: str, device: str) -> None:
        self._model, self._tokenizer, self._device = model, tokenizer, device
        settings = model.visual.preprocess_cfg
        self.size, self.fit = fit_of(settings)
        # One number stands for three equal ones.
        self._mean, self._std = (np.broadcast_to(settings[name], 3).tolist() for name in ("mean", "std"))
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


def fit_of(settings: dict[str, Any]) -> tuple[int, Fit]:
    """(side [pixels], fit): what `open_picture` is told, to do as open_clip's transform does with these settings.

    settings: open_clip's `preprocess_cfg`, whole. Raises UserError for what `open_picture` cannot do.
    """
    size = settings["size"]
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    # open_clip draws lots while it trains, and is bicubic when a model is used.
    interpolation = {"random": "bicubic"}.get(settings["interpolation"], settings["interpolation"])
    fit = FITS.get((settings["resize_mode"], interpolation))
    if fit is None or height != width or (fit == "pad" and settings["fill_color"] != WHITE):
        told = ", ".join(f"{name}={settings[name]}" for name in ("size", "resize_mode", "interpolation", "fill_color"))
        raise UserError(
            f"the pictures of this model are prepared with {told}; possible are squares that are shortest or squash "
            f"(bicubic or bilinear), or longest (bicubic) with fill_color={WHITE}"
        )
    return int(height), fit


def trimmed(tokens: torch.Tensor, model: Any) -> torch.Tensor:
    """Tokens (n, c) without the columns that are padding alone, for text towers that take any length.

    open_clip pads to the whole context; a transformer of transformers masks padding, so the vectors stay the same.
    open_clip's own text towers have a position for each column and keep them all.
    """
    if not hasattr(getattr(model, "text", None), "pooler"):
        return tokens
    return tokens[:, : int((tokens != model.text.config.pad_token_id).sum(1).max())]


def open_folder(folder: Path, device: str = "cpu") -> Any:
    """The model of a folder with open_clip_config.json, in evaluation mode. Raises UserError when it does not load."""
    import open_clip

    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} has no {CONFIG}; a local-dir: model is a folder as open_clip saves it")
    weights_of(folder)  # without any, open_clip would go on with random ones
    with _told(folder):
        model = open_clip.create_model(f"local-dir:{folder}", device=device, require_pretrained=True)
    model.eval()
    return model


def weights_of(folder: Path) -> Path:
    """The file of a folder that open_clip takes the weights from. Raises UserError when there is none."""
    # Its own choice among several, so that what is hashed is what is loaded.
    from open_clip.factory import _find_checkpoint_in_dir

    with silent_logs():
        found = _find_checkpoint_in_dir(folder)
    if found is None:
        others = sorted(file.name for file in folder.glob("*.pt"))
        way_out = f"; rename {' or '.join(others[:3])} to open_clip_pytorch_model.bin" if others else ""
        raise UserError(f"{folder} has no weights that open_clip loads (*.safetensors, *.bin or *.pth){way_out}")
    return Path(found)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What open_clip, transformers or torch raise while they read a folder becomes a UserError of one line."""
    try:
        with quiet_and_offline():
            yield
    except Exception as error:  # from KeyError of a config to UnpicklingError of a checkpoint
        raise UserError(f"open_clip cannot load {folder} from local files alone: {_first_line(error)}") from None


def _identity(folder: Path) -> str:
    """Of the weights, and of the config: it holds the preprocessing and the activations."""
    return hashlib.sha256(f"{digest(weights_of(folder))} {digest(folder / CONFIG)}".encode()).hexdigest()[:16]


def load_open_clip(name: str, device: str) -> TorchEncoder:
    """The encoder of "shipped", "local-dir:FOLDER", "local-dir:TOWER.safetensors" or "pretrained:ARCHITECTURE/TAG".

    Raises UserError in one line.
    """
    import open_clip

    if name.startswith(PREFIX_CHECKPOINT):
        return _checkpoint(name.removeprefix(PREFIX_CHECKPOINT), device)
    folder = SHIPPED if name == "shipped" else Path(name.removeprefix(PREFIX_FOLDER)).expanduser().absolute()
    tower = name == "shipped" or folder.is_file()  # as training writes one
    if tower:
        folder = assembled(folder)
    model = open_folder(folder, device)
    with _told(folder):
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    # An assembled folder is named by the hash of its tower, wherever the cache is.
    return TorchEncoder(model, tokenizer, folder.name if tower else _identity(folder), device)


def _checkpoint(name: str, device: str) -> TorchEncoder:
    """A checkpoint that open_clip knows by architecture and tag, downloaded by open_clip into its own cache."""
    import open_clip

    architecture, _, tag = name.partition("/")
    known = open_clip.list_pretrained_tags_by_model(architecture)
    if not tag or tag not in known:
        some = ", ".join(known[:6]) or "none; see open_clip.list_pretrained()"
        raise UserError(f"model.name=pretrained:{name}: open_clip knows these tags of {architecture!r}: {some}")
    quick = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))
    try:
        # While it is offline the hub library logs each of its tries.
        with silent_logs():
            # By itself open_clip takes the activation of the architecture, and warns where the weights need another.
            model = open_clip.create_model(architecture, pretrained=tag, device=device, force_quick_gelu=quick)
            tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:  # hub libraries raise a dozen kinds, all meaning that it could not be had
        raise UserError(
            f"model.name=pretrained:{name} could not be downloaded: try again with a network, or save it as a folder "
            f"elsewhere and give model.name=local-dir:FOLDER ({_first_line(error)})"
        ) from None
    model.eval()
    facts = json.dumps([name, quick, model.visual.preprocess_cfg])
    return TorchEncoder(model, tokenizer, hashlib.sha256(facts.encode()).hexdigest()[:16], device)


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
