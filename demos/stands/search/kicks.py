"""Kicks: hand a stretch of the day out anew at disturbed costs, mend around it, and keep what costs no more.

The search soon ends where no window that is re-matched gains anything. A kick leads away from there, and windows near
it lead down again. Where kicks have failed lately no more are tried: a search learns that of itself, within the day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.problem import Problem, cost_change, plan_cost
from demos.stands.search.neighbourhoods import SearchLog, draw_window, keep_best, keeps_hard_rules, one_side, rematch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import KicksConfig

MINUTES = (10, 20, 30, 60, 120)  # of the day that a kick takes
NOISE = (10, 30, 100, 300)  # scale of what is added to the cost of each block on each stand [1/100 min]
BEFORE, AFTER = 120, 60  # windows that mend begin so near a kick [min]
FORGET = 60  # failures so near a change are forgotten [min]


@dataclass(frozen=True)
class Kick:
    """turns: (k,) those handed out anew, from `start` [min] on, all within `minutes`; noise: [1/100 min]."""

    start: int
    minutes: int
    noise: int
    turns: NDArray[np.int64]


def kick_on(
    problem: Problem,
    start: NDArray[np.int64],
    config: KicksConfig,
    generator: np.random.Generator,
    locked: NDArray[np.bool_] | None = None,
    offer: Callable[[NDArray[np.int64]], None] | None = None,
) -> tuple[NDArray[np.int64], SearchLog]:
    """Improve `start` (n,) by `config.number` kicks; never returns a worse plan, never moves a `locked` turn.

    offer: is given each better plan.
    """
    free = np.ones(len(start), dtype=bool) if locked is None else ~locked
    plan, log, failed = start.copy(), SearchLog(), np.zeros(len(start), dtype=np.int64)
    cost, began = plan_cost(problem, plan), time.perf_counter()
    log.curve.append((0.0, cost))
    for _ in range(config.number if free.any() else 0):
        kick = draw_kick(problem, free, failed, config.among, generator)
        candidate, new = _kicked(problem, plan, cost, kick, free, config, generator, log)
        if new < cost:
            _forget(failed, problem, plan != candidate)
            log.curve.append((time.perf_counter() - began, new))
            if offer:
                offer(candidate)
        else:
            failed[kick.turns] += 1
        if new <= cost:
            plan, cost = candidate, new
        if time.perf_counter() - began > config.seconds:
            log.stopped_by_clock = True
            break
    return plan, log


def draw_kick(
    problem: Problem,
    free: NDArray[np.bool_],
    failed: NDArray[np.int64],
    among: int,
    generator: np.random.Generator,
) -> Kick:
    """Of `among` kicks drawn at random the one whose turns have been in fewest that failed, in the mean.

    failed: (n,) of each turn, how many since something changed near it.
    """
    sibt, best = problem.turns.sibt, None
    starts, minutes = generator.choice(sibt[free], among), generator.choice(MINUTES, among)
    noises, fewest = generator.choice(NOISE, among), np.inf
    for start, length, noise in zip(starts.tolist(), minutes.tolist(), noises.tolist(), strict=True):
        turns = np.flatnonzero(free & (sibt >= start) & (sibt < start + length))
        mean = failed[turns].sum() / len(turns)
        if mean < fewest:
            best, fewest = Kick(start, length, noise, turns), mean
    assert best
    return best


def _kicked(
    problem: Problem,
    plan: NDArray[np.int64],
    cost: int,
    kick: Kick,
    free: NDArray[np.bool_],
    config: KicksConfig,
    generator: np.random.Generator,
    log: SearchLog,
) -> tuple[NDArray[np.int64], int]:
    """The plan after a kick and its mending, and what it costs [1/100 min], more or less than before."""
    noise = kick.noise * generator.gumbel(size=(problem.n_stands, problem.n_stands))
    candidate = rematch(problem, plan, kick.turns, one_side(problem, generator), noise)
    moved = np.flatnonzero(candidate != plan)
    if not len(moved) or not keeps_hard_rules(problem, candidate, moved):
        return plan, cost
    cost += cost_change(problem, plan, candidate)
    sibt = problem.turns.sibt
    starts = sibt[free & (sibt >= kick.start - BEFORE) & (sibt <= kick.start + kick.minutes + AFTER)]
    for _ in range(config.repairs):
        window, stay = draw_window(problem, free, generator, starts), one_side(problem, generator)
        mended = rematch(problem, candidate, window, stay)
        candidate, cost, better = keep_best(problem, candidate, cost, mended)
        log.matchings += 1
        log.matchings_improved += better
    return candidate, cost


def _forget(failed: NDArray[np.int64], problem: Problem, changed: NDArray[np.bool_]) -> None:
    """Where something changed, what failed may succeed."""
    sibt = problem.turns.sibt
    failed[(sibt >= sibt[changed].min() - FORGET) & (sibt <= sibt[changed].max() + FORGET)] = 0
