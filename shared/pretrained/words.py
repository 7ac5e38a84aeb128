"""Texts as open_clip's tokenizers read them, without importing open_clip."""

from __future__ import annotations

import html


def cleaned(text: str) -> str:
    """Repaired, unescaped and with single spaces, as `open_clip.tokenizer` does by default: a typographic apostrophe or
    a ligature would otherwise be another word.

    >>> cleaned("a  man’s &amp; a woman’s ﬁre ")
    "a man's & a woman's fire"
    """
    import ftfy  # a twentieth of a second

    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
