"""What a version of a model is, and how it lies in a folder. Light: a device reads it without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from shared.errors import UserError

FORMAT = 1  # of version.json
RECORD = "version.json"


@dataclass(frozen=True)
class Version:
    """One version of a model.

    kind: which place it is for, "cloud", "edge" or "device"; parent: the version it was made from, of its own kind;
    teacher: the version of the large model whose answers it learned; data: hash of what it learned from; temperature:
    of its answers; scores: accuracy by scene, 0 to 1; note: why it was made; files: hash of each file beside it.
    """

    name: str
    kind: str
    parent: str | None
    teacher: str | None
    data: str
    temperature: float
    scores: dict[str, float]
    note: str
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def read(folder: Path) -> Version:
    """The record of a folder. Raises UserError when there is none, or one that this program does not know."""
    file = folder / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is no version of a model: it has no {RECORD}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    form = record.get("format") if isinstance(record, dict) else None
    if form != FORMAT:
        raise UserError(f"{file} is of format {form}, this program reads {FORMAT}; make the version again")
    try:
        return Version(**record)
    except TypeError as error:
        raise UserError(f"{file} is no record of a version: {error}") from None


def write(version: Version, folder: Path) -> None:
    """Write the record into a folder that nobody reads yet."""
    text = json.dumps(asdict(version), indent=2, sort_keys=True)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def checked_file(folder: Path, version: Version, name: str) -> Path:
    """A file of a version, as it was written. Raises UserError when it is missing or another."""
    file = folder / name
    if name not in version.files or not file.is_file():
        raise UserError(f"version {version.name} in {folder} has no {name}")
    if sha256(file) != version.files[name]:
        raise UserError(f"{file} is not what version {version.name} was made with: it is cut off or changed")
    return file


def sha256(file: Path) -> str:
    """Of a file's bytes, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
