"""An encoder cut in two: below, what is never trained again and so is worked out once for each text; above, the last
layers with the head, which learn from what the texts are by then."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from demos.coevolution.models.batches import by_length, padded
from demos.coevolution.models.encoder import Encoder, layered, mean_of
from shared import device as devices

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 64


class Top(nn.Module):
    """(n, l, w) states of pieces below the cut and (n, l) where they are -> (n, 2) logits."""

    def __init__(self, encoder: Encoder, layers: int) -> None:
        """layers: of `encoder`, the last ones; they stay its own, so that to train these is to train it."""
        super().__init__()
        self.layers = nn.ModuleList(list(encoder.body.encoder.layer)[-layers:])
        # The layers below the cut use it, too, and so it stays as it is.
        self.nearness = copy.deepcopy(encoder.nearness).requires_grad_(False) if encoder.nearness else None
        self.head = encoder.head

    def pooled(self, states_nlw: Tensor, mask_nl: Tensor) -> Tensor:
        """(n, w): the mean of what the last layer says of each piece."""
        return mean_of(layered(self.layers, states_nlw.float(), mask_nl, self.nearness), mask_nl)

    def forward(self, states_nlw: Tensor, mask_nl: Tensor) -> Tensor:
        return self.head(self.pooled(states_nlw, mask_nl))


@dataclass(frozen=True)
class Below:
    """States below the cut of many texts, in half precision. flat: (pieces of all, w); starts: (n + 1,), where each
    text's begin."""

    flat: Tensor
    starts: Tensor

    def __getitem__(self, place: int) -> Tensor:
        return self.flat[self.starts[place] : self.starts[place + 1]]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, places: Sequence[int]) -> list[Tensor]:
        """(l, w) of each of these texts."""
        return [self[place] for place in places]


def read_through(
    encoder: Encoder, rows: Sequence[Sequence[int]], layers: int, device: str = "cpu"
) -> tuple[Below, Tensor]:
    """What `encoder`, which is on the CPU and comes back there, makes of n texts before its last `layers` layers, and
    (n, w) their pooled states after these. device: where it is computed."""
    top = Top(encoder.eval().to(device), layers).eval()
    pooled_nw = torch.empty(len(rows), encoder.body.config.hidden_size)
    starts = torch.tensor([0, *[len(row) for row in rows]]).cumsum(0)
    flat = torch.empty(int(starts[-1]), encoder.body.config.hidden_size, dtype=torch.float16)
    first = list(encoder.body.encoder.layer)[:-layers]
    for places in by_length([len(row) for row in rows], BATCH):
        ids_nl, mask_nl = (part.to(device) for part in padded([rows[place] for place in places]))
        with torch.inference_mode(), devices.autocast(device):
            states_nlw = layered(first, encoder.embedded(ids_nl), mask_nl, encoder.nearness)
            pooled_nw[places] = top.pooled(states_nlw, mask_nl).float().cpu()
        for place, states_lw in zip(places, states_nlw.half().cpu(), strict=True):
            flat[starts[place] : starts[place + 1]] = states_lw[: len(rows[place])]
    encoder.to("cpu")
    return Below(flat, starts), pooled_nw
