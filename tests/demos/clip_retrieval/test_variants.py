"""Variants differ from the picture, keep most of it, and are the same for the same seed."""

from __future__ import annotations

import numpy as np

from demos.clip_retrieval.config import VectorSection
from demos.clip_retrieval.emoji.variants import drawings_of, varied
from demos.clip_retrieval.training.draws import Drawings, Memory
from shared.openmoji.records import records
from shared.openmoji.render import rasterize, svgs
from shared.seed import generator

ROWS = tuple(range(0, 4495, 700))
SIZE = 48


def ink(pictures: np.ndarray) -> np.ndarray:
    return (255 - pictures.astype(float)).sum((-1, -2, -3))


def whole() -> np.ndarray:
    return np.stack([rasterize(svg, SIZE) for svg in svgs([records()[row].file_name for row in ROWS])])


def test_variants_differ_keep_their_ink_and_repeat() -> None:
    settings = VectorSection(count=6)
    found, described = drawings_of(ROWS, SIZE, settings, seed=3, described=False)
    assert found.shape == (len(ROWS), 7, SIZE, SIZE, 3)
    assert described is None
    np.testing.assert_array_equal(found[:, 0], whole())
    # Ink is measured on a smaller picture.
    assert (ink(found) >= 0.8 * settings.least_ink * ink(whole())[:, None]).all()
    differ = (found[:, 1:] != found[:, :1]).any((2, 3, 4))
    assert differ.mean() > 0.7
    np.testing.assert_array_equal(found[2], drawings_of(ROWS[2:3], SIZE, settings, seed=3, described=False)[0][0])
    assert (found != drawings_of(ROWS, SIZE, settings, seed=4, described=False)[0]).any()


def test_drawings_are_described_at_one_size_whatever_the_model_sees() -> None:
    settings = VectorSection(count=2)
    small, large = (drawings_of(ROWS[:3], size, settings, seed=3, described=True)[1] for size in (32, 64))
    assert small is not None
    assert large is not None
    assert small.shape[:2] == (3, 3)
    np.testing.assert_array_equal(small, large)


def test_without_any_freedom_the_picture_stays_as_it_is() -> None:
    still = VectorSection(stroke=0, left_out=0, fills_alone=0, lines_alone=0)
    for row, picture in zip(ROWS, whole(), strict=True):
        (svg,) = svgs([records()[row].file_name])
        np.testing.assert_array_equal(rasterize(varied(svg, still, generator(0, "test")), SIZE), picture)


def test_lines_and_fills_alone() -> None:
    (apple,) = (row for row, emoji in enumerate(records()) if emoji.name == "red apple")
    (svg,) = svgs([records()[apple].file_name])
    calm = {"stroke": 0.0, "left_out": 0.0}
    lines = rasterize(varied(svg, VectorSection(lines_alone=0.5, **calm), _draws(0.9)), SIZE)
    fills = rasterize(varied(svg, VectorSection(fills_alone=0.5, **calm), _draws(0.1)), SIZE)
    # Outlines are black: without fills the picture has no colour, without outlines hardly any black.
    assert (np.ptp(lines.astype(int), axis=2) == 0).all()
    assert (fills.max(2) < 60).sum() < 0.1 * (lines.max(2) < 60).sum()


class _draws(np.random.Generator):
    """A generator whose first `random()` is known."""

    def __init__(self, first: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.first = first

    def random(self, *arguments: object) -> float:  # type: ignore[override]
        return self.first

    def uniform(self, *arguments: object) -> float:  # type: ignore[override]
        return 0.0


def test_memory_takes_variants_as_often_as_asked_and_what_is_said_of_them() -> None:
    rows = np.array([2, 5, 7])
    drawn = np.zeros((3, 3, 4, 4, 3), np.uint8)
    said = np.zeros((3, 3, 2), np.float32)
    for place, row in enumerate(rows):
        for number in range(3):
            drawn[place, number] = 10 * row + number
            said[place, number] = 10 * row + number
    memory = Memory(np.zeros((10, 4, 4, 3), np.uint8), Drawings(rows, drawn, said), 0.5, 2, generator(0, "test"), "cpu")
    asked = np.tile(np.arange(10), 300)
    pictures, heard = memory.take(asked)
    found = pictures[:, 0, 0, 0].numpy()
    np.testing.assert_array_equal(found, heard[:, 0].numpy())
    assert set(found[asked == 5].tolist()) == {50, 51, 52}
    assert set(found[asked == 3].tolist()) == {0}
    assert 0.4 < (found[asked == 5] > 50).mean() < 0.6
