"""The answers of searches on a contact sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from demos.clip_retrieval import sheet
from shared.openmoji.records import ATTRIBUTION
from shared.sheet import SheetRow

RED = np.full((48, 48, 3), (255, 0, 0), np.uint8)


@dataclass
class Found:
    key: str
    score: float
    metadata: dict[str, object]


class Search:
    """As `search.Answers`, of two pictures, one of which is gone."""

    hits: ClassVar = [
        Found("a/b/red.png", 0.9, {"name": None, "caption": "a red square"}),
        Found("a/gone.png", 0.1, {}),
    ]

    def __init__(self, query: str, asked: np.ndarray | None = None) -> None:
        self.query, self.asked = query, asked

    def pictures(self) -> list[np.ndarray | None]:
        return [RED, None]


def test_searches_become_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Sequence[SheetRow]] = []
    draw = sheet.contact_sheet
    monkeypatch.setattr(sheet, "contact_sheet", lambda rows, footer: drawn.append(rows) or draw(rows, footer=footer))
    image = sheet.sheet_of_answers([Search("red"), Search("x/y.png", RED)], ATTRIBUTION)  # type: ignore[list-item]
    words, picture = drawn[0]
    assert words.query == "red"
    assert [answer.name for answer in words.answers] == ["a red square", "gone.png"]
    assert picture.query is RED
    assert picture.note == "y.png"
    # Two answers and one query are the red square; where a file is gone there is an empty frame.
    assert (np.asarray(image) == (255, 0, 0)).all(2).sum() == 3 * 120 * 120
