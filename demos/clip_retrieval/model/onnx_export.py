"""Both towers as ONNX, so that a search starts without torch and its text encoder runs at the speed of ONNX Runtime.

A query is one short text, so its time is that of reading the weights of the text tower: they are kept as 8-bit integers
with a scale for each 16. All other ways measured were slower or further off (decision 009).
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.clip_retrieval.model.shape import ONNX_IMAGE, ONNX_TEXT
from shared.pretrained.quiet import silent_logs

EIGHT = 8  # bits of a weight of the text tower
BLOCK = 16  # weights that share a scale
KEPT = ".attention.self.value"  # in full precision, or the cosine to torch falls below .999 for some texts
INT8_PRODUCTS = 4  # what ONNX Runtime calls the accuracy of products of 8-bit integers


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
    """Write text-int8.onnx and image.onnx into an assembled folder; each appears when it is whole."""
    from demos.clip_retrieval.model.torch_encoder import open_folder

    print("exporting the model to ONNX, once ...", file=sys.stderr, flush=True)
    model = open_folder(folder)
    export_text(model, folder / ONNX_TEXT, EIGHT)
    pictures = torch.zeros(2, *model.visual.image_size, 3, dtype=torch.uint8)
    image = ImageTower(model, list(model.visual.image_mean), list(model.visual.image_std))
    scale = {"scale": repr(float(model.logit_scale.detach().exp()))}
    _export(image, pictures, "pictures", ({0: torch.export.Dim.DYNAMIC},), folder / ONNX_IMAGE, scale)


def export_text(model: Any, file: Path, bits: int) -> None:
    """Write the text tower of open_clip's `model`, its weights in so many bits: 8, or 32 as they are."""
    tokens = torch.tensor([[101, 1037, 2417, 6207, 102], [101, 5119, 102, 0, 0]])
    rows, length = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    finish = partial(_quantize, layers=model.text.transformer.config.num_hidden_layers) if bits == EIGHT else None
    _export(TextTower(model), tokens, "tokens", ({0: rows, 1: length},), file, {}, finish)


def _export(
    module: nn.Module,
    example: Tensor,
    name: str,
    shapes: Any,
    file: Path,
    facts: dict[str, str],
    finish: Callable[[Path], None] | None = None,
) -> None:
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
        if finish:
            with _quiet():
                finish(temporary)
        temporary.replace(file)


def _quantize(file: Path, layers: int) -> None:
    """Rewrite a model with the weights of its matrix products in 8 bits; what they are multiplied by is rounded to 8
    bits too, as it comes, row by row, so that a text has the same vector alone and in a batch.

    layers: of the text tower; one product of each is kept as it is. Raises RuntimeError when there are more or fewer.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    model = onnx.load(file)
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    kept = [node.name for node in products if any(KEPT in scope.value for scope in node.metadata_props)]
    if len(kept) != layers:  # torch and transformers choose the names of the scopes
        raise RuntimeError(
            f"{len(kept)} products are called {KEPT} in a text tower of {layers} layers, not one in each"
        )
    settings = DefaultWeightOnlyQuantConfig(
        block_size=BLOCK, is_symmetric=True, accuracy_level=INT8_PRODUCTS, bits=EIGHT
    )
    quantizer = MatMulNBitsQuantizer(model, algo_config=settings, nodes_to_exclude=kept)
    quantizer.process()
    quantizer.model.save_model_to_file(str(file), use_external_data_format=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its steps on the terminal and warns of its own internals; the quantizer, when imported,
    makes every library of the process report."""
    level, handlers = logging.root.level, list(logging.root.handlers)
    try:
        with silent_logs(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.setLevel(level)
        logging.root.handlers[:] = handlers
