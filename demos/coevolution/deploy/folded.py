"""The device's model as it is deployed: all that is linear before the first choice is worked out once for each piece.

A filter over three vectors is the sum of three numbers, one of each piece, and what the mean of the vectors says is the
mean of what each says. So a text is looked up in one table, of 8-bit integers with a scale for each column, and nothing
is left to multiply but the last layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.coevolution.models.device import SCALE, Device
from demos.coevolution.models.encoder import CLASSES

LARGEST = 127
NOTHING = 0  # the piece that fills up where a text has none; no text holds it


class Folded(nn.Module):
    """(1, l) word pieces of one text -> (1, 2) logits: those of the `Device` it is made from, but for rounding."""

    table: Tensor
    scales: Tensor

    def __init__(self, device: Device, bits: int = 8) -> None:
        """bits: 8, or 32 for a table that is not rounded."""
        super().__init__()
        with torch.no_grad():
            whole = _table(device)
            self.filters = device.threes.out_channels
            self.bias = nn.Parameter(device.threes.bias.clone())  # type: ignore[union-attr]
            self.last = nn.Parameter(device.head.weight[:, -self.filters :].clone())
            self.last_bias = nn.Parameter(device.head.bias.clone())
        scales = whole.abs().amax(0) / LARGEST if bits == 8 else torch.ones(whole.shape[1])
        rounded = (whole / scales).round().to(torch.int8) if bits == 8 else whole
        self.register_buffer("table", rounded)
        self.register_buffer("scales", scales)

    def forward(self, ids_1l: Tensor) -> Tensor:
        # The first row of the table is nothing at all: it stands before the text and behind it.
        around = functional.pad(ids_1l.flatten(), (1, 1))
        rows_lc = self.table.index_select(0, around).float() * self.scales
        said_l2, weight_l1, first, second, third = rows_lc.split([CLASSES, 1, *[self.filters] * 3], dim=1)
        threes_lf = first[:-2] + second[1:-1] + third[2:]
        most_f = (threes_lf.amax(0) + self.bias).relu()
        return (said_l2.sum(0) / weight_l1.sum(0) + self.last @ most_f + self.last_bias)[None]


def _table(device: Device) -> Tensor:
    """(pieces, 2 + 1 + 3 filters): what each piece says times its weight, its weight, and what it gives to a filter as
    the first of three, the second and the third."""
    vectors, weights = device.vectors.weight, device.weights.weight.exp()
    # Weights count against each other alone: the largest is 1, so that no column wastes its 8 bits.
    weights = weights / weights.max()
    width = vectors.shape[1]
    said = SCALE * vectors @ device.head.weight[:, :width].T * weights
    threes = [vectors @ device.threes.weight[:, :, place].T for place in range(3)]
    table = torch.cat([said, weights, *threes], dim=1)
    table[NOTHING] = 0
    return table
