"""The device's model: a vector for each word piece, their weighted mean, and what stands out among threes in a row.

A bag of vectors does not see that "not" stands before "good"; a convolution of width three does, at next to no cost.
The vectors start as model2vec has them (Tulkens and van Dongen 2024): what the large model says of each piece alone, on
the axes along which these vary most.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from demos.coevolution.models.encoder import CLASSES, Encoder
from demos.coevolution.models.words import Words, words
from shared import device as devices

WIDTH, FILTERS = 128, 32
DROPOUT = 0.2
HIDDEN_WORDS = 0.1  # share of the pieces that a training does not show, so that no single one is relied on
SPREAD = 0.1  # standard deviation of the vectors at the start
SCALE = 4.0  # of their mean, which is that of many and small
BATCH = 512


class Device(nn.Module):
    """(n, l) word pieces and (n, l) where they are -> (n, 2) logits."""

    def __init__(self, vectors: Tensor, vocabulary: Words) -> None:
        """vectors: (pieces, WIDTH) that it starts from."""
        super().__init__()
        self.first_word, self.unread = vocabulary.first, vocabulary.unread
        self.vectors = nn.Embedding.from_pretrained(vectors * (SPREAD / vectors.std()), freeze=False, sparse=True)
        self.weights = nn.Embedding.from_pretrained(torch.zeros(len(vectors), 1), freeze=False, sparse=True)
        self.threes = nn.Conv1d(vectors.shape[1], FILTERS, 3, padding=1)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(vectors.shape[1] + FILTERS, CLASSES)

    def pooled(self, ids_nl: Tensor, mask_nl: Tensor) -> Tensor:
        """(n, w): the mean of the vectors, and the most of each filter."""
        if self.training:
            unread_nl = (torch.rand(ids_nl.shape, device=ids_nl.device) < HIDDEN_WORDS) & (ids_nl >= self.first_word)
            ids_nl = ids_nl.masked_fill(unread_nl, self.unread)
        mask_nl1 = mask_nl[..., None].to(self.head.weight.dtype)
        vectors_nlw = self.vectors(ids_nl) * mask_nl1
        weights_nl1 = self.weights(ids_nl).exp() * mask_nl1
        mean_nw = SCALE * (vectors_nlw * weights_nl1).sum(1) / weights_nl1.sum(1)
        threes_nlf = self.threes(self.dropout(vectors_nlw).transpose(1, 2)).relu().transpose(1, 2) * mask_nl1
        return torch.cat([mean_nw, threes_nlf.amax(1)], dim=1)

    def forward(self, ids_nl: Tensor, mask_nl: Tensor) -> Tensor:
        return self.head(self.pooled(ids_nl, mask_nl))


class LastLayer(nn.Module):
    """(n, 1, w) states of n texts, as `pooled` has them, and (n, 1) where they are -> (n, 2) logits: what can learn
    where the texts themselves are not."""

    def __init__(self, device: Any) -> None:
        """device: with a head, which stays its own, so that to train this is to train it."""
        super().__init__()
        self.head = device.head

    def pooled(self, states_n1w: Tensor, mask_n1: Tensor) -> Tensor:
        """(n, w): as they are."""
        return states_n1w[:, 0]

    def forward(self, states_n1w: Tensor, mask_n1: Tensor) -> Tensor:
        return self.head(self.pooled(states_n1w, mask_n1))


def by_chance(pieces: int, seed: int, vocabulary: Words | None = None) -> Device:
    """A device's model that knows nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Device(torch.randn(pieces, WIDTH), vocabulary or words())


def from_vectors(vectors: Tensor, seed: int, vocabulary: Words | None = None) -> Device:
    """A device's model with `static_vectors`; the rest by chance."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Device(vectors, vocabulary or words())


def static_vectors(large: Encoder, width: int = WIDTH, vocabulary: Words | None = None, device: str = "cpu") -> Tensor:
    """(pieces, width): what `large`, which is on the CPU and comes back there, says of each word piece alone, on the
    axes along which these vary most. device: where it is computed."""
    large.eval().to(device)
    around = vocabulary or words()
    every = torch.arange(large.pieces)
    rows = torch.stack([torch.full_like(every, around.opens), every, torch.full_like(every, around.closes)], dim=1)
    with torch.inference_mode(), devices.autocast(device):
        parts = [part.to(device) for part in rows.split(BATCH)]
        states = torch.cat([large.pooled(part, torch.ones_like(part, dtype=torch.bool)).cpu() for part in parts])
    large.to("cpu")
    centred = (states - states.mean(0)).double()
    _, axes = torch.linalg.eigh(centred.T @ centred)
    # The sign of an axis is by chance in the solver; so that it is not, its largest entry is positive.
    axes = axes.flip(1)[:, :width]
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    return (centred @ axes).float()
