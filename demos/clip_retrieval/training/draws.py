"""What a training step looks at: which record stands for a base emoji, and which drawing of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from demos.clip_retrieval.emoji.openmoji import Emoji


@dataclass(frozen=True)
class Variants:
    """Other drawings of some records. rows: (m,) which, ascending; pictures: (m, count, s, s, 3)."""

    rows: NDArray[np.int64]
    pictures: NDArray[np.uint8]


class Draws:
    """Which records stand for the base emoji of an epoch: each once, as itself or as one of its skin tones.

    train: records; tones: share of the draws that take a skin tone where there is one.
    """

    def __init__(
        self, emojis: Sequence[Emoji], train: NDArray[np.int64], tones: float, random: np.random.Generator
    ) -> None:
        bases: defaultdict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for record in train.tolist():
            bases[emojis[record].base][emojis[record].skin_tone > 0].append(record)
        self.bases, self.tones, self.random = list(bases.values()), tones, random

    def __len__(self) -> int:
        return len(self.bases)

    def records(self, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) a record for each of the bases drawn."""
        chosen = []
        for base in drawn.tolist():
            plain, toned = self.bases[base]
            pool = toned if toned and (not plain or self.random.random() < self.tones) else plain
            chosen.append(pool[self.random.integers(len(pool))])
        return np.array(chosen, dtype=np.int64)


class Memory:
    """All pictures as bytes on the device. pictures: (n, s, s, 3); share: of the draws that take a variant."""

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        variants: Variants | None,
        share: float,
        random: np.random.Generator,
        device: torch.device | str,
    ) -> None:
        self._pictures = torch.from_numpy(np.array(pictures)).to(device)
        self._variants = None if variants is None else torch.from_numpy(variants.pictures).to(device)
        self._place = np.full(len(pictures), -1)
        if variants is not None:
            self._place[variants.rows] = np.arange(len(variants.rows))
        self._share, self._random = share, random

    def take(self, records: NDArray[np.int64]) -> torch.Tensor:
        """(n, s, s, 3) a drawing of each record."""
        found = self._pictures[torch.from_numpy(records)]
        if self._variants is None or not self._variants.shape[1]:
            return found
        chosen = (self._place[records] >= 0) & (self._random.random(len(records)) < self._share)
        which = self._random.integers(self._variants.shape[1], size=len(records))
        place = torch.from_numpy(self._place[records][chosen])
        found[torch.from_numpy(np.flatnonzero(chosen))] = self._variants[place, torch.from_numpy(which[chosen])]
        return found
