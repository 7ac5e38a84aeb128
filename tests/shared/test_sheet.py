"""Contact sheets: what was asked, what was found, whose pictures they are."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.openmoji.records import ATTRIBUTION
from shared.sheet import HIT, Answer, SheetRow, _font, _wrapped, contact_sheet

RED = np.full((48, 48, 3), (255, 0, 0), np.uint8)
WIDE = np.full((20, 80, 3), (0, 0, 255), np.uint8)
GREEN = tuple(int(HIT[at : at + 2], 16) for at in (1, 3, 5))


def colours(image: Image.Image) -> dict[tuple[int, ...], int]:
    packed = np.asarray(image).reshape(-1, 3) @ np.array([65536, 256, 1])
    found, counts = np.unique(packed, return_counts=True)
    return {
        (colour >> 16, colour >> 8 & 255, colour & 255): count
        for colour, count in zip(found.tolist(), counts.tolist(), strict=True)
    }


def row(hit: bool | None, query: str | np.ndarray = "a red square") -> SheetRow:
    return SheetRow(query, [Answer(RED, "red square", 0.71, hit), Answer(WIDE, "blue bar", 0.2)], "a note")


def test_a_hit_is_outlined_and_a_miss_is_not() -> None:
    assert colours(contact_sheet([row(True)]))[GREEN] > 1000
    assert GREEN not in colours(contact_sheet([row(False)]))
    assert GREEN not in colours(contact_sheet([row(None)]))


def test_pictures_are_not_stretched() -> None:
    found = colours(contact_sheet([row(None)]))
    assert found[255, 0, 0] == 120 * 120
    assert found[0, 0, 255] == pytest.approx(120 * 30, rel=0.05)


def test_the_attribution_is_drawn() -> None:
    with_line = np.asarray(contact_sheet([row(None)], footer=ATTRIBUTION))
    without = np.asarray(contact_sheet([row(None)]))
    assert with_line.shape == without.shape
    changed = np.flatnonzero((with_line != without).any((1, 2)))
    assert len(changed) > 5
    assert changed.min() > with_line.shape[0] - 40


def test_a_sheet_grows_by_row_and_takes_a_picture_as_query() -> None:
    one = contact_sheet([row(None)])
    two = contact_sheet([row(None), row(True, query=RED)])
    assert two.width == one.width
    assert two.height > one.height + 100
    titled = contact_sheet([row(True)], title="Answers")
    assert titled.height > one.height
    assert titled.tobytes() == contact_sheet([row(True)], title="Answers").tobytes()


def test_many_answers_go_on_below() -> None:
    many = SheetRow("squares", [Answer(RED, "red square", 0.7)] * 100)
    image = contact_sheet([many, row(None)])
    assert image.width < 2000
    assert colours(image)[255, 0, 0] == 101 * 120 * 120
    assert colours(image)[0, 0, 255] == pytest.approx(120 * 30, rel=0.05)


def test_without_rows_there_is_no_sheet() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([])
    assert contact_sheet([SheetRow("nothing found", [])]).width > 100


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.integers(20, 200), st.integers(1, 4))
def test_no_text_leaves_its_box(text: str, width: int, lines: int) -> None:
    found = _wrapped(text, _font(13), width, lines)
    assert len(found) <= lines
    assert all(_font(13).getlength(line) <= width for line in found)


def test_a_search_pays_for_no_heavy_import() -> None:
    code = "import sys, shared.sheet; print(sorted({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
