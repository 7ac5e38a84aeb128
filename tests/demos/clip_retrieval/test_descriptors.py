"""Pictures as numbers: histograms of gradients and colours, against plain loops and blind to what they should be blind
to; and how pictures vary in training, where nothing to vary leaves them as they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demos.clip_retrieval.config import AugmentSection
from demos.clip_retrieval.emoji.descriptors import hog_features, normalised, squared_distances
from demos.clip_retrieval.training.augment import augmented
from shared.seed import generator

FINE, LARGE, WHOLE = 7 * 7 * 4 * 9, 3 * 3 * 4 * 9, 64  # numbers in the blocks, of which there are as many
GRID = 16 * WHOLE
STILL = AugmentSection(rotation=0, zoom=0, shear=0, shift=0, contrast=0)
ENDS = np.cumsum([FINE, LARGE, WHOLE, GRID])


def noise(count: int, name: str = "noise") -> np.ndarray:
    return generator(0, name).integers(0, 256, (count, 64, 64, 3)).astype(np.uint8)


def blocks(pictures: np.ndarray) -> list[np.ndarray]:
    return np.split(hog_features(pictures), ENDS[:-1], axis=1)


def orientations(block: np.ndarray) -> np.ndarray:
    """(9,) how much gradient has each of the nine directions, over all cells; the fifth holds the horizontal one."""
    return np.asarray(block.reshape(-1, 9).sum(0))


def test_four_blocks_of_equal_weight_make_a_row_of_length_one() -> None:
    found = blocks(noise(3))
    assert [block.shape for block in found] == [(3, FINE), (3, LARGE), (3, WHOLE), (3, GRID)]
    for block in found:
        assert np.linalg.norm(block, axis=1) == pytest.approx(1 / 2, abs=1e-5)


def test_a_picture_without_edges_is_its_colours_alone() -> None:
    plain = np.full((1, 64, 64, 3), (200, 30, 130), np.uint8)
    fine, large, whole, grid = blocks(plain)
    assert not fine.any()
    assert not large.any()
    # 200, 30 and 130 are in the last, first and third quarter of 0 to 255.
    code = 3 * 16 + 0 * 4 + 2
    assert whole[0].nonzero()[0].tolist() == [code]
    assert grid[0].nonzero()[0].tolist() == [cell * 64 + code for cell in range(16)]
    assert np.linalg.norm(hog_features(plain)) == pytest.approx(1, abs=1e-6)


def test_colours_are_counted_as_a_loop_counts_them() -> None:
    picture = noise(1)[0] // 3
    counts = np.zeros((4, 4, 64))
    for row in range(64):
        for column in range(64):
            red, green, blue = (int(value) // 64 for value in picture[row, column])
            counts[row // 16, column // 16, 16 * red + 4 * green + blue] += 1
    _, _, whole, grid = blocks(picture[None])
    # The square root of a share: the distance between two histograms is then Hellinger's.
    np.testing.assert_allclose((2 * whole[0]) ** 2, counts.sum((0, 1)) / 64**2, atol=1e-6)
    np.testing.assert_allclose((2 * grid[0]) ** 2, counts.ravel() / 64**2, atol=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_edges_are_told_by_their_direction(which: int) -> None:
    upright = np.full((1, 64, 64, 3), 255, np.uint8)
    upright[:, :, 20:37] = 0
    lying = upright.transpose(0, 2, 1, 3).copy()
    across, along = (orientations(blocks(picture)[which]) for picture in (upright, lying))
    assert across.argmax() != along.argmax()
    # All of the gradient of an edge has the one direction.
    assert across.max() == pytest.approx(across.sum(), rel=1e-5)
    assert along.max() == pytest.approx(along.sum(), rel=1e-5)


def test_shape_does_not_depend_on_which_colour_it_has_and_colours_do_not_depend_on_where_they_are() -> None:
    pictures = noise(2)
    before, swapped, moved = blocks(pictures), blocks(pictures[..., ::-1]), blocks(np.roll(pictures, 16, axis=1))
    for block in (0, 1):
        np.testing.assert_allclose(swapped[block], before[block], atol=1e-6)
    # Red and blue changed places, so do the digits of a colour's number.
    other = np.arange(64).reshape(4, 4, 4).transpose(2, 1, 0).ravel()
    np.testing.assert_allclose(swapped[2], before[2][:, other], atol=1e-6)
    np.testing.assert_allclose(moved[2], before[2], atol=1e-6)
    cells = before[3].reshape(2, 4, 4, 64)
    np.testing.assert_allclose(moved[3], np.roll(cells, 1, axis=1).reshape(2, -1), atol=1e-6)
    assert np.abs(swapped[2] - before[2]).max() > 0.01
    assert np.abs(moved[3] - before[3]).max() > 0.01


def test_each_picture_is_described_by_itself() -> None:
    pictures = noise(4)
    together = hog_features(pictures)
    np.testing.assert_array_equal(together[[2, 0]], hog_features(pictures[[2, 0]]))
    np.testing.assert_array_equal(together[3:], hog_features(pictures[3:]))


rows = arrays(np.float64, (4, 3), elements=st.integers(-1000, 1000).map(float))
others = arrays(np.float64, (5, 3), elements=st.integers(-50, 50).map(float))


@given(rows, st.floats(0.01, 1000))
def test_normalised_rows_have_length_one_and_their_direction(vectors: np.ndarray, factor: float) -> None:
    found = normalised(vectors)
    assert found.dtype == np.float32
    for row, unit in zip(vectors, found, strict=True):
        length = float(sum(value**2 for value in row) ** 0.5)
        np.testing.assert_allclose(unit, row / length if length else 0 * row, atol=1e-6)
    np.testing.assert_allclose(normalised(factor * vectors), found, atol=1e-5)


def test_short_rows_are_made_as_long_as_others() -> None:
    np.testing.assert_allclose(
        normalised(np.array([[3e-6, 4e-6], [0, 1e-8]])), np.array([[0.6, 0.8], [0, 1]]), atol=1e-6
    )


@settings(max_examples=50)
@given(rows.map(lambda found: np.clip(found, -50, 50)), others, st.integers(-50, 50))
def test_distances_are_those_of_a_loop_and_stay_when_all_is_moved(
    left: np.ndarray, right: np.ndarray, shift: int
) -> None:
    expected = [[sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) for two in right] for one in left]
    one, two = left.astype(np.float32), right.astype(np.float32)
    found = squared_distances(one, two)
    np.testing.assert_allclose(found, expected, atol=0.05)
    np.testing.assert_allclose(squared_distances(one + shift, two + shift), found, atol=0.1)
    np.testing.assert_allclose(squared_distances(two, one), found.T, atol=0.05)


def test_rounding_never_makes_a_distance_negative() -> None:
    vectors = normalised(generator(0, "negative").normal(size=(300, 500)))
    assert squared_distances(vectors, vectors).min() >= 0
    # The plain formula does go below 0 here, so the line above could fail.
    squares = (vectors**2).sum(1)
    assert (squares[:, None] + squares[None] - 2 * vectors @ vectors.T).min() < 0


still_or = st.sampled_from([0.0, 1.0])


@settings(max_examples=20, deadline=None)
@given(still_or, still_or, still_or, still_or, still_or, st.integers(0, 10))
def test_white_stays_white_and_nothing_leaves_its_range(
    rotation: float, zoom: float, shear: float, shift: float, contrast: float, seed: int
) -> None:
    given = AugmentSection(
        rotation=180 * rotation, zoom=zoom, shear=shear, shift=shift / 2, contrast=contrast, mixup=0.0
    )
    white = torch.ones(2, 3, 8, 8)
    torch.testing.assert_close(augmented(white, given, generator(seed, "white")), white)
    noisy = torch.from_numpy(generator(seed, "noise").random((3, 3, 8, 8)).astype(np.float32))
    varied = augmented(noisy, given, generator(seed, "white"))
    assert varied.shape == noisy.shape
    assert varied.min() >= -1e-5
    assert varied.max() <= 1 + 1e-5
    again = augmented(noisy, given, generator(seed, "white"))
    torch.testing.assert_close(varied, again, rtol=0, atol=0)
    if not any((rotation, zoom, shear, shift, contrast)):
        torch.testing.assert_close(varied, noisy, rtol=0, atol=1e-5)


class Largest(np.random.Generator):
    """Draws the upper end of whatever is asked, `share` of it."""

    def __init__(self, share: float = 1.0) -> None:
        super().__init__(np.random.PCG64(0))
        self.share = share

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, self.share * high)


def dot(row: int, column: int, side: int = 32) -> torch.Tensor:
    picture = torch.ones(1, 3, side, side)
    picture[..., row, column] = 0
    return picture


def place(picture: torch.Tensor) -> tuple[float, float]:
    """Row and column of the middle of the ink."""
    ink = (1 - picture[0, 0]).numpy()
    row, column = (np.indices(ink.shape) * ink).sum((1, 2)) / ink.sum()
    return float(row), float(column)


@pytest.mark.parametrize("share", [1.0, -0.5])
def test_a_shift_is_a_share_of_the_side(share: float) -> None:
    moved = augmented(dot(16, 16), STILL.model_copy(update={"shift": 0.25}), Largest(share))
    # What is taken from further on comes nearer.
    assert place(moved) == pytest.approx((16 - 8 * share, 16 - 8 * share), abs=1e-3)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    picture = torch.from_numpy(generator(0, "turn").random((1, 3, 16, 16)).astype(np.float32))
    turned = augmented(picture, STILL.model_copy(update={"rotation": 90.0}), Largest())
    torch.testing.assert_close(turned, torch.rot90(picture, 1, (2, 3)), rtol=0, atol=1e-4)
    back = augmented(turned, STILL.model_copy(update={"rotation": 90.0}), Largest(-1.0))
    torch.testing.assert_close(back, picture, rtol=0, atol=1e-4)


def test_zoom_is_a_logarithm_of_size() -> None:
    square = torch.ones(1, 3, 64, 64)
    square[..., 24:40, 24:40] = 0
    zoomed = augmented(square, STILL.model_copy(update={"zoom": math.log(2)}), Largest())
    # Twice as much of the plane is seen: half the side, a quarter of the ink.
    assert float((1 - zoomed).sum() / (1 - square).sum()) == pytest.approx(1 / 4, rel=0.02)
    assert place(zoomed) == pytest.approx((31.5, 31.5), abs=0.01)


def test_contrast_fades_towards_white_and_each_colour_by_itself() -> None:
    black = torch.zeros(1, 3, 4, 4)
    faded = augmented(black, STILL.model_copy(update={"contrast": 0.3}), Largest())
    torch.testing.assert_close(faded, torch.full_like(black, 0.3), rtol=0, atol=1e-5)
    drawn = augmented(black.repeat(50, 1, 1, 1), STILL.model_copy(update={"contrast": 0.3}), generator(0, "fade"))
    levels = drawn[:, :, 1, 1]
    assert 0 <= levels.min() < 0.05
    assert 0.25 < levels.max() <= 0.3
    assert (levels[:, 0] - levels[:, 1]).abs().mean() > 0.02


def test_each_picture_of_a_batch_goes_its_own_way() -> None:
    varied = augmented(dot(16, 16).repeat(20, 1, 1, 1), STILL.model_copy(update={"shift": 0.2}), generator(0, "own"))
    places = {tuple(round(axis, 2) for axis in place(picture[None])) for picture in varied}
    assert len(places) == 20
