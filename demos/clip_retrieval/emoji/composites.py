"""New pictograms made of the shapes of known ones: recoloured, turned, without some of their parts, or two in one.

They show what has no name. A teacher that looks at shapes can say what each is like, so a network sees far more
pictures than were ever drawn. For training alone, and made of training pictures alone.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.emoji.descriptors import SIDE, hog_features
from demos.clip_retrieval.emoji.variants import NAMESPACE, varied
from shared.openmoji.records import records
from shared.openmoji.render import rasterize, svgs
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.config import CompositeSection, VectorSection

COLOUR = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b")
OUTLINE = {"#000", "#000000"}  # keeps its colour
PALETTE = 28  # most used colours that a recoloured picture may take
MIDDLE = 36  # of an OpenMoji canvas, 72 units a side
TURNS = (0, 0, 90, 180, 270)  # degrees; two of five stay upright
LEAST_INK = 4.0  # mean darkness of 255 below which a picture shows too little


def palette(texts: list[str]) -> list[str]:
    """The colours that most of these SVGs use, outlines apart, most used first."""
    seen = Counter(colour for text in texts for colour in {found.lower() for found in COLOUR.findall(text)} - OUTLINE)
    return [colour for colour, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:PALETTE]]


def composite(
    texts: list[str], colours: list[str], settings: CompositeSection, drawn: VectorSection, random: np.random.Generator
) -> str:
    """One new SVG out of one or two of `texts`, varied as drawings too."""
    pair = random.random() < settings.pairs
    chosen = [texts[random.integers(len(texts))] for _ in range(1 + pair)]
    body = "".join(
        _placed(_recoloured(varied(text, drawn, random), colours, settings, random), pair, random) for text in chosen
    )
    return f'<svg xmlns="{NAMESPACE}" viewBox="0 0 72 72">{body}</svg>'


def composites_of(
    wanted: tuple[int, ...],
    rows: NDArray[np.int64],
    size: int,
    settings: CompositeSection,
    drawn: VectorSection,
    seed: int,
) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """(n, size, size, 3) the composites of these numbers, and (n, f) their HOG features; those that came out almost
    empty are left out. rows: records whose shapes are used."""
    texts = list(svgs([records()[row].file_name for row in rows]))
    colours = palette(texts)
    made = [composite(texts, colours, settings, drawn, generator(seed, "composite", number)) for number in wanted]
    seen = np.stack([rasterize(svg, SIDE) for svg in made])
    full = (255 - seen.astype(np.float32)).mean((1, 2, 3)) >= LEAST_INK
    pictures = seen if size == SIDE else np.stack([rasterize(svg, size) for svg in made])
    features = hog_features(seen[full]) if full.any() else np.zeros((0, 1))
    return pictures[full], features.astype(np.float16)


def _recoloured(text: str, colours: list[str], settings: CompositeSection, random: np.random.Generator) -> str:
    if random.random() >= settings.recoloured:
        return text
    own = sorted({found.lower() for found in COLOUR.findall(text)} - OUTLINE)
    other = {colour: colours[random.integers(len(colours))] for colour in own}
    return COLOUR.sub(lambda found: other.get(found[0].lower(), found[0]), text)


def _placed(text: str, pair: bool, random: np.random.Generator) -> str:
    """The content of an SVG as a group: turned, mirrored or not, scaled and moved; smaller where there are two."""
    begin, end = text.index(">") + 1, text.rfind("</")
    inner = text[begin : max(begin, end)]  # nothing where all shapes are gone
    scale = random.uniform(0.5, 0.95) if pair else random.uniform(0.8, 1.1)
    shift = random.uniform(-14, 14, 2) if pair else random.uniform(-4, 4, 2)
    mirror = -1 if random.random() < 0.5 else 1
    turn = float(random.choice(TURNS)) + random.uniform(-20, 20)
    return (
        f'<g transform="translate({MIDDLE + shift[0]:.2f} {MIDDLE + shift[1]:.2f}) rotate({turn:.1f}) '
        f'scale({mirror * scale:.3f} {scale:.3f}) translate({-MIDDLE} {-MIDDLE})">{inner}</g>'
    )
