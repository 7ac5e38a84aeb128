"""What the engine leaves to us: one writer at a time, and files that survive a power cut."""

from __future__ import annotations

import os
import re
import time
import weakref
from pathlib import Path

from shared.errors import UserError

MANIFEST = re.compile(r"(\d{20})\.manifest")
LAST = 2**64 - 1
DAY = 86_400  # seconds


def newest_version(table: Path) -> int:
    """Version of a Lance table, from the names of its manifests (naming scheme V2: 2^64 - 1 - version, so that the
    newest comes first in a listing; https://lance.org/format/table/transaction/). Some 20 microseconds, where opening
    the table takes milliseconds and importing the engine seconds. 0 when there is none."""
    try:
        names = os.listdir(table / "_versions")  # noqa: PTH208 - strings are enough, and this runs at every search
    except FileNotFoundError:
        return 0
    return max((LAST - int(found[1]) for name in names if (found := MANIFEST.fullmatch(name))), default=0)


def manifest_of(table: Path, version: int) -> Path:
    """The manifest of a version of a Lance table."""
    return table / "_versions" / f"{LAST - version:020d}.manifest"


def is_whole(manifest: Path) -> bool:
    """Whether a manifest ends as the format has it. The engine takes one of zeros, which a power cut may leave, for
    that of an empty table. Raises OSError."""
    with manifest.open("rb") as file:
        file.seek(max(manifest.stat().st_size - 4, 0))
        return file.read() == b"LANC"


def leftovers(file: Path) -> list[Path]:
    """Temporary copies of a file, `.NAME.PID` beside it, that no process is writing: it is dead, or they are a day
    old and its number may be that of another one by now."""
    found = []
    for path in file.parent.glob(f".{file.name}.*"):
        try:
            if not _is_alive(path.suffix[1:]) or path.stat().st_mtime < time.time() - DAY:
                found.append(path)
        except FileNotFoundError:
            continue
    return found


def _is_alive(pid: str) -> bool:
    if os.name != "posix" or not pid.isdigit():  # elsewhere, os.kill would end the process
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


class WriterLock:
    """An advisory lock on a file, held by this process until `release` or its death; the file itself stays."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._give_back: weakref.finalize[[int], WriterLock] | None = None

    def acquire(self) -> None:
        """Take the lock, or keep it. Raises UserError when another writer has it."""
        import fcntl

        if self._give_back is not None:
            return
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise UserError(
                f"{self._file.parent}: another process is writing this index; wait for it, or stop it (reading is fine)"
            ) from None
        # An index that is dropped without `close` gives its lock back too.
        self._give_back = weakref.finalize(self, os.close, handle)

    def release(self) -> None:
        """Give the lock back; nothing when it is not held."""
        if self._give_back is not None:
            self._give_back()
            self._give_back = None


class Synced:
    """Brings the files under a folder to the disk, each once: the engine never changes one that it has written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[Path, tuple[int, int]] = {}

    def sync(self) -> None:
        """fsync every file that is new or changed since the last call, then every folder that names one of them."""
        seen: dict[Path, tuple[int, int]] = {}
        folders = set()
        for place, _, names in os.walk(self._folder):
            for name in names:
                path = Path(place, name)
                try:
                    state = path.stat()
                except FileNotFoundError:
                    continue
                seen[path] = (state.st_mtime_ns, state.st_size)
                if self._done.get(path) != seen[path]:
                    fsync(path)
                    folders.add(place)
        if folders:
            # A folder made along with its files is named in the one above.
            folders |= {str(Path(place).parent) for place in folders} | {str(self._folder), str(self._folder.parent)}
            for place in sorted(folders):
                fsync(place)
        self._done = seen


def fsync(path: str | Path) -> None:
    """fsync of a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
