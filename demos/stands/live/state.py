"""What is known of a running day: where each aircraft is, when it is expected, which stands are closed.

n turns, m stands, times in minutes after midnight of the operating day. The scheduled times of `turns` give way to
estimates and to what happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport
from demos.stands.learning.risk import expected_overlap, given_so_far, sample_delays
from demos.stands.problem import SCALE, UNASSIGNED, Problem, build_problem
from demos.stands.turns import Turns, occupation
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig


@dataclass(frozen=True)
class DayState:
    """on, off: (n, scenarios) samples of on-block and off-block; overlap: (n, n) expected minutes shared, from these.

    plan: (n,) stand positions; there: (n,) on its stand now; landed: (n,) has come and waits, for its stand is taken;
    gone: (n,) has left, or is cancelled; closed: (m,) closed until it is reopened; touched: (n,) of whom there is news
    since the last re-planning; schedule: the turns as they were planned, from which forecasts of delay count.
    """

    turns: Turns
    airport: Airport
    config: StandsConfig
    on: NDArray[np.float64]
    off: NDArray[np.float64]
    overlap: NDArray[np.float64]
    plan: NDArray[np.int64]
    there: NDArray[np.bool_]
    landed: NDArray[np.bool_]
    gone: NDArray[np.bool_]
    closed: NDArray[np.bool_]
    touched: NDArray[np.bool_]
    schedule: Turns

    @property
    def movable(self) -> NDArray[np.bool_]:
        """(n,) whose stand can still change: who is on block stays there."""
        return ~self.there & ~self.gone


def first_state(
    turns: Turns, airport: Airport, config: StandsConfig, delays: NDArray[np.float64], plan: NDArray[np.int64]
) -> DayState:
    """The day before it begins: nobody has come. delays: (n, scenarios) samples of departure delay [min]."""
    on, off = occupation(turns, delays, config.turn)
    overlap = expected_overlap(on, off, turns, tail=config.cost.tail)
    nobody = np.zeros(len(turns), dtype=bool)
    return DayState(
        turns, airport, config, on, off, overlap, plan.copy(), nobody, nobody, nobody,
        np.zeros(len(airport.stands), dtype=bool), nobody, turns,
    )  # fmt: skip


def expect(
    state: DayState, turn: int, on_block: int | None = None, off_block: int | None = None, certain: bool = False
) -> DayState:
    """A turn's times are news [min]: its samples move along, or say nothing else if `certain`.

    Who comes so late that its stay gets too short leaves later, and the next part of a long stay begins when one ends.
    """
    sibt, sobt = state.turns.sibt.copy(), state.turns.sobt.copy()
    on, off = state.on.copy(), state.off.copy()
    if on_block is not None:
        on[turn] = on_block if certain else on[turn] + on_block - sibt[turn]
        sibt[turn] = on_block
        if off_block is None:
            shortest = min(state.config.live.least_stay, int(state.turns.sobt[turn] - state.turns.sibt[turn]))
            later = max(int(sobt[turn]), on_block + max(shortest, 1))
            off[turn] += later - sobt[turn]
            sobt[turn] = later
    if off_block is not None:
        off[turn] = off_block if certain else off[turn] + off_block - sobt[turn]
        sobt[turn] = max(off_block, sibt[turn] + 1)
    off[turn] = np.maximum(off[turn], on[turn] + 1)
    return _towed_on(with_times(state, sibt, sobt, on, off, np.array([turn])), turn)


def forecast(state: DayState, turn: int, quantiles: tuple[float, ...]) -> DayState:
    """A turn's samples are drawn anew from quantiles of its departure delay [min]; it is expected at their medians.

    Who has come stays where the clock saw it come; what is forecast then is when it leaves.
    """
    turns, config = state.turns, state.config
    draws = generator(config.seed, "forecast", turns.day.isoformat(), turn)
    delays = np.zeros_like(state.on)
    delays[turn] = sample_delays(np.array([quantiles]), config.delay.levels, state.on.shape[1], draws)
    new_on, new_off = occupation(state.schedule, delays, config.turn)
    sibt, sobt, on, off = turns.sibt.copy(), turns.sobt.copy(), state.on.copy(), state.off.copy()
    if not (state.there[turn] or state.landed[turn]):
        on[turn], sibt[turn] = new_on[turn], middle(new_on[turn])
    off[turn] = np.maximum(new_off[turn], on[turn] + 1)
    sobt[turn] = max(middle(off[turn]), sibt[turn] + 1)
    return _towed_on(with_times(state, sibt, sobt, on, off, np.array([turn])), turn)


def middle(samples: NDArray[np.float64]) -> int:
    """The median of samples [min], in whole minutes."""
    return int(np.rint(np.median(samples)))


def _towed_on(state: DayState, turn: int) -> DayState:
    """The next part of a long stay begins when this one ends."""
    sobt = int(state.turns.sobt[turn])
    for after in state.turns.links[state.turns.links[:, 0] == turn, 1].tolist():
        if state.movable[after] and state.turns.sibt[after] != sobt:
            state = expect(state, after, on_block=sobt)
    return state


def with_times(
    state: DayState,
    sibt: NDArray[np.int64],
    sobt: NDArray[np.int64],
    on: NDArray[np.float64],
    off: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> DayState:
    """The state with other times of some turns; what they are expected to share with others follows."""
    turns, overlap, touched = replace(state.turns, sibt=sibt, sobt=sobt), state.overlap.copy(), state.touched.copy()
    overlap[rows] = expected_overlap(on, off, turns, rows, state.config.cost.tail)
    overlap[:, rows] = overlap[rows].T
    touched[rows] = True
    return replace(state, turns=turns, on=on, off=off, overlap=overlap, touched=touched)


def clock(state: DayState, now: int) -> DayState:
    """What the clock alone tells: who should have come, or left, and has not, is expected at the median of what can
    still be."""
    turns, live = state.turns, state.config.live
    overdue = np.flatnonzero(~state.gone & (state.there & (state.off.min(axis=1) <= now) | (turns.sobt <= now)))
    late = np.flatnonzero(state.movable & ~state.landed & (turns.sibt < now))
    rows = np.union1d(overdue, late)
    if not len(rows):
        return state
    draws = generator(state.config.seed, "live", turns.day.isoformat(), str(now))
    sibt, sobt, on, off = turns.sibt.copy(), turns.sobt.copy(), state.on.copy(), state.off.copy()
    stay = np.minimum(sobt - sibt, live.least_stay)
    for turn in late:
        on[turn] = given_so_far(on[turn], now - 1, draws)
        sibt[turn] = max(now, middle(on[turn]))
        sobt[turn] = max(sobt[turn], sibt[turn] + stay[turn])
    for turn in rows:
        off[turn] = np.maximum(given_so_far(off[turn], now, draws), on[turn] + 1)
        if sobt[turn] <= now:
            sobt[turn] = max(now + 1, middle(off[turn]))
    return with_times(state, sibt, sobt, on, off, rows)


def problem_now(state: DayState, now: int, priced: bool = True) -> Problem:
    """What is left to plan: a change of stand costs more the later it comes, and the frozen window is a rule.

    priced: else a change costs nothing and no window is frozen.

    An overlap is forbidden when it is longer than `live.wait`: for less, an aircraft waits for its stand.
    """
    turns, live, plan = state.turns, state.config.live, state.plan
    known = state.movable & (plan != UNASSIGNED)
    held = np.where(known & (turns.sibt - now <= live.frozen), plan, UNASSIGNED) if priced else None
    config = state.config
    problem = build_problem(turns, state.airport, config.cost, state.overlap, config.rules, config.tow, held)
    price = priced * np.interp(turns.sibt - now, live.change_lead, live.change_cost)
    elsewhere = np.arange(problem.n_stands)[None, :] != plan[:, None]
    change = np.rint(price * SCALE).astype(np.int64)[:, None] * (elsewhere & known[:, None])
    shared = np.minimum(turns.sobt[:, None], turns.sobt) - np.maximum(turns.sibt[:, None], turns.sibt)
    overlaps = shared > live.wait
    np.fill_diagonal(overlaps, False)
    return replace(
        problem,
        allowed=problem.allowed & ~state.closed[None, :] | (state.there[:, None] & ~elsewhere),
        static=problem.static + change,
        overlaps=overlaps,
    )
