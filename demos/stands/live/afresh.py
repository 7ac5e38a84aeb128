"""The peer that solves the rest of the day afresh: the same search as the day before, and a change costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from demos.stands.live.day import keep
from demos.stands.live.state import DayState, clock, problem_now
from demos.stands.search.greedy import put_back
from demos.stands.search.neighbourhoods import search
from shared.seed import generator


def solve_afresh(state: DayState, now: int) -> DayState:
    """Everybody who has not come is placed anew, first come at least cost, then searched on. The same random numbers
    each time, so that two solutions do not differ by chance alone."""
    state = clock(state, now)
    problem = problem_now(state, now, priced=False)
    todo = np.flatnonzero(state.movable)
    start = put_back(problem, state.plan, todo[np.argsort(state.turns.sibt[todo], kind="stable")])
    draws = generator(state.config.seed, "afresh", state.turns.day.isoformat())
    plan, _ = search(problem, start, state.config.search, draws, locked=~state.movable)
    return replace(state, plan=plan, touched=np.zeros_like(state.touched))


def every(count: int, decide: Callable[[DayState, int], DayState]) -> Callable[[DayState, int], DayState]:
    """Decide at every `count`-th event, beginning with the first; keep all stands in between."""
    seen = 0

    def sometimes(state: DayState, now: int) -> DayState:
        nonlocal seen
        seen += 1
        return decide(state, now) if (seen - 1) % count == 0 else keep(state, now)

    return sometimes
