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
from demos.coevolution.models.encoder import CLASSES, Encoder
from shared.files import written_whole
from shared.pretrained.quiet import silent_logs

EXAMPLE = [[101, 1037, 2204, 2143, 102]]  # "a good film"
INPUT, OUTPUT = "pieces", "logits"


class Alone(nn.Module):
    """(1, l) word pieces of one text -> (1, 2) logits: without padding there is nothing to hide."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids_1l: Tensor) -> Tensor:
        body = self.encoder.body
        return self.encoder.head(body(input_ids=self.encoder.own_ids(ids_1l)).last_hidden_state.mean(1))


def export(model: nn.Module, file: Path, bits: int = 8) -> None:
    """Write `model`, an encoder or a device's, as ONNX; the file appears when it is whole.

    bits: of its weights; 8 or 32. An encoder's products are then of 8-bit integers too (`quantize_dynamic` of ONNX
    Runtime, a scale for each column), but for the last product of each of the first third of its layers, whose
    roundings all others hear; of a device's model the table is rounded.
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
            _quantize(temporary, len(model.body.encoder.layer) // 3)


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


def _quantize(file: Path, whole: int) -> None:
    """Weights of an encoder in 8 bits, those of its word vectors too, but for the products that narrow a state again in
    the first `whole` layers."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(file)
    # The exporter's shapes are those of weights before the quantizer turns them round.
    model.graph.ClearField("value_info")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source = Path(folder) / file.name
        onnx.save(model, source)
        spared = _narrowing(model)[:whole]
        quantize_dynamic(source, file, weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=spared)


def _narrowing(model: Any) -> list[str]:
    """Names of the products that make a state narrower: one in each layer, in order."""
    shapes = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in shapes]
    return [node.name for node in products if shapes[node.input[1]][0] > shapes[node.input[1]][1] > CLASSES]


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
