"""Texts as numbers of word pieces, and batches of texts that are about as long, so that little padding is computed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from shared.data import fetch_member, house_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST = 128  # pieces of a text that are read; the longest here has fewer
POOL = 16  # batches that are sorted by length together


@functools.cache
def tokenizer() -> Any:
    """MiniLM's WordPiece tokenizer; all models here share it, so that a text is cut up once."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(fetch_member(house_manifest(), "tokenizer.json")))
    found.no_padding()
    found.enable_truncation(MOST)
    return found


def pieces(texts: Sequence[str]) -> list[list[int]]:
    """Of each text the numbers of its word pieces, with those that open and close it: from 2 to MOST."""
    return [encoding.ids for encoding in tokenizer().encode_batch(list(texts))]


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(n, l) numbers of word pieces, 0 where a text has none, and (n, l) whether there is one."""
    lengths = torch.tensor([len(row) for row in rows])
    ids_nl = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    mask_nl = torch.arange(ids_nl.shape[1]) < lengths[:, None]
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
