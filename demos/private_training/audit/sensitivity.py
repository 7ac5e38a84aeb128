"""How far one unit moves a sum, by trying: the difference between neighbouring data sets that noise has to cover."""

from __future__ import annotations

import torch
from torch import nn

from demos.private_training.learn import fit
from demos.private_training.step.book import Book


def furthest_move(model: nn.Module, units: fit.Units, bound: float) -> float:
    """How far the clipped sum moves at most when one of the units is left out, over the bound.

    Above 1 the noise covers less than the bill says. A value of at most 1 holds for these units alone.
    """
    book = Book(model.train())
    everyone = torch.arange(len(units))
    whole = _flat(fit.clipped_sums(model, book, units, everyone, bound))
    moves = [
        float((whole - _flat(fit.clipped_sums(model, book, units, everyone[everyone != unit], bound))).norm()) / bound
        for unit in everyone
    ]
    book.close()
    return max(moves)


def _flat(sums: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([part.detach().double().flatten() for part in sums])
