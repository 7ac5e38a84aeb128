"""Pictures and words to vectors. A search of the shipped model needs neither torch nor open_clip: ONNX Runtime runs it.

    encoder = EncoderSpec("shipped").load()
    encoder.texts(["a red apple"])          # (1, 384)

Anything else that open_clip can build goes through torch (`torch_encoder`).
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from demos.clip_retrieval.model.shape import CONFIG, ONNX_IMAGE, ONNX_TEXT
from shared.pretrained.minilm import CONTEXT
from shared.pretrained.words import cleaned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.corpus.pictures import Fit

BATCH = 64  # pictures or texts at a time
REPLACED = ("text.onnx",)  # what earlier versions wrote beside the weights, 92 MB that nothing reads any more


class Encoder(Protocol):
    """A model of pictures and texts in one space.

    size: side of its pictures [pixels]; dimension: of its vectors; fit: how a picture becomes square; identity: of
    weights and preprocessing, so that vectors of two models never meet.
    """

    size: int
    dimension: int
    fit: Fit
    identity: str

    @property
    def scale(self) -> float:
        """The learned temperature, as the factor of a cosine in a softmax."""

    def images(self, pictures_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, d) normalised vectors of (n, size, size, 3) RGB pictures."""

    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """(n, d) normalised vectors."""


@dataclass(frozen=True)
class EncoderSpec:
    """Names a model, so that a worker can load it for itself.

    model: as `model.name` of the config, but "train". device: "auto", "cpu", "cuda" or "mps". threads: of one encoder;
    None leaves it to the library.
    """

    model: str = "shipped"
    device: str = "auto"
    threads: int | None = None

    def load(self) -> Encoder:
        """The encoder, kept for the next call of this process. Raises UserError when the model cannot be had."""
        return _load(self)


@functools.cache
def _load(spec: EncoderSpec) -> Encoder:
    from shared.device import resolve

    # Asking for the device imports torch where it is installed; the shipped model on "auto" is small enough for a CPU.
    device = "cpu" if spec.device == "auto" and spec.model == "shipped" else resolve(spec.device)
    if spec.model == "shipped" and device == "cpu":
        from demos.clip_retrieval.model.weights import assembled

        return OnnxEncoder(ready(assembled()), spec.threads)
    from demos.clip_retrieval.model.torch_encoder import load_open_clip

    return load_open_clip(spec.model, device)


def ready(folder: Path) -> Path:
    """The folder, after both towers were exported to ONNX in it; that takes some seconds, once."""
    if not all((folder / name).is_file() for name in (ONNX_TEXT, ONNX_IMAGE)):
        from demos.clip_retrieval.model.onnx_export import export_towers

        export_towers(folder)
        for name in REPLACED:
            (folder / name).unlink(missing_ok=True)
    return folder


class OnnxEncoder:
    """A folder of `weights.assembled`, its towers exported, on ONNX Runtime.

    folder: with open_clip_config.json, tokenizer.json, text-int8.onnx and image.onnx; its name is the model's identity.
    """

    fit: Fit = "pad"

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        self.size = int(settings["model_cfg"]["vision_cfg"]["image_size"])
        self.dimension = int(settings["model_cfg"]["embed_dim"])
        self.identity = folder.name
        self._folder, self._threads = folder, threads

    @functools.cached_property
    def scale(self) -> float:
        """The learned temperature, as the factor of a cosine."""
        return float(self._image.get_modelmeta().custom_metadata_map["scale"])

    @functools.cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.enable_truncation(CONTEXT)
        # To the longest of a batch: padding to the whole context costs a short query half its time.
        tokenizer.enable_padding()
        return tokenizer

    @functools.cached_property
    def _text(self) -> Any:
        return _session(self._folder / ONNX_TEXT, self._threads)

    @functools.cached_property
    def _image(self) -> Any:
        return _session(self._folder / ONNX_IMAGE, self._threads)

    def images(self, pictures_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Encoder.images`. Raises ValueError for another shape."""
        if pictures_nhwc.shape[1:] != (self.size, self.size, 3) or pictures_nhwc.dtype != np.uint8:
            raise ValueError(f"pictures must be (n, {self.size}, {self.size}, 3) uint8, got {pictures_nhwc.shape}")
        batches = [pictures_nhwc[at : at + BATCH] for at in range(0, len(pictures_nhwc), BATCH)]
        found = [self._image.run(None, {"pictures": np.ascontiguousarray(batch)})[0] for batch in batches]
        return np.concatenate(found) if found else np.empty((0, self.dimension), np.float32)

    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """As `Encoder.texts`; words beyond the context are dropped."""
        found = []
        for at in range(0, len(texts), BATCH):
            batch = [cleaned(text) for text in texts[at : at + BATCH]]
            tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(batch)]
            found.append(self._text.run(None, {"tokens": np.array(tokens, dtype=np.int64)})[0])
        return np.concatenate(found) if found else np.empty((0, self.dimension), np.float32)


def _session(file: Path, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
