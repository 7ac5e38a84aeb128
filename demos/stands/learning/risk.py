"""Expected overlap of every two turns, from samples of their delays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.turns import Turns


def sample_delays(
    quantiles: NDArray[np.float64], levels: tuple[float, ...], scenarios: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Samples of each turn's delay [min], (n, scenarios), from predicted quantiles (n, k) at `levels` (k,).

    Stratified: each turn's samples are its quantile function at evenly spread levels, shuffled independently of the
    other turns. Linear between the levels; beyond the outermost ones the tails are exponential, continued with the
    slope of the last two levels on the scale log(1 - level).
    """
    even = (np.arange(scenarios) + 0.5) / scenarios
    at = np.asarray(levels)
    values = np.stack([np.interp(even, at, row) for row in quantiles])
    values += _tail(quantiles[:, -1] - quantiles[:, -2], 1 - at[-2], 1 - at[-1], 1 - even)
    values -= _tail(quantiles[:, 1] - quantiles[:, 0], at[1], at[0], even)
    return generator.permuted(values, axis=1)


def _tail(step: NDArray[np.float64], inner: float, outer: float, beyond: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = step / np.log(inner / outer)
    return np.outer(scale, np.log(np.maximum(outer / beyond, 1.0)))


def given_so_far(delays: NDArray[np.float64], waited: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Samples of one turn's delay (scenarios,) [min], given that after `waited` minutes it has not left.

    Samples that have come false are drawn anew from those that can still be true; when none can, what is left to wait
    is drawn from an exponential distribution with mean 30 min.
    """
    possible = delays[delays > waited]
    if len(possible) == len(delays):
        return delays
    if not len(possible):
        return waited + generator.exponential(30.0, len(delays)) + 0.01
    result = delays.copy()
    false = result <= waited
    result[false] = generator.choice(possible, size=int(false.sum()))
    return result


def expected_overlap(
    on_block: NDArray[np.float64],
    off_block: NDArray[np.float64],
    turns: Turns,
    rows: NDArray[np.int64] | None = None,
    tail: float = 1.0,
) -> NDArray[np.float64]:
    """(rows, n) expected minutes that two turns are both there; zero for a turn with itself.

    on_block, off_block: (n, scenarios) minutes after midnight, of which scenario s of one turn meets scenario s of
    another. rows: the turns wanted, all by default. tail: the mean is over this share of the scenarios, those in which
    the two share most minutes (the conditional value at risk at level 1 - tail); 1 is the expectation.
    """
    on32, off32 = on_block.astype(np.float32), off_block.astype(np.float32)
    earliest, latest = on32.min(axis=1), off32.max(axis=1)
    rows = np.arange(len(turns)) if rows is None else rows
    overlap, worst = np.zeros((len(rows), len(turns))), max(1, round(tail * on32.shape[1]))
    for row, turn in enumerate(rows):
        near = np.flatnonzero((earliest < latest[turn]) & (latest > earliest[turn]))
        shared = np.minimum(off32[turn], off32[near]) - np.maximum(on32[turn], on32[near])
        if worst < shared.shape[1]:
            shared = np.partition(shared, -worst, axis=1)[:, -worst:]
        overlap[row, near] = np.maximum(shared, 0).mean(axis=1)
        overlap[row, turn] = 0.0
    return overlap
