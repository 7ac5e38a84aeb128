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
    from shared.openmoji.records import Emoji


@dataclass(frozen=True)
class Drawings:
    """Some records and their variants. rows: (m,) which, ascending; pictures: (m, 1 + count, s, s, 3), the record
    itself first; said: (m, 1 + count, d) what the teacher says of each, None without one; features: (m, 1 + count, f)
    of HOG and colours, None where nobody looks at them."""

    rows: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    said: NDArray[np.float32] | None = None
    features: NDArray[np.float16] | None = None


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
    """All pictures as bytes on the device. pictures: (n, s, s, 3); share: of the draws that take a variant; dimension:
    of what the teacher says."""

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        drawings: Drawings | None,
        share: float,
        dimension: int,
        random: np.random.Generator,
        device: torch.device | str,
    ) -> None:
        self._pictures = torch.from_numpy(np.array(pictures)).to(device)
        self._place = np.full(len(pictures), -1)
        self._drawn = self._said = None
        if drawings is not None:
            self._place[drawings.rows] = np.arange(len(drawings.rows))
            self._drawn = torch.from_numpy(drawings.pictures).to(device)
            self._said = None if drawings.said is None else torch.from_numpy(drawings.said).to(device)
        self._share, self._dimension, self._random, self._device = share, dimension, random, device

    def take(self, records: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, s, s, 3) a drawing of each record, and (n, d) what the teacher says of it: zeros where nothing, which no
        gradient comes from."""
        found = self._pictures[torch.from_numpy(records)]
        said = torch.zeros(len(records), self._dimension, device=self._device)
        if self._drawn is None:
            return found, said
        rows = np.flatnonzero(self._place[records] >= 0)
        varied = self._random.random(len(records)) < self._share
        which = self._random.integers(1, max(2, self._drawn.shape[1]), size=len(records))
        drawing = np.where(varied & (self._drawn.shape[1] > 1), which, 0)[rows]
        chosen = torch.from_numpy(self._place[records][rows]), torch.from_numpy(drawing)
        found[torch.from_numpy(rows)] = self._drawn[chosen]
        if self._said is not None:
            said[torch.from_numpy(rows)] = self._said[chosen]
        return found, said
