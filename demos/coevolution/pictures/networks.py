"""A network of timm in the cloud, and a small one on the device. A picture is given as the (28, 28) rows of its pixels,
as a text is as the rows of its states, so that one training loop serves both."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from demos.coevolution.pictures.digits import CLASSES, SIDE

LARGE = "resnet10t"
WIDTH = 64


class Large(nn.Module):
    """(n, 28, 28) pixels -> (n, 10) logits, 4.9 million numbers, from chance."""

    def __init__(self) -> None:
        super().__init__()
        body: Any = timm.create_model(LARGE, pretrained=False, in_chans=1, num_classes=0)
        self.body = body
        self.head = nn.Linear(body.num_features, CLASSES)

    def pooled(self, pixels_nhw: Tensor, mask_nh: Tensor) -> Tensor:
        """(n, w) what its last layer is given; of a picture there is no row to be hidden."""
        return self.body(pixels_nhw[:, None])

    def forward(self, pixels_nhw: Tensor, mask_nh: Tensor) -> Tensor:
        return self.head(self.pooled(pixels_nhw, mask_nh))


class Small(nn.Module):
    """(n, 28, 28) pixels -> (n, 10) logits, 106 thousand numbers."""

    def __init__(self) -> None:
        super().__init__()
        quarter = SIDE // 4
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * quarter * quarter, WIDTH),
            nn.ReLU(),
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def pooled(self, pixels_nhw: Tensor, mask_nh: Tensor) -> Tensor:
        """(n, w) what its last layer is given."""
        return self.body(pixels_nhw[:, None])

    def forward(self, pixels_nhw: Tensor, mask_nh: Tensor) -> Tensor:
        return self.head(self.pooled(pixels_nhw, mask_nh))


def by_chance(kind: type[Large] | type[Small], seed: int) -> nn.Module:
    """A network that knows nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind()
