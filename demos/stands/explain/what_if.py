"""What if a stand is closed, or a flight late: the plan after few changes, beside the plan before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport, closed_minutes
from demos.stands.config import LiveConfig
from demos.stands.learning.beliefs import sampled
from demos.stands.live.replan import Change, replan
from demos.stands.live.state import expect, first_state
from demos.stands.live.stream import as_closure
from demos.stands.plan import DayJob, problem_for, risk_of
from demos.stands.problem import UNASSIGNED, Problem, build_problem, plan_cost
from demos.stands.report.gantt import CHANGED, CONFLICT, PLANNED, hour_axis, stand_axis
from demos.stands.rules.ranks import Broken
from shared.errors import UserError
from shared.names import did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.turns import Turns

CLOSE = re.compile(r"(?P<stand>.+)@(?P<hours>([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)")
LATE = re.compile(r"(?P<flight>.+)\+(?P<minutes>\d{1,4})")
# Every turn of the day counts as one that comes soon.
WHOLE_DAY = 2880


@dataclass(frozen=True)
class Planned:
    """A plan (n,), what it is judged by, and its cost [1/100 min]."""

    problem: Problem
    plan: NDArray[np.int64]

    @property
    def cost(self) -> int:
        """What the whole plan costs [1/100 min]."""
        return plan_cost(self.problem, self.plan)


@dataclass(frozen=True)
class Outcome:
    """What follows: the plan after, who changed stands, and the rules that could not hold."""

    after: Planned
    changes: list[Change]
    broken: list[Broken]


def planned(job: DayJob, plan: NDArray[np.int64]) -> Planned:
    """A plan of the day before with the problem that it was made for."""
    return Planned(problem_for(job, job.config.cost, risk_of(job, job.day_ahead)), plan)


def what_if(job: DayJob, plan: NDArray[np.int64], closures: Mapping[str, str], late: Mapping[str, int]) -> Outcome:
    """Close stands {"C71": "14:00-18:00"} and delay flights {"UA1564": minutes}, on-block and off-block alike.

    Known so early that each change costs least. Raises UserError for an unknown stand or flight.
    """
    airport, live = with_closures(job.airport, closures), job.config.live
    patient = LiveConfig.model_validate({**live.model_dump(), "horizon": WHOLE_DAY, "most_share": 1.0})
    config = job.config.model_copy(update={"live": patient})
    state = first_state(job.turns, airport, config, sampled(job, job.day_ahead), plan)
    for flight, minutes in late.items():
        for turn in rows_of(job.turns, flight):
            on_block, off_block = int(state.turns.sibt[turn]) + minutes, int(state.turns.sobt[turn]) + minutes
            state = expect(state, turn, on_block=on_block, off_block=off_block)
    found = replan(state, int(job.turns.sibt.min()) - live.change_lead[-1])
    known = found.state
    problem = build_problem(known.turns, airport, config.cost, known.overlap, config.rules, config.tow)
    return Outcome(Planned(problem, known.plan), found.changes, found.broken)


def with_closures(airport: Airport, closures: Mapping[str, str]) -> Airport:
    """The airport with more closures. Raises UserError for a stand that is not there."""
    known = [stand.id for stand in airport.stands]
    for stand in closures:
        if stand not in known:
            raise UserError(f"no stand {stand!r} in {airport.name}{did_you_mean(stand, known)}")
    more = tuple(as_closure(stand, hours) for stand, hours in closures.items())
    return airport.model_copy(update={"closures": (*airport.closures, *more)})


def rows_of(turns: Turns, flight: str) -> list[int]:
    """The turns of a flight, several where its stay is in parts. Raises UserError when there is none."""
    flights = turns.table["flight"].astype(str).tolist()
    found = [row for row, name in enumerate(flights) if name == flight]
    if not found:
        raise UserError(f"no flight {flight!r} on {turns.day}{did_you_mean(flight, flights)}")
    return found


def read_closures(texts: Sequence[str]) -> dict[str, str]:
    """{"C71": "14:00-18:00"} from ["C71@14:00-18:00"]. Raises UserError for anything else."""
    found = {}
    for text in texts:
        match = CLOSE.fullmatch(text)
        if not match or match["hours"][:5] == match["hours"][6:]:
            raise UserError(f"--close {text!r}: give STAND@HH:MM-HH:MM, as in C71@14:00-18:00")
        found[match["stand"]] = match["hours"]
    return found


def read_delays(texts: Sequence[str]) -> dict[str, int]:
    """{"UA1564": 60} from ["UA1564+60"]. Raises UserError for anything else."""
    found = {}
    for text in texts:
        match = LATE.fullmatch(text)
        if not match:
            raise UserError(f"--delay {text!r}: give FLIGHT+MINUTES, as in UA1564+60")
        found[match["flight"]] = int(match["minutes"])
    return found


def draw(before: Planned, outcome: Outcome, file: Path, title: str) -> None:
    """Both plans, one above the other, as a PNG; the turns that changed are orange, and named."""
    from matplotlib import pyplot, rc_context

    from shared.style import matplotlib_style

    moved = {change.turn for change in outcome.changes}
    stands = len(before.problem.airport.stands)
    with rc_context(matplotlib_style()):
        figure, both = pyplot.subplots(2, 1, figsize=(12, 0.38 * stands + 2))
        for axes, one, name in zip(both, (before, outcome.after), ("before", "after"), strict=True):
            turns = one.problem.turns
            stand_axis(axes, one.problem.airport)
            hour_axis(axes, turns, float(turns.sobt.max()))
            for turn in np.flatnonzero(one.plan != UNASSIGNED).tolist():
                colour = CHANGED if turn in moved else PLANNED
                on, stay = turns.sibt[turn], turns.sobt[turn] - turns.sibt[turn]
                axes.barh(one.plan[turn], stay, left=on, height=0.86, color=colour, edgecolor="white", linewidth=0.4)
                if turn in moved:
                    axes.text(
                        on + stay / 2,
                        one.plan[turn],
                        turns.table["flight"].iloc[turn],
                        fontsize=6,
                        ha="center",
                        va="center",
                    )
            for closure in one.problem.airport.closures:
                start, end = closed_minutes(closure, turns.day_start)
                stand = [known.id for known in one.problem.airport.stands].index(closure.stand)
                axes.barh(stand, end - start, left=start, height=0.86, color="none", edgecolor=CONFLICT, hatch="////")
            axes.set_title(f"{title}: {name}, cost {one.cost / 100:,.1f} min")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=144)
        pyplot.close(figure)
