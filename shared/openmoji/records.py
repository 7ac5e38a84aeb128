"""The facts about the embedded pictures: name, tags, group and skin tone of 4,495 OpenMoji, as captions are made of.

`openmoji.csv` is cut from OpenMoji 17.0.0's own `data/openmoji.json` (CC BY-SA 4.0, see LICENSE-OpenMoji).
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("openmoji.csv")
ATTRIBUTION = "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0"
TWO_TONES = 6  # two people of different skin tones
KINDS = ("name", "tags", "subgroup")


@dataclass(frozen=True)
class Emoji:
    """One picture.

    hexcode: its code points, the name of its SVG. group: one of 12; subgroup: one of 119, with spaces, not hyphens.
    name: as published. tags: words for it; those of its base where it has none. skin_tone: 0 neutral, 1 light to
    5 dark, 6 two people of different tones. base: hexcode of the neutral picture it is a skin tone of, else its own.
    """

    hexcode: str
    group: str
    subgroup: str
    name: str
    tags: tuple[str, ...]
    skin_tone: int
    base: str

    @property
    def file_name(self) -> str:
        """Name of its picture, `HEXCODE.svg`: the order of these names breaks ties in the splits."""
        return f"{self.hexcode}.svg"


@functools.cache
def records() -> list[Emoji]:
    """All 4,495 pictures in the order of their hexcodes; row i of `render.pictures` shows record i.

    The list is shared: do not change it.
    """
    with FILE.open(newline="", encoding="utf-8") as stream:
        rows = {row["hexcode"]: row for row in csv.DictReader(stream)}
    return [_emoji(row, rows[row["skintone_base_hexcode"] or row["hexcode"]]) for _, row in sorted(rows.items())]


@functools.cache
def base_names() -> dict[str, str]:
    """Name of the neutral picture of each hexcode: "waving hand" for "waving hand: dark skin tone"."""
    names = {emoji.hexcode: emoji.name for emoji in records()}
    return {emoji.hexcode: names[emoji.base] for emoji in records()}


def captions(emoji: Emoji, kinds: Sequence[str] = KINDS) -> list[str]:
    """One text for each kind: name; tags = "tag, tag, ..." (the base's name where it has none); subgroup = "an icon of
    SUBGROUP". Raises ValueError for another kind.

    >>> captions(next(emoji for emoji in records() if emoji.name == "red apple"), ["name", "subgroup"])
    ['red apple', 'an icon of food fruit']
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"no such caption: {sorted(unknown)}; allowed: {', '.join(KINDS)}")
    texts = {
        "name": emoji.name,
        "tags": ", ".join(emoji.tags) or base_names()[emoji.hexcode],
        "subgroup": icon_of(emoji.subgroup),
    }
    return [texts[kind] for kind in kinds]


def icon_of(subgroup: str) -> str:
    """The text that stands for a subgroup.

    >>> icon_of("food fruit")
    'an icon of food fruit'
    """
    return f"an icon of {subgroup}"


def _emoji(row: dict[str, str], base: dict[str, str]) -> Emoji:
    tone = row["skintone"]
    return Emoji(
        hexcode=row["hexcode"],
        group=row["group"],
        subgroup=row["subgroups"].replace("-", " "),
        name=row["annotation"],
        tags=_tags(row) or _tags(base),
        skin_tone=TWO_TONES if "," in tone else int(tone or 0),
        base=base["hexcode"],
    )


def _tags(row: dict[str, str]) -> tuple[str, ...]:
    words = (word.strip() for field in (row["tags"], row["openmoji_tags"]) for word in field.split(","))
    return tuple(dict.fromkeys(word for word in words if word))
