"""Models as ONNX, for one text at a time, in 32 or in 8 bits."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from demos.coevolution.deploy.folded import Folded
from demos.coevolution.models.device import Device
from demos.coevolution.models.encoder import Encoder
from shared.files import written_whole
from shared.pretrained.quiet import silent_logs

EXAMPLE = [[101, 1037, 2204, 2143, 102]]  # "a good film"
INPUT, OUTPUT = "pieces", "logits"


class Alone(nn.Module):
    """(1, l) word pieces of one text -> (1, 2) logits: without padding there is nothing to hide."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.body, self.head = encoder.body, encoder.head

    def forward(self, ids_1l: Tensor) -> Tensor:
        return self.head(self.body(input_ids=ids_1l).last_hidden_state.mean(1))


def export(model: nn.Module, file: Path, bits: int = 8) -> None:
    """Write `model`, an encoder or a device's, as ONNX; the file appears when it is whole.

    bits: of its weights; 8 or 32. An encoder's products are then of 8-bit integers too (`quantize_dynamic` of ONNX
    Runtime); of a device's model the table is rounded.
    """
    if isinstance(model, Device):
        alone: nn.Module = Folded(model, bits)
    elif isinstance(model, Encoder):
        alone = Alone(model)
    else:
        raise TypeError(f"no model of this demo: {type(model).__name__}")
    with written_whole(file) as temporary:
        _export(alone, temporary)
        if bits == 8 and isinstance(model, Encoder):
            _quantize(temporary)


def _export(alone: nn.Module, file: Path) -> None:
    # In training mode the exporter would keep dropout on.
    alone.eval()
    with _quiet():
        program: Any = torch.onnx.export(
            alone,
            (torch.tensor(EXAMPLE),),
            dynamo=True,
            dynamic_shapes=({1: torch.export.Dim.DYNAMIC},),
            input_names=[INPUT],
            output_names=[OUTPUT],
        )
    program.save(file, external_data=False)


def _quantize(file: Path) -> None:
    """Weights of an encoder in 8 bits, those of its word vectors too."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(file)
    # The exporter's shapes are those of weights before the quantizer turns them round.
    model.graph.ClearField("value_info")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        whole = Path(folder) / file.name
        onnx.save(model, whole)
        quantize_dynamic(whole, file, weight_type=QuantType.QInt8)


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
