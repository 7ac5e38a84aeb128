"""What the network is told of the training pictures: their names, or names and tags, read once by the text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from demos.diffusion.model.pipeline import CONTEXT, PictogramPipeline, Words
from shared.pretrained.words import cleaned

if TYPE_CHECKING:
    from numpy.typing import NDArray

LISTS = 4  # orders of the tags of each picture
TAGS = 4  # tags of a caption


class Named(Protocol):
    """A picture that has words."""

    @property
    def name(self) -> str:
        """What it shows."""

    @property
    def tags(self) -> tuple[str, ...]:
        """More words for it."""


class Captions:
    """The captions of n pictures; each text is read when it is first drawn, and kept."""

    def __init__(self, pipeline: PictogramPipeline, named: Sequence[Named], random: np.random.Generator) -> None:
        names = [cleaned(one.name) for one in named]
        listed = [[_with_tags(one, random) for _ in range(LISTS)] for one in named]
        self.texts = ["", *sorted({*names, *(text for row in listed for text in row)} - {""})]
        at = {text: place for place, text in enumerate(self.texts)}
        self._names = np.array([at[name] for name in names])
        self._tags = np.array([[at[text] for text in row] for row in listed])
        width = pipeline.text_encoder.config.hidden_size
        self._pipeline, self._read = pipeline, np.zeros(len(self.texts), bool)
        # Half precision: of ten thousand texts, these are the larger part of what is kept.
        self._words = Words(
            torch.zeros(len(self.texts), CONTEXT, width, dtype=torch.float16),
            torch.zeros(len(self.texts), CONTEXT, dtype=torch.int64),
            torch.zeros(len(self.texts), width),
        )

    def draw(self, rows: NDArray[np.int64], tags: float, drop: float, random: np.random.Generator) -> NDArray[np.int64]:
        """(len(rows),) a text for each picture: its name, name and tags (a share `tags`), or "" (a share `drop`)."""
        listed = self._tags[rows, random.integers(LISTS, size=len(rows))]
        chosen = np.where(random.random(len(rows)) < tags, listed, self._names[rows])
        return np.where(random.random(len(rows)) < drop, 0, chosen)

    def words(self, texts: NDArray[np.int64]) -> Words:
        """What the text encoder makes of some of `texts`, by place."""
        # One by one: what is read with others depends on them in its last bits, and a training that goes on after a
        # stop reads in another company.
        for place in np.unique(texts[~self._read[texts]]).tolist():
            for kept, part in zip(self._words, self._pipeline.encode([self.texts[place]]), strict=True):
                kept[place] = part[0].to(kept)
            self._read[place] = True
        states, mask, pooled = (part[torch.from_numpy(texts)] for part in self._words)
        return Words(states.float(), mask, pooled)


def _with_tags(one: Named, random: np.random.Generator) -> str:
    chosen = random.permutation(list(one.tags))[:TAGS].tolist()
    return cleaned(", ".join([one.name, *chosen]))
