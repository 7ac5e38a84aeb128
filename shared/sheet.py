"""A contact sheet: one row a query, words or a picture, with the pictures found, their names and scores.

sheet = contact_sheet([SheetRow("red apple", [Answer(picture, "red apple", 0.71, hit=True)])], footer=ATTRIBUTION)
sheet.save("answers.png")
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.style import COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw, ImageFont

    Picture = NDArray[np.uint8]

THUMB, GAP, MARGIN = 120, 14, 22  # pixels: side of a picture, space between two, edge of the sheet
QUERY = 190  # pixels, width of the query column
ACROSS = 12  # answers beside each other; more go on below
NAME_LINES = 2
INK, QUIET, PAPER, LINE = "#222831", "#626b78", "#ffffff", "#dfe3e8"
HIT = COLOURS[2]
NAME_SIZE, QUERY_SIZE, TITLE_SIZE = 13, 17, 20  # pixels
LINE_HEIGHT = 17


@dataclass(frozen=True)
class Answer:
    """A picture found or made. picture: (h, w, 3) RGB, None where its file is gone; score: cosine, -1 to 1, None where
    there is none; hit: whether it is right, None = not known."""

    picture: Picture | None
    name: str
    score: float | None = None
    hit: bool | None = None


@dataclass(frozen=True)
class SheetRow:
    """A query, words or an (h, w, 3) RGB picture, and its answers, best first. note: a line under the query, such as
    the rank of the right picture where it is not among the answers."""

    query: str | Picture
    answers: Sequence[Answer]
    note: str = ""


def contact_sheet(rows: Sequence[SheetRow], *, title: str = "", footer: str = "") -> Image.Image:
    """Draw the sheet. footer: the attribution that the pictures' licence asks for. Raises ValueError without rows."""
    from PIL import Image, ImageDraw

    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    columns = min(ACROSS, max(len(row.answers) for row in rows))
    step = THUMB + GAP
    line_height = THUMB + LINE_HEIGHT * (NAME_LINES + 1) + 2 * GAP
    heights = [line_height * max(1, -(-len(row.answers) // ACROSS)) for row in rows]
    top = MARGIN + (2 * TITLE_SIZE if title else 0)
    size = (2 * MARGIN + QUERY + columns * step, top + sum(heights) + LINE_HEIGHT + MARGIN)
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    if title:
        draw.text((MARGIN, MARGIN - 4), title, INK, _font(TITLE_SIZE, bold=True))
    for number, row in enumerate(rows):
        y = top + sum(heights[:number])
        if number:
            draw.line((MARGIN, y - GAP + 2, size[0] - MARGIN, y - GAP + 2), LINE)
        _draw_query(image, draw, row, y)
        for rank, answer in enumerate(row.answers):
            down, right = divmod(rank, ACROSS)
            _draw_answer(image, draw, answer, (MARGIN + QUERY + right * step, y + down * line_height))
    line = _shortened(footer, _font(NAME_SIZE), size[0] - 2 * MARGIN) if footer else ""
    draw.text((MARGIN, size[1] - MARGIN - 4), line, QUIET, _font(NAME_SIZE))
    return image


def _draw_query(image: Image.Image, draw: ImageDraw.ImageDraw, row: SheetRow, y: int) -> None:
    width = QUERY - GAP
    if isinstance(row.query, str):
        lines = _wrapped(row.query, _font(QUERY_SIZE, bold=True), width, 5)
        for number, line in enumerate(lines):
            draw.text((MARGIN, y + number * 22), line, INK, _font(QUERY_SIZE, bold=True))
        y += len(lines) * 22 + 4
    else:
        image.paste(_thumb(row.query, THUMB), (MARGIN, y))
        draw.rectangle((MARGIN - 1, y - 1, MARGIN + THUMB, y + THUMB), outline=QUIET)
        y += THUMB + 4
    for number, line in enumerate(_wrapped(row.note, _font(NAME_SIZE), width, 3)):
        draw.text((MARGIN, y + number * LINE_HEIGHT), line, QUIET, _font(NAME_SIZE))


def _draw_answer(image: Image.Image, draw: ImageDraw.ImageDraw, answer: Answer, at: tuple[int, int]) -> None:
    x, y = at
    if answer.picture is None:
        draw.rectangle((x, y, x + THUMB, y + THUMB), outline=LINE)
        draw.text((x + 12, y + THUMB // 2 - 8), "file is gone", QUIET, _font(NAME_SIZE))
    else:
        image.paste(_thumb(answer.picture, THUMB), at)
    if answer.hit:
        draw.rounded_rectangle((x - 4, y - 4, x + THUMB + 3, y + THUMB + 3), 8, outline=HIT, width=4)
    y += THUMB + 6
    for line in _wrapped(answer.name, _font(NAME_SIZE), THUMB, NAME_LINES):
        draw.text((x, y), line, INK, _font(NAME_SIZE))
        y += LINE_HEIGHT
    # A hit is told twice: by colour and by word.
    told = ("" if answer.score is None else f"{answer.score:.2f}") + (" hit" if answer.hit else "")
    draw.text((x, y), told, HIT if answer.hit else QUIET, _font(NAME_SIZE))


def _thumb(picture: Picture, side: int) -> Image.Image:
    """The picture in a white square; small pictures are enlarged, none is stretched."""
    from PIL import Image, ImageOps

    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.uint8), "RGB")
    return ImageOps.pad(image, (side, side), Image.Resampling.LANCZOS, color=PAPER)


@functools.cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that a sheet looks the same everywhere."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int, lines: int) -> list[str]:
    """At most so many lines of at most so many pixels; what does not fit ends in an ellipsis."""
    found: list[str] = []
    for word in text.split():
        if found and font.getlength(f"{found[-1]} {word}") <= width:
            found[-1] += f" {word}"
        else:
            found.append(word)
    kept = found[:lines]
    if len(found) > lines:
        kept[-1] = f"{kept[-1]} …"
    return [_shortened(line, font, width) for line in kept]


def _shortened(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line}…"
