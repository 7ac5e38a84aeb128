"""How big the files are, how long one text takes, and how long it is until the first answer: in turns."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.deploy.runtime import MODEL, Student

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARM_UP = 20  # texts
STARTS = 7
FIRST_ANSWER = "from pathlib import Path; from demos.coevolution.deploy.runtime import Student; "
FIRST_ANSWER += "Student(Path({folder!r}))('a good film')"


@dataclass(frozen=True)
class Latency:
    """Of one file. size: bytes of the model; seconds: (n,) of the model alone for each text; whole: (n,) with the
    tokenizer, from a text to its answer; cold: seconds from the start of a process to its first answer, of each start,
    or none."""

    size: int
    seconds: NDArray[np.float64]
    whole: NDArray[np.float64]
    cold: tuple[float, ...] = ()

    def quantile(self, level: float) -> float:
        """Milliseconds of the model alone."""
        return float(1e3 * np.quantile(self.seconds, level))


def latencies(folders: dict[str, Path], asked: list[str], cold: tuple[str, ...]) -> dict[str, Latency]:
    """Each text through each file, one after the other, one thread; and the cold starts of some."""
    students = {name: Student(folder, threads=1) for name, folder in folders.items()}
    names = list(students)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    whole: dict[str, list[float]] = {name: [] for name in names}
    texts = asked[:WARM_UP] + asked
    read = [students[names[0]].pieces(text) for text in texts]
    for number, ids_1l in enumerate(read):
        # The order turns round, so that a slow spell of the machine hits all; and each reads a text before the one that
        # is timed, so that none finds the cache as another of twenty times its size left it.
        for name in names if number % 2 else names[::-1]:
            students[name].logits(read[number - 1])
            start = time.perf_counter()
            students[name].logits(ids_1l)
            seconds[name].append(time.perf_counter() - start)
            students[name].logits(read[number - 1])
            start = time.perf_counter()
            students[name](texts[number])
            whole[name].append(time.perf_counter() - start)
    starts: dict[str, list[float]] = {name: [] for name in cold}
    for _ in range(STARTS):
        for name in cold:
            starts[name].append(_cold(folders[name]))
    return {
        name: Latency(
            (folders[name] / MODEL).stat().st_size,
            np.array(seconds[name][-len(asked) :]),
            np.array(whole[name][-len(asked) :]),
            tuple(starts.get(name, ())),
        )
        for name in names
    }


def _cold(folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST_ANSWER.format(folder=str(folder))], check=True)
    return time.perf_counter() - start


def ratio(slow: NDArray[np.float64], fast: NDArray[np.float64]) -> tuple[float, float, float]:
    """How many times as fast, text by text: median and the quartiles around it. slow, fast: (n,) seconds."""
    low, middle, high = np.quantile(slow / fast, [0.25, 0.5, 0.75])
    return float(middle), float(low), float(high)
