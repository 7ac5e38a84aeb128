"""The live day beside its peers on the very same events: no re-planning, solving afresh, and stands fixed at T-2 h."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.learning.beliefs import sampled
from demos.stands.live.afresh import every, solve_afresh
from demos.stands.live.day import LiveDay, Moved, Wait, keep, run_day
from demos.stands.live.journal import header_of, open_journal, require_same
from demos.stands.live.replan import replan
from demos.stands.live.state import DayState, first_state
from demos.stands.live.stream import events_of_the_day, known_before
from demos.stands.plan import ON_THE_DAY, DayJob, mend_learned, optimise, orders_of, problem_for, risk_of, stays_of
from demos.stands.problem import UNASSIGNED
from demos.stands.replay import Conflict, conflicts
from demos.stands.rules.ranks import FROZEN, Broken, lowest_first
from demos.stands.turns import Turns, real_occupation
from demos.stands.verify import as_clock, broken_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIVE = "re-planned after each event"
USUAL = "re-planned after each event, climatology alone"
KEPT = "plan of the day before, kept"
AFRESH = "solved afresh"
MENDED = f"{ON_THE_DAY}, kept"
WAYS = (LIVE, USUAL, KEPT, AFRESH, MENDED)


@dataclass(frozen=True)
class LiveJob:
    """A day to be lived in one way. journal: where the decisions of `LIVE` are kept."""

    job: DayJob
    way: str
    journal: Path


@dataclass(frozen=True)
class Followed:
    """What became of one way to decide, by decision: moved, the changes; open, turns that could still move; seconds.

    before, used: (n,) stands when the day began, and as aircraft were on them; stranded: turns that flew and never had
    a stand; remote: passengers [seats] at remote stands, or at none; broken: the rules that did not hold on the day,
    lowest rank first; resumed: events the journal had decided already.
    """

    before: NDArray[np.int64]
    used: NDArray[np.int64]
    moved: tuple[tuple[Moved, ...], ...]
    open: tuple[int, ...]
    seconds: tuple[float, ...]
    waits: tuple[Wait, ...]
    met: tuple[Conflict, ...]
    stranded: int
    remote: int
    broken: tuple[Broken, ...]
    resumed: int

    @property
    def changes(self) -> int:
        """Stands changed over the day."""
        return sum(map(len, self.moved))

    @property
    def minutes(self) -> float:
        """Conflict minutes of the stands as they were used, or waited for."""
        return sum(one.end - one.start for one in self.met)


@dataclass(frozen=True)
class Lived:
    """One day in every way. passengers: seats of the turns that flew."""

    turns: Turns
    ways: dict[str, Followed]
    passengers: int


def live_day(todo: LiveJob) -> Followed:
    """Plan the day before, then live the day. Raises UserError when the journal is of another day."""
    job, step = todo.job, 1
    if todo.way == USUAL:
        job = replace(job, day_ahead=job.climatology, on_the_day=job.climatology, learned_later=())
    problem = problem_for(job, job.config.cost, risk_of(job, job.day_ahead))
    _, plan, _ = optimise(job, problem)
    if todo.way == MENDED:
        plan = mend_learned(job, problem, plan)
    events = events_of_the_day(job)
    state = state_before(job, plan, events[0].at)
    resumed = 0
    if todo.way == LIVE:
        with open_journal(todo.journal, header_of(job.turns, job.config, plan)) as journal:
            require_same(todo.journal, journal.entries, events)
            resumed = len(journal.entries)
            day = run_day(state, events, replanned, journal)
    elif todo.way == AFRESH:
        step = job.config.live.afresh_every
        day = run_day(state, events, every(step, solve_afresh))
    elif todo.way == USUAL:
        day = run_day(state, events, replanned)
    else:
        day = run_day(state, events, keep)
    return _followed(job, state, day, step, resumed)


def lived(job: DayJob, ways: dict[str, Followed]) -> Lived:
    """A day's ways together."""
    flew = ~np.isnan(real_occupation(job.turns, job.config.turn)[1])
    return Lived(job.turns, ways, int(job.turns.seats[flew].sum()))


def state_before(job: DayJob, plan: NDArray[np.int64], first: int) -> DayState:
    """The day before its first event, at minute `first`, with what is forecast by then."""
    return first_state(job.turns, job.airport, job.config, sampled(job, known_before(job, first)), plan)


def replanned(state: DayState, now: int) -> DayState:
    """`replan` as a way to decide."""
    return replan(state, now).state


def _followed(job: DayJob, before: DayState, day: LiveDay, step: int, resumed: int) -> Followed:
    on_block, off_block = real_occupation(job.turns, job.config.turn)
    flew = ~np.isnan(off_block)
    used = day.state.plan.copy()
    used[[wait.turn for wait in day.waits if wait.left]] = UNASSIGNED
    contact = np.array([stand.contact for stand in job.airport.stands])
    at_gate = (used != UNASSIGNED) & contact[used]
    return Followed(
        before.plan, used, day.moved[::step], day.open[::step], day.seconds[::step], day.waits,
        # Who waits for its stand until it leaves counts with these minutes, as if it had been there.
        tuple(conflicts(job.turns, job.airport, day.state.plan, on_block, off_block)),
        int((flew & (used == UNASSIGNED)).sum()), int(job.turns.seats[flew & ~at_gate].sum()),
        tuple(broken_on_the_day(day, used, np.flatnonzero(flew))), resumed,
    )  # fmt: skip


def broken_on_the_day(day: LiveDay, used: NDArray[np.int64], flew: NDArray[np.int64]) -> list[Broken]:
    """The rules that did not hold for the turns (rows) that flew, on the stands (n,) they had, when they were there."""
    state, turns = day.state, day.state.turns
    names = [stand.id for stand in state.airport.stands]
    flights = turns.table["flight"].to_numpy(str)
    late = [
        Broken(FROZEN, f"{flights[one.turn]} {_leaves(one, names)}, {max(one.lead, 0)} min before on-block")
        for event in day.moved
        for one in event
        if one.lead <= state.config.live.frozen and one.before != UNASSIGNED
    ]
    stays, orders = stays_of(turns, flew), orders_of(turns, state.config)
    place = {int(turn): index for index, turn in enumerate(flew)}
    links = [(place[one], place[two]) for one, two in orders.links if one in place and two in place]
    stands = [None if at == UNASSIGNED else names[at] for at in used[flew]]
    return lowest_first([*late, *broken_rules(stays, state.airport, stands, replace(orders, links=links))])


def _leaves(one: Moved, names: list[str]) -> str:
    if one.after == UNASSIGNED:
        return f"loses {names[one.before]} at {as_clock(one.at)}"
    return f"moves from {names[one.before]} to {names[one.after]} at {as_clock(one.at)}"
