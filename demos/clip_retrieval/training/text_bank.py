"""All captions of the embedded pictures through the locked text tower, once: the texts of training as one matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.openmoji.records import Emoji, captions

Pool = Callable[[list[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class TextBank:
    """Distinct captions and who has them.

    pooled: (u, w) outputs of the text tower before its projection, in the order of `texts`. rows: kind -> (n,) which of
    the texts is the caption of that kind of each record.
    """

    texts: list[str]
    pooled: NDArray[np.float32]
    rows: dict[str, NDArray[np.int64]]

    def of(self, kind: str) -> NDArray[np.float32]:
        """(n, w) pooled caption of that kind of each record."""
        return self.pooled[self.rows[kind]]


def text_bank(emojis: Sequence[Emoji], kinds: Sequence[str], pool: Pool) -> TextBank:
    """Pool each distinct caption once; captions that two records share are one row, so they are known as equal."""
    each = {kind: [captions(emoji, [kind])[0] for emoji in emojis] for kind in kinds}
    texts = sorted({text for column in each.values() for text in column})
    at = {text: row for row, text in enumerate(texts)}
    rows = {kind: np.array([at[text] for text in column], dtype=np.int64) for kind, column in each.items()}
    return TextBank(texts, pool(texts), rows)
