"""What is thought of every turn's delay as the day goes on: samples, renewed as forecasts come and aircraft leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.learning.risk import given_so_far, sample_delays
from demos.stands.learning.states import minutes_since_1970
from demos.stands.turns import real_delays
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.plan import DayJob

Later = tuple[tuple["NDArray[np.int64]", "NDArray[np.float64]"], ...]
Belief = tuple[int, "NDArray[np.float64]", "NDArray[np.int64]"]


def sampled(job: DayJob, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, scenarios) delays [min]; a turn keeps its order of scenarios, whatever the forecast."""
    draws = generator(job.config.seed, "delays", job.turns.day.isoformat())
    return sample_delays(quantiles, job.config.delay.levels, job.config.delay.scenarios, draws)


def beliefs(
    job: DayJob, early: NDArray[np.float64], late: NDArray[np.float64], later: Later, draws: np.random.Generator
) -> Iterator[Belief]:
    """At each decision time: the time, samples (n, scenarios) of the delays [min], and the turns whose samples are new.

    A turn's forecast is replaced at its T-2 h, and again at each moment of `later` at which it has not left; in
    between, only what has really happened to it counts: that it has left, or that it has not left yet. Nothing is used
    before it is known: until its own T-24 h, a turn has the climatology's forecast.
    early, late: (n, k) quantiles [min] known at T-24 h and at `decided_at`; later: pairs of moments (n,), minutes since
    1970, and quantiles (n, k) known at them, NaN where a turn has left.
    """
    delays, ahead, fresh = sampled(job, job.climatology), sampled(job, early), sampled(job, late)
    anew = [(at, sampled(job, quantiles)) for at, quantiles in later]
    midnight = int(minutes_since_1970(pd.Series([pd.Timestamp(job.turns.day)]))[0])
    left, ahead_at = real_delays(job.turns), midnight + job.turns.sobt - 24 * 60
    before = job.decided_at.min(initial=np.iinfo(np.int64).max)
    issued = ahead_at <= before
    delays[issued] = ahead[issued]
    news, settled = np.ones(len(delays), dtype=bool), np.zeros(len(delays), dtype=bool)
    for now in np.unique(job.decided_at):
        new, due = ~issued & (ahead_at <= now), job.decided_at == now
        delays[new], delays[due] = ahead[new], fresh[due]
        issued |= new | due
        news |= new | due
        waited = now - midnight - job.turns.sobt
        gone = left <= waited
        waits = (job.decided_at < now) & ~settled
        for at, samples in anew:
            again = waits & ~gone & (before < at) & (at <= now)
            delays[again] = samples[again]
            news |= again
        news |= given_what_happened(delays, waits, np.where(gone, left, np.nan), waited, draws)
        settled |= waits & gone
        yield now, delays, np.flatnonzero(news)
        news[:], before = False, now


def given_what_happened(
    delays: NDArray[np.float64],
    waits: NDArray[np.bool_],
    left: NDArray[np.float64],
    waited: NDArray[np.int64],
    draws: np.random.Generator,
) -> NDArray[np.bool_]:
    """Change, in place, the samples (n, scenarios) of those in `waits` that have left after `left` minutes (NaN: they
    have not), or have waited longer than a sample. Returns (n,) whose samples changed.
    """
    changed = np.zeros(len(delays), dtype=bool)
    for turn in np.flatnonzero(waits):
        if not np.isnan(left[turn]):
            delays[turn] = left[turn]
        elif waited[turn] > delays[turn].min():
            delays[turn] = given_so_far(delays[turn], waited[turn], draws)
        else:
            continue
        changed[turn] = True
    return changed
