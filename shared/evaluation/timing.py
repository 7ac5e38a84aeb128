"""Wall time, measured fairly: warm-up, interleaved repeats, median and quartiles, paired ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of each repeat of one function; `ratio` is to the first function, paired within each round."""

    name: str
    seconds: tuple[float, ...]
    quartiles: tuple[float, float, float]
    ratio_quartiles: tuple[float, float, float]
    threads: dict[str, int] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Median [s]."""
        return self.quartiles[1]

    @property
    def ratio(self) -> float:
        """Median of the paired ratios to the first function; below 1 is faster than it."""
        return self.ratio_quartiles[1]


def paired_timing(
    functions: Mapping[str, Callable[[], Any]],
    repeats: int = 7,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time functions in turns, so that a slow spell of the machine hits all of them.

    functions: name -> what to call; the first is what ratios are taken to. repeats: from 3; warmup: from 0.
    threads of each Timing: threads that the numeric libraries would use (threadpoolctl), as they were set.
    Raises ValueError outside these ranges.
    """
    if repeats < 3 or warmup < 0 or not functions:
        raise ValueError("needs at least one function, 3 repeats and 0 warm-ups")
    for _ in range(warmup):
        for function in functions.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats):
        # The order turns round, so that none always runs on the cache the same neighbour left.
        order = list(functions) if repeat % 2 == 0 else list(list(functions)[::-1])
        for name in order:
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
    base, threads = np.array(next(iter(seconds.values()))), thread_counts()
    return {
        name: Timing(name, tuple(times), _quartiles(np.array(times)), _quartiles(np.array(times) / base), threads)
        for name, times in seconds.items()
    }


def thread_counts() -> dict[str, int]:
    """Threads of each numeric library loaded in this process, for example {"openblas": 2}."""
    from threadpoolctl import threadpool_info

    return {str(info["internal_api"]): int(info["num_threads"]) for info in threadpool_info()}


def _quartiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
