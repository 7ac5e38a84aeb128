"""One picture of a stranger, opened safely: a square of RGB on white, or the reason why not. Never more than that.

Pillow's plain `.convert("RGB")` is silently wrong for much that users have: what is transparent turns black, 16 bits
saturate to white, floats turn black, and a picture lies on its side when only EXIF says how it was held.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fit = Literal["pad", "crop", "crop-bilinear", "squash", "squash-bilinear"]
Stream = str | os.PathLike[str] | BinaryIO
# Not what else Pillow opens: EPS would start Ghostscript, others are no pictures or are hardly ever tested.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "QOI")
# The longest side of a JPEG. A longer and thinner picture fits the megapixels, but not the filter of a resize.
LONGEST_SIDE = 65_535
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


class Reason(StrEnum):
    """Why a file of the user is skipped, or is named in the report."""

    EMPTY = "empty"
    NOT_A_PICTURE = "not a picture"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"
    TOO_LARGE = "too large"
    UNREADABLE = "unreadable"
    HIDDEN = "hidden"
    LINK = "link"
    OTHER = "other file"
    DUPLICATE = "duplicate"
    SHARD = "broken shard"
    METADATA = "bad metadata"
    ABSENT = "named but absent"
    BARE = "without a caption"


class Unreadable(Exception):
    """A picture that cannot be used: `reason`, and `detail` in words."""

    def __init__(self, reason: Reason, detail: str):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True)
class Picture:
    """pixels: (size, size, 3) uint8 RGB on white; notes: what the user should know, such as that it is animated."""

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def open_picture(stream: Stream, size: int, max_megapixels: float = 50.0, fit: Fit = "pad") -> Picture:
    """A picture as an encoder takes it; EXIF orientation applied, transparency on white, the first frame of several.

    stream: a path, or a seekable binary stream, read from its start and left open. size: side [pixels], from 1.
    max_megapixels: what is larger [million pixels] is refused from its header; decoding takes up to 10 bytes a pixel.
    fit: "pad" shrinks the long side to `size` and fills with white (Lanczos); "crop" shrinks the short side and cuts
    the centre, "squash" shrinks each side for itself, both as open_clip's preprocessing does (bicubic, or bilinear).
    Raises Unreadable with one of the first six reasons for whatever a file may be; ValueError for a wrong `fit`.
    """
    _check_request(size, fit)
    with _opened(stream) as file, _decoder(file, max_megapixels) as image:
        if image.format == "JPEG":
            # Decodes at 1/2, 1/4 or 1/8; three times the size is left for the filter.
            image.draft(None, (3 * size, 3 * size))
        image.load()
        upright, doubts = _upright(image)
        rgb, notes = to_rgb(upright)
        frames = ("first of several frames",) if _several(image) else ()
    return Picture(_square(rgb, size, fit), (*doubts, *notes, *frames))


def fitted(pixels: NDArray[Any], size: int, fit: Fit = "pad") -> NDArray[np.uint8]:
    """(size, size, 3) RGB on white of a picture in memory, fitted as `open_picture` does.

    pixels: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGB with alpha, uint8. Raises ValueError for anything else.
    """
    _check_request(size, fit)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,), (4,)):
        raise ValueError(f"a picture must be (h, w), (h, w, 3) or (h, w, 4) uint8, got {pixels.shape} {pixels.dtype}")
    if 0 in pixels.shape:
        raise ValueError(f"a picture must have pixels, got {pixels.shape}")
    return _square(to_rgb(Image.fromarray(np.ascontiguousarray(pixels)))[0], size, fit)


def check_header(stream: Stream, max_megapixels: float = 50.0) -> None:
    """Raise Unreadable when the header alone shows that `open_picture` would; decodes nothing."""
    with _opened(stream) as file, _decoder(file, max_megapixels):
        pass


def _upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        return ImageOps.exif_transpose(image), ()
    except Exception:  # of damaged EXIF; the picture itself is there
        return image, ("orientation unknown: its EXIF is damaged",)


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """(RGB on white, notes) of a loaded picture of any mode. Raises Unreadable for a mode that nobody knows."""
    if image.mode in SIXTEEN_BIT or image.mode in ("I", "F"):
        return _from_numbers(np.asarray(image), image.mode)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        # A paste rounds exactly; Image.alpha_composite does as well, but needs a second picture with alpha.
        white = Image.new("RGB", image.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white, ()
    try:
        return image.convert("RGB"), ()
    except ValueError:
        raise Unreadable(Reason.UNSUPPORTED, f"colour mode {image.mode}") from None


def _from_numbers(values: NDArray[Any], mode: str) -> tuple[Image.Image, tuple[str, ...]]:
    """Grey from 16 bits, 32-bit integers or floats: by the range that the mode means, else stretched and noted."""
    notes: tuple[str, ...] = ()
    # float64 holds every 32-bit integer.
    grey: NDArray[Any] = values.astype(np.float64 if mode == "I" else np.float32)
    finite = np.isfinite(grey)
    low, high = (float(grey[finite].min()), float(grey[finite].max())) if finite.any() else (0.0, 0.0)
    if mode == "F" and low >= 0 and high <= 1:
        scale, start = 255.0, 0.0
    elif mode == "F" and low >= 0 and high <= 255:
        scale, start = 1.0, 0.0
    elif mode != "F" and low >= 0 and high <= 65_535:
        scale, start = 255 / 65_535, 0.0
    else:
        scale, start = 255 / max(high - low, 1e-30), low
        notes = (f"values from {low:g} to {high:g} stretched to black and white",)
    if not finite.all():
        grey, notes = np.where(finite, grey, low), (*notes, "values that are no number shown black")
    eight = np.rint(np.clip((grey - start) * scale, 0, 255)).astype(np.uint8)
    return Image.fromarray(eight).convert("RGB"), notes


def _from_cmyk(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """By its own colour profile; without one by the plain formula, which is bright but recognisable."""
    profile = image.info.get("icc_profile")
    if profile:
        with contextlib.suppress(Exception):  # whatever a broken profile raises
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode="RGB")
            if converted is not None:
                return converted, ()
    return image.convert("RGB"), ("CMYK without a colour profile",)


def _check_request(size: int, fit: str) -> None:
    if fit not in get_args(Fit) or size < 1:
        raise ValueError(f"fit must be one of {get_args(Fit)} and size 1 or more, got {fit!r} and {size}")


def _square(image: Image.Image, size: int, fit: Fit) -> NDArray[np.uint8]:
    # A copy of our own: torch warns of memory that it may not write to.
    return np.array(FITTED[fit](image, size))


def _pad(image: Image.Image, size: int) -> Image.Image:
    scale = size / max(image.size)
    width, height = (max(1, min(size, round(side * scale))) for side in image.size)
    square = Image.new("RGB", (size, size), "white")
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    return square


def _crop(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    """torchvision's Resize(size) and CenterCrop(size), to the pixel."""
    if max(image.size) > 16 * min(image.size):
        # Cut before, or a picture of 1 x 65,000 would be enlarged to size x 65,000 size.
        width, height = (min(side, 2 * min(image.size)) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    short = min(image.size)
    width, height = (size if side == short else int(size * side / short) for side in image.size)
    large = image.resize((width, height), resampling)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return large.crop((left, top, left + size, top + size))


def _squash(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    return image.resize((size, size), resampling)


FITTED: dict[Fit, Callable[[Image.Image, int], Image.Image]] = {
    "pad": _pad,
    "crop": partial(_crop, resampling=Image.Resampling.BICUBIC),
    "crop-bilinear": partial(_crop, resampling=Image.Resampling.BILINEAR),
    "squash": partial(_squash, resampling=Image.Resampling.BICUBIC),
    "squash-bilinear": partial(_squash, resampling=Image.Resampling.BILINEAR),
}


def _several(image: Image.Image) -> bool:
    """Whether there are frames after the first. An MPO of a camera holds previews, which are no animation."""
    if image.format == "MPO":
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # of a broken second frame; the first one is there
        return True


@contextlib.contextmanager
def _opened(stream: Stream) -> Iterator[BinaryIO]:
    if not isinstance(stream, str | os.PathLike):
        yield stream
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(Path(stream).open("rb"))
        except OSError as error:
            raise Unreadable(Reason.UNREADABLE, error.strerror or type(error).__name__) from None
        yield file


@contextlib.contextmanager
def _decoder(file: BinaryIO, max_megapixels: float) -> Iterator[Image.Image]:
    """The picture with its header read; whatever Pillow says or raises in the block is an Unreadable."""
    file.seek(0)
    start = file.read(16)
    if not start:
        raise Unreadable(Reason.EMPTY, "no bytes")
    file.seek(0)
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            # Pillow's own guard, at our limit: also for pictures inside pictures.
            Image.MAX_IMAGE_PIXELS = int(max_megapixels * 1e6)
            Image.init()
            with Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
                _check_size(image.size, max_megapixels)
                yield image
        except Unreadable:
            raise
        except UnidentifiedImageError:
            raise Unreadable(*_unidentified(start)) from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise Unreadable(Reason.TOO_LARGE, f"more than {max_megapixels:g} million pixels") from None
        except Exception as error:
            # A decoder answers a damaged file with anything from struct.error to KeyError.
            raise Unreadable(Reason.BROKEN, " ".join(f"{type(error).__name__}: {error}".split())[:200]) from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(size: tuple[int, int], max_megapixels: float) -> None:
    width, height = size
    if width * height > max_megapixels * 1e6:
        raise Unreadable(Reason.TOO_LARGE, f"{width} x {height}, more than {max_megapixels:g} million pixels")
    if max(size) > LONGEST_SIDE:
        raise Unreadable(Reason.TOO_LARGE, f"{width} x {height}, longer than {LONGEST_SIDE:,} pixels")


def _unidentified(start: bytes) -> tuple[Reason, str]:
    if start[4:8] == b"ftyp" and start[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return Reason.UNSUPPORTED, "HEIC: convert it to JPEG or PNG"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml")):
        return Reason.UNSUPPORTED, "a drawing (SVG): render it to PNG"
    if start.startswith((b"%PDF", b"%!PS", b"8BPS")):
        return Reason.UNSUPPORTED, "a document: export it as PNG"
    return Reason.NOT_A_PICTURE, "none of " + ", ".join(FORMATS)
