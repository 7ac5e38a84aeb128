"""The pictures are those that were tested, whichever version of resvg draws them."""

from pathlib import Path

import numpy as np
import pytest

from shared.openmoji import render
from shared.openmoji.records import records
from shared.openmoji.render import pictures, rasterize

# CC BY-SA 4.0, see shared/openmoji/LICENSE-OpenMoji.
REFERENCE = Path(__file__).with_name("openmoji_reference.npz")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><path fill="#f00" d="M0 0h1v2H0z"/></svg>'


def test_pictures_are_close_to_the_ones_that_were_tested() -> None:
    with np.load(REFERENCE) as stored:
        names, expected = stored["hexcodes"].tolist(), stored["pixels"]
    at = {emoji.hexcode: index for index, emoji in enumerate(records())}
    found = pictures(32)[[at[name] for name in names]]
    # Antialiasing may differ from one version of resvg to the next, what is drawn may not.
    assert np.abs(found.astype(int) - expected).mean() < 2
    # And the test can fail: no two of them are so close to each other.
    assert np.abs(np.roll(found, 1, axis=0).astype(int) - expected).mean((1, 2, 3)).min() > 10


def test_pictures_are_rgb_on_white_in_the_order_of_the_records() -> None:
    found = pictures(32)
    assert found.shape == (len(records()), 32, 32, 3)
    assert found.dtype == np.uint8
    # The corner of nearly every picture is background.
    assert (found[:, 0, 0] == 255).all(-1).mean() > 0.99
    assert not found.flags.writeable


def test_a_drawing_is_put_on_white() -> None:
    found = rasterize(SVG, 4)
    assert found[:, :2].tolist() == [[[255, 0, 0]] * 2] * 4
    assert found[:, 2:].tolist() == [[[255, 255, 255]] * 2] * 4


@pytest.mark.parametrize("size", [31, 513])
def test_sizes_have_a_range(size: int) -> None:
    with pytest.raises(ValueError, match="size must be 32 to 512 pixels"):
        pictures(size)


def test_pictures_are_drawn_once_and_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = 0

    def draw(svg: str, size: int) -> np.ndarray:
        nonlocal drawn
        drawn += 1
        if drawn == 3 and fail:
            raise KeyboardInterrupt
        return np.full((size, size, 3), drawn, np.uint8)

    monkeypatch.setattr(render, "derived_folder", lambda _: tmp_path)
    monkeypatch.setattr(render, "records", lambda: records()[:5])
    monkeypatch.setattr(render, "rasterize", draw)
    fail = True
    with pytest.raises(KeyboardInterrupt):
        pictures(40)
    assert list(tmp_path.iterdir()) == []
    drawn, fail = 0, False
    assert pictures(40)[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(pictures(40), pictures(40))
    assert drawn == 5
    assert len(list(tmp_path.iterdir())) == 1
