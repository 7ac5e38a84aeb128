"""What a model of this demo looks like, and the files of its folder; light enough for a search to import.

The folder is what open_clip calls a local directory: `open_clip.create_model_and_transforms("local-dir:FOLDER")`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.pretrained.minilm import CONTEXT
from shared.run import write_atomically

# Files of the text tower that an exported folder repeats, so that it is complete in itself.
TEXT_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
ONNX_TEXT, ONNX_IMAGE = "text-int8.onnx", "image.onnx"


@dataclass(frozen=True)
class Shape:
    """What an image tower and the joint space look like. size: side of the pictures [pixels]; siglip: with the bias and
    the temperature that SigLIP starts from; head: what stands behind the tower, "linear" or "mlp"."""

    image_tower: str
    size: int
    dimension: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    siglip: bool = False
    head: str = "linear"

    def open_clip(self, text_folder: Path | str) -> dict[str, Any]:
        """The `model_cfg` of open_clip; text_folder: where the text tower's config.json lies."""
        start = {"init_logit_scale": math.log(10), "init_logit_bias": -10.0} if self.siglip else {}
        return {
            **start,
            "embed_dim": self.dimension,
            "vision_cfg": {
                "timm_model_name": self.image_tower,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": self.head,
                "image_size": self.size,
            },
            "text_cfg": {
                "hf_model_name": str(text_folder),
                "hf_tokenizer_name": str(text_folder),
                "hf_pooler_type": "mean_pooler",
                "hf_proj_type": "linear",
                "context_length": CONTEXT,
            },
        }

    def preprocess(self) -> dict[str, Any]:
        """The `preprocess_cfg` of open_clip: pad to a white square, resize, normalise."""
        return {
            "size": self.size,
            "mode": "RGB",
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": "bicubic",
            "resize_mode": "longest",
            "fill_color": 255,
        }


def write_config(shape: Shape, folder: Path) -> None:
    """Write `open_clip_config.json`, all at once. open_clip looks for the text tower at the path it holds, even of a
    local directory: so the folder names itself, and has to be written again after a move.
    """
    settings = {"model_cfg": shape.open_clip(folder.absolute()), "preprocess_cfg": shape.preprocess()}
    write_atomically(folder / CONFIG, json.dumps(settings, indent=2) + "\n")


def is_at_home(folder: Path) -> bool:
    """Whether the config of a folder names the folder itself as the home of its text tower."""
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return bool(settings["model_cfg"]["text_cfg"].get("hf_model_name") == str(folder.absolute()))
