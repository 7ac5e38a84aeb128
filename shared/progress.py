"""Progress for people: a bar with rate and time left on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """Says lines and tracks loops. `quiet` keeps one plain line per finished loop."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bar = not quiet and sys.stderr.isatty()

    def say(self, message: str) -> None:
        """One line; not shown when quiet."""
        if not self.quiet:
            print(message, file=sys.stderr, flush=True)

    def track(self, label: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
        """Iterate over `items` and show how far it is; `total` where they have no length."""
        if total is None:
            items = list(items)
            total = len(items)
        with self.steps(label, total) as advance:
            for item in items:
                yield item
                advance()

    @contextlib.contextmanager
    def steps(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """What is to be called after each of `total` steps; for work that tells its steps and cannot be iterated."""
        with self._bar(label, total) if self.bar else self._lines(label, total) as advance:
            yield advance

    @contextlib.contextmanager
    def _lines(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        start, done, shown = time.perf_counter(), 0, 0

        def advance() -> None:
            nonlocal done, shown
            done += 1
            seconds = time.perf_counter() - start
            # At most four lines a loop, and none in the first seconds: logs stay readable.
            if not self.quiet and 4 * done // total > shown and done < total and seconds > 2:
                shown = 4 * done // total
                left = seconds / done * (total - done)
                print(f"{label}: {done} of {total}, {left:.0f} s left", file=sys.stderr, flush=True)

        yield advance
        print(f"{label}: {total} in {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _bar(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        ]
        with Bar(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(label, total=total, rate="")
            start, done = time.perf_counter(), 0

            def advance() -> None:
                nonlocal done
                done += 1
                rate = done / max(time.perf_counter() - start, 1e-9)
                bar.update(task, advance=1, rate=f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each")

            yield advance
