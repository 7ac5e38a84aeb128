"""Texts as numbers of word pieces, and what a vocabulary calls its signs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from shared.data import fetch_member, house_manifest
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST = 128  # pieces of a text that are read; the longest here has fewer
TOKENIZER = "tokenizer.json"


class Words:
    """The vocabulary of an encoder.

    file: of its tokenizer; size: pieces it knows; opens, closes: the signs around a text; unread: the one in the place
    of a piece that is hidden; first: number from which on pieces are of words, but for signs at the end.
    """

    def __init__(self, file: Path) -> None:
        """Raises UserError when this is no tokenizer, or has not the signs that are needed."""
        from tokenizers import Tokenizer

        self.file = file
        try:
            self.tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing more special
            raise UserError(f"{file} is no tokenizer: {error}") from None
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MOST)
        self.size = int(self.tokenizer.get_vocab_size())
        around = self.tokenizer.encode("").ids
        found = [self.tokenizer.token_to_id(sign) for sign in ("[MASK]", "<mask>")]
        hidden = [int(number) for number in found if number is not None]
        if len(around) != 2 or not hidden:
            raise UserError(
                f"{file} opens and closes no text, or has no sign for a hidden piece: no encoder's of BERT's kind"
            )
        self.opens, self.closes = around
        self.unread = hidden[0]
        signs: list[int] = list(self.tokenizer.get_added_tokens_decoder())
        self.first = 1 + max((number for number in signs if number < self.size // 2), default=-1)

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Of each text the numbers of its pieces, with those that open and close it: from 2 to MOST."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]


def checkpoint_words(folder: Path) -> Words:
    """Those of a checkpoint. Raises UserError when it has none that are fit."""
    if not (folder / TOKENIZER).is_file():
        raise UserError(f"{folder} has no {TOKENIZER}: a checkpoint with a fast tokenizer is needed")
    return Words(folder / TOKENIZER)


@functools.cache
def words() -> Words:
    """MiniLM's, checked; the models of this demo share it, so that a text is cut up once."""
    return Words(fetch_member(house_manifest(), TOKENIZER))


def pieces(texts: Sequence[str]) -> list[list[int]]:
    """Of each text the numbers of its word pieces in MiniLM's vocabulary: from 2 to MOST."""
    return words()(texts)
