"""Things in colours that no training picture was named with: is the colour there, and is it still the thing?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.openmoji.records import captions, records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.judging.words import WordJudge
    from shared.pretrained.minilm import MiniLM

THINGS = ("bird", "cat", "house", "car", "umbrella", "bus", "key", "fish", "hat", "boat")
# The palette of OpenMoji's style guide, by its words.
PALETTE = {
    "blue": ("#92D3F5", "#61B2E4", "#1E50A0"),
    "red": ("#EA5A47", "#D22F27", "#781E32"),
    "green": ("#B1CC33", "#5C9E31", "#186648"),
    "yellow": ("#FCEA2B", "#F1B31C"),
    "orange": ("#F4AA41", "#E27022"),
    "pink": ("#FFA7C0", "#E67A94"),
    "purple": ("#B399C8", "#8967AA"),
    "brown": ("#A57939", "#6A462F"),
    "": ("#FFFFFF", "#D0CFCE", "#9B9B9A", "#3F3F3F", "#000000"),
}


@dataclass(frozen=True)
class Composition:
    """A prompt "a `colour` `thing`"."""

    colour: str
    thing: str

    @property
    def prompt(self) -> str:
        """Its words."""
        return f"a {self.colour} {self.thing}"


def unseen(rows: NDArray[np.int64]) -> list[Composition]:
    """Colours of things that no caption of the records `rows` names together."""
    told = [_words(", ".join(captions(records()[row], ["name", "tags"]))) for row in rows.tolist()]
    pairs = [Composition(colour, thing) for thing in THINGS for colour in PALETTE if colour]
    return [pair for pair in pairs if not any({pair.colour, pair.thing} <= words for words in told)]


def colour_of(picture: NDArray[np.uint8]) -> str:
    """The colour that most of a picture has, of the words of PALETTE; "" where it is all white, grey or black.

    picture: (s, s, 3). Nearest colours by CIELAB.
    """
    from skimage.color import rgb2lab

    names = [name for name, shades in PALETTE.items() for _ in shades]
    shades = np.array([[int(shade[at : at + 2], 16) for at in (1, 3, 5)] for row in PALETTE.values() for shade in row])
    known = rgb2lab(shades[None] / 255)[0]
    seen = rgb2lab(picture / 255).reshape(-1, 3)
    nearest = np.square(seen[:, None] - known[None]).sum(2).argmin(1)
    counts = {name: 0 for name in PALETTE if name}
    for place, count in zip(*np.unique(nearest, return_counts=True), strict=True):
        if names[place]:
            counts[names[place]] += int(count)
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else ""


def things_of(features: NDArray[np.float32], reader: WordJudge, words: MiniLM) -> list[str]:
    """Which of THINGS each picture is most like to the judge. features: (n, f)."""
    scores = reader.scores(reader.says(features), words(list(THINGS)))
    return [THINGS[place] for place in scores.argmax(1)]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def share(found: Sequence[str], asked: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) where what was found is what was asked."""
    return np.array([one == other for one, other in zip(found, asked, strict=True)])
