"""Families: pictures that are one thing drawn more than once, which no split may tear apart.

A family is a connected component over four ties: the same emoji in another skin tone; the same role in another gender,
hair or direction; the same or nearly the same picture; the same name. Splitting by the first tie alone leaks: a flag
shared by two countries, or "cook" drawn as "man cook", then lies in training and in test.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.openmoji.records import Emoji, records
from shared.openmoji.render import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 64  # pixels; the side at which pictures are compared
CELLS = 16  # of the grid of mean colours a side that is compared
NEAR = 4.0  # of 255; between 2 and 8 the number of families changes by 1 %

PERSON = "1F9D1"
ADULTS = {"1F468": PERSON, "1F469": PERSON}  # man, woman
TONE = re.compile("1F3F[B-F]")
# Female and male sign, facing right.
CUTS = ("-200D-2640-FE0F", "-200D-2642-FE0F", "-200D-2640", "-200D-2642", "-200D-27A1-FE0F", "-200D-27A1")
# Roles whose genders have code points of their own.
SAME_ROLE = {
    "1F467": "1F9D2",  # girl: child
    "1F466": "1F9D2",  # boy: child
    "1F474": "1F9D3",  # old man: older person
    "1F475": "1F9D3",  # old woman: older person
    "1F385": "1F936",  # Santa Claus: Mrs. Claus
    "1F9D1-200D-1F384": "1F936",  # Mx Claus: Mrs. Claus
    "1F934": "1FAC5",  # prince: person with crown
    "1F478": "1FAC5",  # princess: person with crown
    "1F470": "1F935",  # person with veil: person in tuxedo
    "1F46B": "1F46D",  # woman and man holding hands: women holding hands
    "1F46C": "1F46D",  # men holding hands: women holding hands
    "1F9D1-200D-1F91D-200D-1F9D1": "1F46D",  # people holding hands: women holding hands
    "1F930": "1FAC4",  # pregnant woman: pregnant person
    "1FAC3": "1FAC4",  # pregnant man: pregnant person
}


def role(base: str) -> str:
    """The hexcode of a neutral picture without gender, direction and variation selectors: a man, woman and person cook
    are one.

    base: hexcode of the neutral picture.

    >>> role("1F468-200D-1F373"), role("1F6B6-200D-2640-FE0F-200D-27A1-FE0F"), role("1F466")
    ('1F9D1-200D-1F373', '1F6B6', '1F9D2')
    """
    points = [ADULTS.get(point, point) for point in base.split("-") if not TONE.fullmatch(point)]
    name = "-".join(points)
    for cut in CUTS:
        name = name.replace(cut, "")
    name = name.replace("-FE0F", "")
    return SAME_ROLE.get(name, name)


@functools.cache
def families() -> NDArray[np.int64]:
    """(4495,) family of each record of `openmoji.records`: the index of the first record of the family."""
    return families_of(records(), pictures(SIZE))


@functools.cache
def identities() -> NDArray[np.int64]:
    """(4495, 2) a number for the name and one for the picture of each record: equal names, in lower case, and identical
    pictures have equal numbers, and are right answers to each other."""
    names = [emoji.name.lower() for emoji in records()]
    drawn = [picture.tobytes() for picture in pictures(SIZE)]
    columns = [np.unique(np.array(labels, dtype=object), return_inverse=True)[1] for labels in (names, drawn)]
    return np.column_stack(columns).astype(np.int64)


def families_of(emojis: Sequence[Emoji], pixels: NDArray[np.uint8], near: float = NEAR) -> NDArray[np.int64]:
    """(n,) family of each picture: the index of the first one of its family.

    pixels: (n, 64, 64, 3) of the emojis, 0 to 255; near: pictures whose rms difference is below are one, of 255.
    """
    parent = list(range(len(emojis)))
    first: dict[Hashable, int] = {}
    for index, emoji in enumerate(emojis):
        for tie in (("base", emoji.base), ("role", role(emoji.base)), ("name", emoji.name.lower())):
            _join(parent, first.setdefault(tie, index), index)
    cells = coarse(pixels)
    for left, right in zip(*np.nonzero(np.triu(rms(cells, cells) < near, 1)), strict=True):
        _join(parent, int(left), int(right))
    return np.array([_root(parent, index) for index in range(len(emojis))])


def coarse(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 768) mean colours of a 16 x 16 grid, as distance from white, 0 to 255.

    pixels: (n, s, s, 3) with s a multiple of 16.
    """
    count, side = pixels.shape[:2]
    step = side // CELLS
    blocks = pixels.reshape(count, CELLS, step, CELLS, step, 3)
    # From white, which most cells are: sums of squares stay small, and differences of them exact enough.
    return (255 - blocks.mean((2, 4))).reshape(count, -1).astype(np.float32)


def rms(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) root mean square difference of each pair of rows, in their unit."""
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
    return np.asarray(np.sqrt(np.maximum(squares, 0) / left.shape[1]))


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _join(parent: list[int], left: int, right: int) -> None:
    left, right = _root(parent, left), _root(parent, right)
    parent[max(left, right)] = min(left, right)
