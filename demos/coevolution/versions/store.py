"""All versions of all models in one folder: each is written whole and never changed; which one answers is one line of
one file, so that to deploy or to go back is to replace that file.

    store = Store(Path("students"))
    version = store.add(kind="device", write=export, parent="device-0-1a2b3c4d", data=..., ...)
    store.deploy(version.name)
    store.rollback("device")
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.coevolution.versions.version import RECORD, Version, read, sha256, write
from shared.errors import UserError
from shared.files import written_whole

STUDENTS = "students"  # folder of a run with its versions
CURRENT = "current.json"
DIGITS = 8  # of a hash in a name
Writer = Callable[[Path], None]


class Store:
    """Versions under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        kind: str,
        write_files: Writer,
        *,
        data: str,
        scores: dict[str, float],
        parent: str | None = None,
        teacher: str | None = None,
        temperature: float = 1.0,
        note: str = "",
    ) -> Version:
        """A new version, not yet deployed. write_files: puts its files into a folder.

        Raises UserError when the parent or the teacher is no version here, or the parent one of another kind.
        """
        if parent is not None and self.read(parent).kind != kind:
            raise UserError(f"{parent} cannot be the parent of a {kind}: it is a {self.read(parent).kind}")
        if teacher is not None:
            self.read(teacher)
        number = sum(version.kind == kind for version in self.versions())
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{kind}-{number}-{os.getpid()}"
        temporary.mkdir()
        try:
            write_files(temporary)
            files = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
            told = json.dumps([parent, teacher, data, files], sort_keys=True)
            name = f"{kind}-{number}-{hashlib.sha256(told.encode()).hexdigest()[:DIGITS]}"
            version = Version(name, kind, parent, teacher, data, temperature, scores, note, files)
            write(version, temporary)
            temporary.rename(self.folder / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return version

    def versions(self) -> list[Version]:
        """All, older ones of a kind first."""
        if not self.folder.is_dir():
            return []
        found = [read(record.parent) for record in self.folder.glob(f"[!.]*/{RECORD}")]
        return sorted(found, key=lambda version: (version.kind, int(version.name.split("-")[1])))

    def read(self, name: str) -> Version:
        """One of them. Raises UserError when there is none of that name."""
        if not (self.folder / name / RECORD).is_file():
            known = ", ".join(version.name for version in self.versions()) or "none"
            raise UserError(f"{self.folder} has no version {name}; it has: {known}")
        return read(self.folder / name)

    def current(self) -> dict[str, str]:
        """The deployed version of each kind."""
        try:
            found = json.loads((self.folder / CURRENT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UserError(f"{self.folder / CURRENT} cannot be read: {error}") from None
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
            raise UserError(f"{self.folder / CURRENT} does not say which version is deployed of each kind")
        return found

    def deployed(self, kind: str) -> Path:
        """The folder of the version of a kind that answers. Raises UserError when none was deployed."""
        name = self.current().get(kind)
        if name is None:
            raise UserError(f"no version of a {kind} is deployed in {self.folder}")
        return self.folder / self.read(name).name

    def deploy(self, name: str) -> None:
        """From now on this version answers in its place."""
        version = self.read(name)
        with written_whole(self.folder / CURRENT) as temporary:
            temporary.write_text(json.dumps({**self.current(), version.kind: name}, indent=2) + "\n", encoding="utf-8")

    def rollback(self, kind: str, name: str | None = None) -> Version:
        """Deploy the parent of what is deployed, or the version called `name`. Raises UserError when there is none."""
        now = self.read(self.deployed(kind).name)
        to = name if name is not None else now.parent
        if to is None:
            raise UserError(f"{now.name} is the first {kind}: there is nothing to go back to")
        version = self.read(to)
        if version.kind != kind:
            raise UserError(f"{to} is a {version.kind}, not a {kind}")
        self.deploy(to)
        return version


def hashed(texts: list[str], targets: NDArray[np.floating]) -> str:
    """Of what is learned from, in hexadecimal digits: texts and what is to be said of each, in any order."""
    rows = sorted(f"{text}\t{target}" for text, target in zip(texts, np.round(targets, 4).tolist(), strict=True))
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()
