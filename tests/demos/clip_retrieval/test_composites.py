"""Composites are made of training pictures alone, and of what was asked for."""

from __future__ import annotations

import re

import numpy as np
import pytest

from demos.clip_retrieval.config import CompositeSection, VectorSection
from demos.clip_retrieval.emoji.composites import COLOUR, LEAST_INK, OUTLINE, composite, composites_of, palette
from demos.clip_retrieval.emoji.descriptors import SIDE, hog_features
from shared.openmoji.render import rasterize
from shared.openmoji.splits import group_split
from shared.seed import generator

STILL = VectorSection(stroke=0, left_out=0, fills_alone=0, lines_alone=0)
NS = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"'
SQUARE = f'<svg {NS}><g id="color"><rect x="20" y="20" width="32" height="32" fill="#FF0000"/></g></svg>'
DISC = f'<svg {NS}><g id="color"><circle cx="36" cy="36" r="20" fill="#00ff00"/></g></svg>'
EMPTY = f"<svg {NS}/>"


def settings(**changes: float) -> CompositeSection:
    return CompositeSection(**({"pairs": 0.0, "recoloured": 0.0} | changes))


def made(texts: list[str], chosen: CompositeSection, number: int = 0) -> str:
    return composite(texts, ["#123456", "#abcdef"], chosen, STILL, generator(0, "test", number))


def test_one_picture_or_two_as_asked() -> None:
    assert {made([SQUARE], settings(), number).count("<g transform") for number in range(20)} == {1}
    assert {made([SQUARE], settings(pairs=1.0), number).count("<g transform") for number in range(20)} == {2}
    mixed = [made([SQUARE], settings(pairs=0.5), number).count("<g transform") for number in range(200)]
    assert 70 < mixed.count(2) < 130


def test_colours_stay_or_come_from_the_palette_and_outlines_stay_black() -> None:
    outlined = SQUARE.replace("</g></svg>", '</g><g id="line"><path stroke="#000000" d="M1 1"/></g></svg>')
    kept, changed = made([outlined], settings()), made([outlined], settings(recoloured=1.0))
    assert set(COLOUR.findall(kept)) == {"#FF0000", "#000000"}
    found = set(COLOUR.findall(changed))
    assert "#000000" in found
    assert found - OUTLINE <= {"#123456", "#abcdef"}


def test_what_lost_all_its_shapes_is_an_empty_picture_not_an_error() -> None:
    assert (rasterize(made([EMPTY], settings()), 32) == 255).all()


def test_the_palette_counts_pictures_not_uses() -> None:
    twice = DISC.replace("</g>", '<circle r="1" fill="#00FF00"/></g>')
    assert palette([SQUARE, SQUARE, twice]) == ["#ff0000", "#00ff00"]


def test_they_do_not_depend_on_how_they_are_dealt_out_and_near_empty_ones_are_left_out() -> None:
    rows = group_split().train(0, neutral_only=True)[:40]
    chosen = CompositeSection()
    whole, features = composites_of(tuple(range(24)), rows, SIDE, chosen, VectorSection(), 3)
    parts = [composites_of(tuple(range(at, at + 12)), rows, SIDE, chosen, VectorSection(), 3) for at in (0, 12)]
    np.testing.assert_array_equal(whole, np.concatenate([pictures for pictures, _ in parts]))
    np.testing.assert_array_equal(features, np.concatenate([found for _, found in parts]))
    np.testing.assert_allclose(features.astype(np.float32), hog_features(whole), atol=1e-3)
    assert ((255 - whole.astype(float)).mean((1, 2, 3)) >= LEAST_INK).all()
    other, _ = composites_of(tuple(range(24)), rows, SIDE, chosen, VectorSection(), 4)
    assert other.shape != whole.shape or (other != whole).any()


def test_only_the_given_records_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from demos.clip_retrieval.emoji import composites

    asked: list[str] = []
    read = composites.svgs

    def watched(names: list[str]) -> object:
        asked.extend(names)
        return read(names)

    monkeypatch.setattr(composites, "svgs", watched)
    rows = group_split().train(1, neutral_only=True)[:30]
    composites_of((0, 1, 2), rows, 32, CompositeSection(), VectorSection(), 0)
    from shared.openmoji.records import records

    assert asked == [records()[row].file_name for row in rows]
    assert all(re.fullmatch(r"[0-9A-F-]+\.svg", name) for name in asked)
