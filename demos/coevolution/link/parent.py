"""A process that ends when the one that started it does, also when that is killed and can end nobody."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def child(command: list[str], **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that calls `end_with_parent`; it is killed afterwards. how: as `subprocess.Popen` takes it."""
    # Nothing is ever written to it; it closes when we end, however we do.
    with subprocess.Popen(command, stdin=subprocess.PIPE, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def end_with_parent() -> None:
    """End this process, at once, when its standard input closes."""

    def wait() -> None:
        # Not by Python's own reader, whose lock a process could not end without.
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
