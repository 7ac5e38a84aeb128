"""Batches of texts that are about as long, so that little padding is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POOL = 16  # batches that are sorted by length together


def padded(rows: Sequence[Sequence[int] | Tensor]) -> tuple[Tensor, Tensor]:
    """Texts of different lengths as one batch, and (n, l) where they are.

    rows: numbers of word pieces, which become (n, l), 0 where there is none; or (l, w) states, which become (n, l, w).
    """
    lengths = torch.tensor([len(row) for row in rows])
    mask_nl = torch.arange(int(lengths.max())) < lengths[:, None]
    if isinstance(rows[0], Tensor):
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True), mask_nl  # type: ignore[arg-type]
    ids_nl = torch.zeros(mask_nl.shape, dtype=torch.long)
    ids_nl[mask_nl] = torch.tensor([piece for row in rows for piece in row])
    return ids_nl, mask_nl


def batches(lengths: Sequence[int], size: int, random: np.random.Generator) -> list[list[int]]:
    """One pass over all texts, by chance, in batches of `size` whose texts are about as long."""
    order = random.permutation(len(lengths))
    found = [
        part[start : start + size]
        for pool in range(0, len(order), POOL * size)
        for part in [sorted(order[pool : pool + POOL * size].tolist(), key=lambda place: lengths[place])]
        for start in range(0, len(part), size)
    ]
    return [found[place] for place in random.permutation(len(found))]


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """All texts, short ones first, in batches of `size`: to be judged, where the order does not matter."""
    order = np.argsort(lengths, kind="stable").tolist()
    return (order[start : start + size] for start in range(0, len(order), size))
