"""The answers of searches as a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.sheet import Answer, SheetRow, contact_sheet

if TYPE_CHECKING:
    from PIL import Image

    from demos.clip_retrieval.search import Answers


def sheet_of_answers(answers: Sequence[Answers], footer: str = "") -> Image.Image:
    """The sheet of some searches, one row each. footer: as for `contact_sheet`."""
    from demos.clip_retrieval.search import in_words

    rows = []
    for found in answers:
        shown = [
            Answer(picture, in_words(hit) or hit.key.rsplit("/", 1)[-1], hit.score)
            for hit, picture in zip(found.hits, found.pictures(), strict=True)
        ]
        asked = found.query if found.asked is None else found.asked
        rows.append(SheetRow(asked, shown, "" if found.asked is None else Path(found.query).name))
    return contact_sheet(rows, footer=footer)
