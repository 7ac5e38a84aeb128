"""Texts as numbers of word pieces. Without torch, so that a device can do it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from shared.data import fetch_member, house_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST = 128  # pieces of a text that are read; the longest here has fewer


def tokenizer_file() -> Path:
    """MiniLM's tokenizer, checked."""
    return fetch_member(house_manifest(), "tokenizer.json")


@functools.cache
def tokenizer() -> Any:
    """MiniLM's WordPiece tokenizer; all models here share it, so that a text is cut up once."""
    return opened(tokenizer_file())


def opened(file: Path) -> Any:
    """A tokenizer from its file, as it is used here: nothing is padded, and what is longer than MOST is cut."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(file))
    found.no_padding()
    found.enable_truncation(MOST)
    return found


def pieces(texts: Sequence[str]) -> list[list[int]]:
    """Of each text the numbers of its word pieces, with those that open and close it: from 2 to MOST."""
    return [encoding.ids for encoding in tokenizer().encode_batch(list(texts))]
