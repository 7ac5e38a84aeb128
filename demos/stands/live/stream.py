"""A test day as the events that an operations centre would have had, in order of the clock, none before it happens.

Real: off-block. Reconstructed: on-block (by the rule of `TurnConfig`), when a cancellation was known
(`live.cancelled_lead`), the hours of fresh forecasts (those of `mend`). Made up: closures (`live.closures`). Nothing is
made of who is late and has not left: the clock alone tells that (`state.clock`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.airport import Airport, Closure, closed_minutes
from demos.stands.learning.states import minutes_since_1970
from demos.stands.live.events import Cancelled, Closed, Event, Forecast, OffBlock, OnBlock, Reopened
from demos.stands.turns import Turns, real_occupation
from shared.errors import UserError
from shared.names import did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from demos.stands.plan import DayJob

# At the same minute a stand is left before another aircraft comes to it.
ORDER: tuple[type[Event], ...] = (OffBlock, Cancelled, Reopened, Closed, Forecast, OnBlock)


def events_of_the_day(job: DayJob) -> list[Event]:
    """All that happens on one day. The same job gives the same events."""
    turns, live = job.turns, job.config.live
    on_block, off_block = real_occupation(turns, job.config.turn)
    issued = job.decided_at - midnight_of(turns)
    found: list[Event] = closures_of(live.closures, job.airport, turns.day_start)
    for turn in range(len(turns)):
        come = int(turns.sobt[turn]) - live.cancelled_lead
        if np.isnan(off_block[turn]):
            found.append(Cancelled(come, turn))
        else:
            come = int(np.rint(on_block[turn]))
            # Who leaves within the minute was there for one.
            found += [OnBlock(come, turn), OffBlock(max(int(np.rint(off_block[turn])), come + 1), turn)]
        if issued[turn] < come:
            delays = tuple(float(minutes) for minutes in job.on_the_day[turn])
            found.append(Forecast(int(issued[turn]), turn, delays))
    found += _forecasts_made_anew(job, off_block)
    return sorted(found, key=lambda event: (event.at, ORDER.index(type(event))))


def _forecasts_made_anew(job: DayJob, off_block: NDArray[np.float64]) -> list[Event]:
    """Of those that have not left at each later moment. off_block: (n,) minutes, NaN for a cancelled turn."""
    midnight, found = midnight_of(job.turns), list[Event]()
    for moments, quantiles in job.learned_later:
        at = moments - midnight
        waits = (at < off_block) & (moments > job.decided_at) & ~np.isnan(quantiles).any(axis=1)
        found += [
            Forecast(int(at[turn]), turn, tuple(quantiles[turn].tolist())) for turn in np.flatnonzero(waits).tolist()
        ]
    return found


def closures_of(closures: dict[str, str], airport: Airport, day_start: int) -> list[Event]:
    """Each stand closed and reopened, from {"C71": "14:00-18:00"}. Raises UserError for an unknown stand."""
    known = [stand.id for stand in airport.stands]
    found: list[Event] = []
    for stand, hours in closures.items():
        if stand not in known:
            raise UserError(f"closure: no stand {stand!r} in {airport.name}{did_you_mean(stand, known)}")
        start, end = closed_minutes(as_closure(stand, hours), day_start)
        found += [Closed(start, stand), Reopened(end, stand)]
    return found


def as_closure(stand: str, hours: str) -> Closure:
    """A closure from "14:00-18:00"."""
    start, end = hours.split("-")
    return Closure(stand=stand, start=start, end=end)


def midnight_of(turns: Turns) -> int:
    """The midnight that a day's minutes count from, in minutes since 1970."""
    return int(minutes_since_1970(pd.Series([pd.Timestamp(turns.day)]))[0])


def known_before(job: DayJob, first: int) -> NDArray[np.float64]:
    """(n, k) quantiles [min] known when the day begins, at minute `first`: of T-24 h, or climatology's until then."""
    issued = job.turns.sobt - 24 * 60 <= first
    return np.where(issued[:, None], job.day_ahead, job.climatology)


def check_closures(airport: Airport, config: StandsConfig) -> None:
    """Before anything is learned. Raises UserError for an unknown stand."""
    closures_of(config.live.closures, airport, 0)
