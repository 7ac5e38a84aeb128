"""Both towers as ONNX, so that a search starts without torch and its text encoder runs at the speed of ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.clip_retrieval.model.shape import ONNX_IMAGE, ONNX_TEXT


class TextTower(nn.Module):
    """Token numbers (n, c), 0 where padded, to normalised vectors (n, d)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """As the class says."""
        return functional.normalize(self.model.text(tokens), dim=-1)


class ImageTower(nn.Module):
    """Pictures (n, s, s, 3) of bytes to normalised vectors (n, d): the preprocessing is inside."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """As the class says."""
        inputs = (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return functional.normalize(self.model.visual(inputs), dim=-1)


def export_towers(folder: Path) -> None:
    """Write text.onnx and image.onnx into an assembled folder; each appears when it is whole."""
    from demos.clip_retrieval.model.torch_encoder import open_folder

    print("exporting the model to ONNX, once ...", file=sys.stderr, flush=True)
    model = open_folder(folder)
    tokens = torch.tensor([[101, 1037, 2417, 6207, 102], [101, 5119, 102, 0, 0]])
    pictures = torch.zeros(2, *model.visual.image_size, 3, dtype=torch.uint8)
    image = ImageTower(model, list(model.visual.image_mean), list(model.visual.image_std))
    rows, length = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    _export(TextTower(model), tokens, "tokens", ({0: rows, 1: length},), folder / ONNX_TEXT, {})
    # The image tower is written last: who finds it finds both.
    scale = {"scale": repr(float(model.logit_scale.detach().exp()))}
    _export(image, pictures, "pictures", ({0: rows},), folder / ONNX_IMAGE, scale)


def _export(module: nn.Module, example: Tensor, name: str, shapes: Any, file: Path, facts: dict[str, str]) -> None:
    # In training mode the exporter would keep dropout on.
    module.eval()
    with _quiet():
        program = torch.onnx.export(
            module, (example,), dynamo=True, dynamic_shapes=shapes, input_names=[name], output_names=["vectors"]
        )
    assert program is not None
    program.model.metadata_props.update(facts)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".onnx-") as folder:
        temporary = Path(folder) / file.name
        program.save(temporary, external_data=False)
        temporary.replace(file)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its steps on the terminal and warns of its own internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
