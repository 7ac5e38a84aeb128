"""What is thought of the delays as the day goes on: nothing before it is known, and what is known at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.learning.beliefs import beliefs, given_what_happened
from demos.stands.plan import DayJob, mend_learned
from demos.stands.turns import real_delays
from tests.demos.stands.conftest import FEW, MIDNIGHT
from tests.demos.stands.test_plan import START, made_up_day, starting, with_departures


def looked_at_anew(seed: int) -> DayJob:
    """The made-up day, with forecasts 45 min before and 15 min after the schedule for those that still wait."""
    job, draws = made_up_day(seed), np.random.default_rng(seed)
    left, later = real_delays(job.turns), []
    for lead in (-45, 15):
        at = (START + job.turns.sobt + lead) // 15 * 15
        quantiles = np.sort(draws.exponential(60, job.on_the_day.shape), axis=1) + max(lead, 0)
        gone = left <= at - START - job.turns.sobt
        later.append((at, np.where(gone[:, None], np.nan, quantiles)))
    return replace(job, learned_later=tuple(later))


def seen(job: DayJob) -> list[tuple[int, np.ndarray]]:
    draws = np.random.default_rng(0)
    found = beliefs(job, job.day_ahead, job.on_the_day, job.learned_later, draws)
    return [(now, delays.copy()) for now, delays, _ in found]


@FEW
@given(seed=st.integers(0, 10**6), at=st.floats(0, 1))
def test_what_happens_later_changes_no_belief_and_no_stand_before(seed: int, at: float) -> None:
    """Departures after a moment leave at other times after it, and what is forecast after it is something else."""
    job = looked_at_anew(seed)
    now = int(np.quantile(job.decided_at, at)) // 15 * 15
    moment, atd = MIDNIGHT + pd.Timedelta(minutes=now - START), job.turns.table["atd"]
    other = moment + pd.to_timedelta(np.random.default_rng(seed).integers(1, 400, len(atd)), unit="min")
    changed = with_departures(job, atd.mask(~(atd <= moment), pd.Series(other, atd.index)))
    changed = replace(
        changed,
        on_the_day=job.on_the_day + 90.0 * (job.decided_at > now)[:, None],
        learned_later=tuple((when, values + 90.0 * (when > now)[:, None]) for when, values in job.learned_later),
    )
    for (time, before), (_, after) in zip(seen(job), seen(changed), strict=True):
        if time <= now:
            assert np.array_equal(before, after)
    start, fixed = starting(job), job.decided_at <= now
    assert np.array_equal(mend_learned(job, *start)[fixed], mend_learned(changed, *start)[fixed])


@FEW
@given(seed=st.integers(0, 10**6))
def test_who_waits_is_believed_as_last_forecast_and_who_has_left_as_he_left(seed: int) -> None:
    job = looked_at_anew(seed)
    left = real_delays(job.turns)
    for now, delays in seen(job):
        waited = now - START - job.turns.sobt
        gone = (left <= waited) & (job.decided_at < now)
        assert (delays[gone] == left[gone, None]).all()
        waits = ~(left <= waited) & (job.decided_at < now)
        assert (delays[waits] > waited[waits, None]).all() or (delays[waits].min(axis=1) >= waited[waits]).all()
        assert not np.isnan(delays).any()


def test_a_new_forecast_takes_over_at_its_moment() -> None:
    job = looked_at_anew(1)
    at, values = job.learned_later[0]
    certain = replace(job, learned_later=((at, np.where(np.isnan(values), np.nan, 77.0)),))
    first = {turn: next((now for now, delays in seen(certain) if (delays[turn] == 77.0).all()), None)
             for turn in range(len(at))}  # fmt: skip
    times = np.unique(job.decided_at)
    for turn, now in first.items():
        due = times[(times >= at[turn]) & (times > job.decided_at[turn])]
        assert now in (None, *due[:1])
    assert sum(now is not None for now in first.values()) > 8


def test_only_samples_that_came_false_are_drawn_anew() -> None:
    delays = np.array([[0.0, 50.0], [5.0, 60.0], [20.0, 30.0]])
    changed = given_what_happened(
        delays, np.array([True, True, False]), np.array([np.nan, 12.0, 3.0]), np.array([10, 15, 100]),
        np.random.default_rng(0),
    )  # fmt: skip
    assert delays.tolist() == [[50, 50], [12, 12], [20, 30]]
    assert changed.tolist() == [True, True, False]
