"""Pictures varied where they are drawn: strokes thicker or thinner, shapes left out, lines or fills alone.

An SVG knows what no pixel does: which line belongs to which part. A network that has seen a monkey without its ears,
or as an outline, has to know it by the rest. Variants are for training alone.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.emoji.descriptors import SIDE, hog_features
from shared.openmoji.records import records
from shared.openmoji.render import rasterize, svgs
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.config import VectorSection

NAMESPACE = "http://www.w3.org/2000/svg"
SHAPES = {f"{{{NAMESPACE}}}{name}" for name in ("path", "rect", "circle", "ellipse", "line", "polyline", "polygon")}
WIDTH = "stroke-width"
FEW = 3  # shapes up to which none is left out
LOOK = 32  # pixels at which ink is measured


def varied(svg: str, settings: VectorSection, random: np.random.Generator) -> str:
    """One variant of an SVG of OpenMoji, whose outlines lie in groups with an id that begins with "line"."""
    ET.register_namespace("", NAMESPACE)
    root = ET.fromstring(svg)
    parent = {child: element for element in root.iter() for child in element}
    shapes = [element for element in root.iter() if element.tag in SHAPES]
    width = math.exp(random.uniform(-settings.stroke, settings.stroke))
    left_out = random.uniform(0, 2 * settings.left_out) if len(shapes) > FEW else 0.0
    mode = random.random()
    for shape in shapes:
        is_line = any(element.get("id", "").startswith("line") for element in _above(shape, parent))
        only_fills, only_lines = mode < settings.fills_alone, mode > 1 - settings.lines_alone
        if (only_fills and is_line) or (only_lines and not is_line) or random.random() < left_out:
            parent[shape].remove(shape)
        elif WIDTH in shape.attrib:
            shape.set(WIDTH, str(_number(shape.attrib[WIDTH]) * width))
    return ET.tostring(root, encoding="unicode")


def variants(svg: str, settings: VectorSection, random: np.random.Generator) -> list[str]:
    """So many variants of an SVG. One that lost more than it may of the ink is the SVG itself."""
    least = settings.least_ink * _ink(rasterize(svg, LOOK))
    drawn = [varied(svg, settings, random) for _ in range(settings.count)]
    return [one if _ink(rasterize(one, LOOK)) >= least else svg for one in drawn]


def drawings_of(
    rows: tuple[int, ...], size: int, settings: VectorSection, seed: int, described: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float16] | None]:
    """(n, 1 + count, size, size, 3) each record and its variants, the same whatever records it is asked with; where
    `described`, also their HOG features (n, 1 + count, f)."""
    draws = [generator(seed, "variants", row) for row in rows]
    texts = list(svgs([records()[row].file_name for row in rows]))
    every = [[svg, *variants(svg, settings, random)] for svg, random in zip(texts, draws, strict=True)]
    found = np.stack([[rasterize(svg, size) for svg in drawn] for drawn in every])
    if not described:
        return found, None
    same = size == SIDE
    seen = found if same else np.stack([[rasterize(svg, SIDE) for svg in drawn] for drawn in every])
    features = hog_features(seen.reshape(-1, SIDE, SIDE, 3)).astype(np.float16)
    return found, features.reshape(*found.shape[:2], -1)


def _above(element: ET.Element, parent: dict[ET.Element, ET.Element]) -> Iterator[ET.Element]:
    while element in parent:
        element = parent[element]
        yield element


def _number(text: str) -> float:
    """A width in the SVG's own unit; some carry "px"."""
    return float(text.removesuffix("px"))


def _ink(picture: NDArray[np.uint8]) -> float:
    """How much of a picture is not white."""
    return float((255 - picture.astype(np.int64)).sum())
