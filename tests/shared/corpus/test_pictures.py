"""Every file a stranger may have: the right pixels on white, or one reason; no warning, no open handle, no bomb."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms, features

from shared.corpus.pictures import LONGEST_SIDE, Reason, Unreadable, check_header, fitted, open_picture

# One decoder call for each example; the first ones load Pillow's plugins.
quick = settings(max_examples=60, deadline=None)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def refused(stream: Any, **options: Any) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        open_picture(stream, 32, **options)
    return caught.value


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def square(side: int) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.uint8, st.just((side, side, 3)))


@quick
@given(st.integers(1, 24).flatmap(square), st.sampled_from(["PNG", "BMP", "TIFF", "PPM", "TGA"]))
def test_a_lossless_square_of_the_right_size_comes_back_as_it_was(pixels: np.ndarray, kind: str) -> None:
    for fit in ("pad", "crop"):
        found = open_picture(encoded(Image.fromarray(pixels), kind), len(pixels), fit=fit)  # type: ignore[arg-type]
        assert found.notes == ()
        assert found.pixels.dtype == np.uint8
        np.testing.assert_array_equal(found.pixels, pixels)
        found.pixels[:] = 0  # it is ours to write to: torch warns otherwise


@quick
@given(arrays.arrays(np.uint8, (7, 7, 4)))
def test_transparency_is_white_exactly(rgba: np.ndarray) -> None:
    colour, alpha = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    white = (2 * (colour * alpha + 255 * (255 - alpha)) + 255) // 510  # rounded to the nearest
    np.testing.assert_array_equal(open_picture(encoded(Image.fromarray(rgba)), 7).pixels, white)
    grey = Image.fromarray(rgba[..., 2:])
    assert grey.mode == "LA"
    found = open_picture(encoded(grey), 7).pixels
    np.testing.assert_array_equal(found, np.repeat(white[..., 2:], 3, axis=2))


def test_what_is_transparent_is_white_whatever_the_colour_mode() -> None:
    drawing = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    drawing.paste((255, 0, 0, 255), (10, 10, 30, 30))
    keyed = Image.new("RGB", (40, 40), (0, 0, 0))
    keyed.paste((255, 0, 0), (10, 10, 30, 30))
    palette = keyed.quantize(2)
    at = palette.getpixel((0, 0))
    files = {
        "RGBA": encoded(drawing),
        "P, one colour": encoded(palette, transparency=at),
        "P, bytes": encoded(palette, transparency=bytes(0 if index == at else 255 for index in range(2))),
        "RGB, one colour": encoded(keyed, transparency=(0, 0, 0)),
        "PA": encoded(drawing.quantize(8)),
        "WebP": encoded(drawing, "WEBP", lossless=True),
        "GIF": encoded(drawing, "GIF"),
        "TIFF": encoded(drawing, "TIFF"),
    }
    for name, file in files.items():
        pixels = open_picture(file, 40).pixels
        assert pixels[0, 0].tolist() == [255, 255, 255], name
        assert pixels[20, 20].tolist() == [255, 0, 0], name


def test_numbers_become_grey_by_their_range() -> None:
    ramp = np.linspace(0, 65_535, 16).astype(np.uint16).reshape(4, 4)
    expected = np.rint(ramp / 257).astype(np.uint8)
    unit = (ramp / 65_535).astype(np.float32)
    for image, kind in [
        (Image.fromarray(ramp), "PNG"),
        (Image.fromarray(ramp), "TIFF"),
        (Image.fromarray(ramp.astype(np.int32)), "TIFF"),
        (Image.fromarray(unit), "TIFF"),
        (Image.fromarray(unit * 255), "TIFF"),
    ]:
        found = open_picture(encoded(image, kind), 4)
        assert found.notes == (), image.mode
        np.testing.assert_array_equal(found.pixels[..., 0], expected, err_msg=image.mode)
    odd = open_picture(encoded(Image.fromarray(unit * 1000 - 500), "TIFF"), 4)
    np.testing.assert_array_equal(odd.pixels[..., 1], expected)
    assert odd.notes == ("values from -500 to 500 stretched to black and white",)


def test_a_float_picture_with_holes_is_black_there() -> None:
    values = np.array([[0, 1], [np.nan, np.inf]], np.float32)
    found = open_picture(encoded(Image.fromarray(values), "TIFF"), 2)
    assert found.pixels[..., 0].tolist() == [[0, 255], [0, 0]]
    assert found.notes == ("values that are no number shown black",)
    nothing = open_picture(encoded(Image.fromarray(values * np.nan), "TIFF"), 2)
    assert nothing.pixels.max() == 0


def test_other_colour_modes() -> None:
    red = Image.new("RGB", (9, 9), (200, 30, 30))
    plain = open_picture(encoded(red.convert("CMYK"), "TIFF"), 9)
    assert plain.notes == ("CMYK without a colour profile",)
    np.testing.assert_allclose(plain.pixels[4, 4], [200, 30, 30], atol=2)
    np.testing.assert_allclose(open_picture(encoded(red.convert("LAB"), "TIFF"), 9).pixels[4, 4], [200, 30, 30], atol=4)
    ycbcr = open_picture(encoded(red.convert("YCbCr"), "TIFF"), 9)
    np.testing.assert_allclose(ycbcr.pixels[4, 4], [200, 30, 30], atol=2)
    assert open_picture(encoded(Image.new("1", (9, 9), 1)), 9).pixels.min() == 255
    assert open_picture(encoded(red.quantize(4)), 9).pixels[4, 4].tolist() == [200, 30, 30]


def test_a_broken_or_wrong_colour_profile_does_not_lose_the_picture() -> None:
    picture = Image.new("RGB", (9, 9), (200, 30, 30)).convert("CMYK")
    for profile in (b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        found = open_picture(encoded(picture, "TIFF", icc_profile=profile), 9)
        assert found.notes == ("CMYK without a colour profile",)
        np.testing.assert_allclose(found.pixels[4, 4], [200, 30, 30], atol=2)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_orientations_are_all_upright(kind: str) -> None:
    upright = Image.fromarray(noise(6, 8))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    options = {"lossless": True} if kind == "WEBP" else {}
    for fit in ("pad", "crop"):
        expected = open_picture(encoded(upright, kind, **options), 16, fit=fit).pixels  # type: ignore[arg-type]
        for orientation in range(1, 9):
            turned = upright.transpose(back[orientation]) if orientation > 1 else upright
            exif = Image.Exif()
            exif[0x0112] = orientation
            file = encoded(turned, kind, exif=exif, **options)
            found = open_picture(file, 16, fit=fit).pixels  # type: ignore[arg-type]
            np.testing.assert_array_equal(found, expected, err_msg=f"{kind} {orientation}")


def test_damaged_exif_does_not_lose_the_picture() -> None:
    found = open_picture(encoded(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\1"), 8)
    np.testing.assert_allclose(found.pixels[4, 4], [254, 0, 0], atol=2)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken_and_said(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    found = open_picture(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), 20)
    assert found.notes == ("first of several frames",)
    np.testing.assert_allclose(found.pixels[5, 5], [255, 0, 0], atol=3)
    assert open_picture(encoded(frames[0], kind), 20).notes == ()


def test_the_preview_that_a_camera_adds_is_no_frame() -> None:
    photo = Image.new("RGB", (20, 20), "red")
    file = encoded(photo, "MPO", save_all=True, append_images=[photo.resize((5, 5))])
    assert open_picture(file, 20).notes == ()


def test_pad_shows_all_and_crop_fills_the_square() -> None:
    wide = Image.new("RGB", (80, 20), "red")
    padded = open_picture(encoded(wide), 40).pixels
    assert padded[:15].min() == padded[25:].min() == 255
    assert padded[15:25].reshape(-1, 3).tolist() == [[255, 0, 0]] * 400
    assert open_picture(encoded(wide), 40, fit="crop").pixels.reshape(-1, 3).tolist() == [[255, 0, 0]] * 1600
    for size in [(1, 3000), (3000, 1), (1, 1)]:
        thin = encoded(Image.new("RGB", size, "red"))
        assert open_picture(thin, 32).pixels.shape == (32, 32, 3)
        thin.seek(0)
        assert open_picture(thin, 32, fit="crop").pixels.reshape(-1, 3).tolist() == [[255, 0, 0]] * 1024
    with pytest.raises(ValueError, match="fit must be"):
        open_picture(encoded(wide), 8, fit="stretch")  # type: ignore[arg-type]


def test_a_long_thin_picture_is_not_enlarged_before_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    resize = Image.Image.resize

    def watched(self: Image.Image, size: tuple[int, int], *arguments: Any, **options: Any) -> Image.Image:
        assert max(size) <= 16 * 64
        return resize(self, size, *arguments, **options)

    monkeypatch.setattr(Image.Image, "resize", watched)
    for size in [(1, 60_000), (60_000, 3), (100, 1600)]:
        assert open_picture(encoded(Image.new("RGB", size)), 64, fit="crop").pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("shape", [(48, 48), (37, 100), (101, 64), (640, 479), (16, 200)])
def test_crop_is_the_preprocessing_of_torchvision(shape: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    image = Image.fromarray(noise(*shape))
    bicubic = transforms.InterpolationMode.BICUBIC
    reference = transforms.CenterCrop(32)(transforms.Resize(32, interpolation=bicubic)(image))
    np.testing.assert_array_equal(open_picture(encoded(image), 32, fit="crop").pixels, np.asarray(reference))


def test_a_jpeg_decoded_at_a_fraction_looks_the_same() -> None:
    large = Image.fromarray(noise(64, 64)).resize((512, 512), Image.Resampling.BICUBIC)
    file = encoded(large, "JPEG", quality=98, subsampling=0)
    with Image.open(file) as whole:
        expected = np.asarray(whole.resize((64, 64), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(open_picture(file, 64).pixels - expected).mean() < 2


def test_files_that_are_no_picture_have_one_reason_each(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    cases: list[tuple[Any, Reason, str]] = [
        (io.BytesIO(), Reason.EMPTY, "no bytes"),
        (io.BytesIO(b"no picture"), Reason.NOT_A_PICTURE, "none of JPEG, PNG"),
        (io.BytesIO(b'<?xml version="1.0"?><svg/>'), Reason.UNSUPPORTED, "SVG"),
        (io.BytesIO(b"<svg/>"), Reason.UNSUPPORTED, "SVG"),
        (io.BytesIO(heic), Reason.UNSUPPORTED, "HEIC"),
        (io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), Reason.UNSUPPORTED, "document"),
        (tmp_path / "folder.png", Reason.UNREADABLE, "directory"),
        (tmp_path / "dangling.png", Reason.UNREADABLE, "No such file"),
    ]
    for stream, reason, words in cases:
        error = refused(stream)
        assert (error.reason, words in error.detail) == (reason, True), error
        assert "\n" not in error.detail


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000"])
def test_half_a_file_is_broken(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = encoded(Image.fromarray(noise(60, 40)), kind).getvalue()
    assert refused(io.BytesIO(data[: len(data) // 2])).reason in (Reason.BROKEN, Reason.NOT_A_PICTURE)


@quick
@given(st.data())
def test_a_damaged_file_never_does_more_than_be_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"]))
    whole = bytearray(encoded(Image.fromarray(noise(9, 9)), kind).getvalue())
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        whole[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unreadable):
        assert open_picture(io.BytesIO(bytes(whole)), 8, max_megapixels=1).pixels.shape == (8, 8, 3)


def header_only_png(width: int, height: int) -> io.BytesIO:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    tiny = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + tiny)


@pytest.mark.parametrize("side", [8_000, 11_000, 50_000])
def test_bombs_are_refused_from_their_header(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    bomb = header_only_png(side, side)
    error = refused(bomb, max_megapixels=50)
    assert error.reason is Reason.TOO_LARGE
    assert "50 million pixels" in error.detail
    with pytest.raises(Unreadable, match=r"^too large: .*50 million pixels$"):
        check_header(bomb, 50)


def test_the_limit_is_ours_and_exact_and_nothing_is_left_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    file = encoded(Image.new("RGB", (60, 50)))  # more than what Pillow would now refuse
    assert refused(file, max_megapixels=0.0029).reason is Reason.TOO_LARGE
    assert open_picture(file, 8, max_megapixels=0.003).pixels.shape == (8, 8, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000
    long = header_only_png(LONGEST_SIDE + 1, 1)
    assert "longer" in refused(long).detail


@quick
@given(st.data())
def test_a_picture_in_memory_is_fitted_as_one_from_a_file(data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    shape = (height, width, *data.draw(st.sampled_from([(), (3,), (4,)])))
    pixels = data.draw(arrays.arrays(np.uint8, shape))
    fit = data.draw(st.sampled_from(["pad", "crop"]))
    expected = open_picture(encoded(Image.fromarray(pixels)), 5, fit=fit).pixels
    np.testing.assert_array_equal(fitted(pixels, 5, fit), expected)


def test_what_is_no_picture_in_memory_is_refused() -> None:
    for wrong in (
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 2, 3)),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros(3, np.uint8),
    ):
        with pytest.raises(ValueError, match="a picture must"):
            fitted(wrong, 8)
    with pytest.raises(ValueError, match="size 1 or more"):
        fitted(np.zeros((2, 2, 3), np.uint8), 0)


def test_paths_are_closed_and_streams_stay_open(tmp_path: Path) -> None:
    file = tmp_path / 'it\'s a "picture" \n ü.png'
    Image.new("RGB", (4, 4), "blue").save(file)
    assert open_picture(file, 4).pixels[0, 0].tolist() == [0, 0, 255]
    assert open_picture(str(file), 4).pixels[0, 0].tolist() == [0, 0, 255]
    with file.open("rb") as stream:
        open_picture(stream, 4)
        assert not stream.closed
