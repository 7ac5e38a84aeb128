"""One run, one folder: it exists under its final name only when all of it is there.

A run works in `<out>/<slug>/.partial-...` and is renamed to `<out>/<slug>/<UTC time>-<id>` at the end. Whatever
stops it (an error, Ctrl-C, SIGTERM, a full disk), the partial folder goes and earlier runs stay untouched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from shared.errors import UserError
from shared.fanout import Engine, fan_out
from shared.progress import Progress
from shared.result import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

T = TypeVar("T")
R = TypeVar("R")
PARTIAL = ".partial-"


class Terminated(BaseException):
    """SIGTERM, turned into an exception so that the partial folder is removed."""


def output_root(out: str | Path | None = None) -> Path:
    """Where runs go: `--out`, else the variable TRENDLAB_RUNS, else ./runs."""
    return Path(out or os.environ.get("TRENDLAB_RUNS") or "runs").expanduser().absolute()


class RunFolder:
    """The `Run` that a demo is handed: its folder, its voice and its fan-out."""

    def __init__(self, folder: Path, progress: Progress, engine: Engine = "processes", workers: int | None = None):
        self.folder = folder
        self.progress = progress
        self.engine = engine
        self.workers = workers
        self.actions: list[Callable[[], None]] = []

    def afterwards(self, action: Callable[[], None]) -> None:
        """Call `action` when the run is kept, whole and under its name; never if it is not."""
        self.actions.append(action)

    def say(self, message: str) -> None:
        """Tell the user one line of what is going on."""
        self.progress.say(message)

    def map(self, label: str, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`[function(item) for item in items]`, fanned out, with progress; order is kept."""
        return fan_out(function, items, label=label, engine=self.engine, workers=self.workers, progress=self.progress)

    def track(self, label: str, items: Iterable[T]) -> Iterable[T]:
        """Iterate with a progress bar."""
        return self.progress.track(label, items)

    def figure(self, drawing: Drawing, name: str, *, title: str, caption: str, alt: str) -> Figure:
        """Save a matplotlib figure as `name`.svg and `name`.png (144 dpi) in the run folder and close it.

        name: lower-case letters, digits, "-" and "_", not used before in this run. Raises ValueError otherwise.
        """
        if not name.replace("-", "").replace("_", "").isalnum() or name != name.lower():
            raise ValueError(f"figure name {name!r}: lower-case letters, digits, '-' and '_' only")
        vector = self.folder / f"{name}.svg"
        if vector.exists():
            raise ValueError(f"figure name {name!r} is used twice")
        # Without a date, the same figure gives the same file.
        drawing.savefig(vector, format="svg", metadata={"Date": None})
        drawing.savefig(vector.with_suffix(".png"), format="png", dpi=144, metadata={"Software": None})
        _close(drawing)
        return Figure(file=vector.name, title=title, caption=caption, alt=alt)


def _close(drawing: Drawing) -> None:
    from matplotlib import pyplot

    pyplot.close(drawing)


def new_run_id(now: datetime) -> str:
    """`<UTC time>-<short id>`, for example `20260131T235959Z-a1b2c3`."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextlib.contextmanager
def run_folder(parent: Path, run_id: str) -> Iterator[Path]:
    """A partial folder that becomes `parent / run_id` when the block ends well, and vanishes when it does not.

    Raises UserError when the folder cannot be written or the disk is full.
    """
    partial = parent / f"{PARTIAL}{socket.gethostname()}-{os.getpid()}-{run_id}"
    try:
        with _sigterm_raises():
            _make(partial)
            yield partial
            partial.rename(parent / run_id)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _full(parent)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _make(partial: Path) -> None:
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(partial.parent)
        partial.mkdir()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{partial.parent}: cannot write runs there ({error.strerror}); choose another --out") from None


def _full(folder: Path) -> NoReturn:
    raise UserError(
        f"no space left on the disk of {folder}; nothing was kept; free some space or choose another --out"
    ) from None


def remove_leftovers(parent: Path) -> None:
    """Remove partial folders whose process on this machine is dead; a live one's, or another machine's, stay."""
    host = socket.gethostname()
    for folder in parent.glob(f"{PARTIAL}{host}-*"):
        pid = folder.name.removeprefix(f"{PARTIAL}{host}-").split("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name != "posix":  # there, os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def write_atomically(file: Path, text: str) -> None:
    """Write a text file so that a reader sees all of it or the one before, also after a power cut."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
