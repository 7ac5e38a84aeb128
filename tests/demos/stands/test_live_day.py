"""The live day: events in order and none early, a loop that waits for taken stands, a journal that survives a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from demos.stands.config import StandsConfig
from demos.stands.live import day, journal, stream
from demos.stands.live.afresh import every, solve_afresh
from demos.stands.live.day import LiveDay, Wait, keep, run_day
from demos.stands.live.events import Cancelled, Closed, Event, Forecast, OffBlock, OnBlock, Reopened, apply
from demos.stands.live.journal import header_of, open_journal, require_same
from demos.stands.live.measure import replanned
from demos.stands.live.state import DayState, first_state
from demos.stands.plan import DayJob
from demos.stands.problem import UNASSIGNED
from demos.stands.turns import real_occupation
from shared.errors import UserError
from tests.conftest import ROOT
from tests.demos.stands.conftest import make_airport, make_turns, stands_config
from tests.demos.stands.test_live import made_up_day, quiet

LEVELS = (0.1, 0.5, 0.9)
SMALL = {"delay": {"levels": LEVELS, "scenarios": 50}, "search": {"rounds": 1, "matchings": 5, "parts": False}}


def made_up_job(seed: int = 0, turns: int = 14, **live: object) -> DayJob:
    """A crowded morning on five stands; departures up to an hour late, the third cancelled."""
    draws = np.random.default_rng(seed)
    config = stands_config(live=live, **SMALL)  # type: ignore[arg-type]
    on = np.sort(draws.integers(600, 600 + 8 * turns, turns))
    late: list[float | None] = [float(minutes) for minutes in draws.integers(-4, 60, turns)]
    late[2] = None
    day = make_turns([(int(start), int(start) + 50) for start in on], delay=late)
    early, fresh = np.tile([-3.0, 2.0, 40.0], (turns, 1)), np.tile([0.0, 12.0, 30.0], (turns, 1))
    decided = stream.midnight_of(day) + day.sobt - 120
    airport = make_airport("A1 C, A2 D, A3 C, B1 C, R1 D", [("A2", "A3", "D")])
    return DayJob(day, airport, config, early, early, fresh, decided)


def before(job: DayJob) -> DayState:
    """Planned by turns over the stands."""
    delays = np.tile(np.linspace(0, 40, 50), (len(job.turns), 1))
    return first_state(job.turns, job.airport, job.config, delays, np.arange(len(job.turns)) % 5)


def test_the_day_is_told_in_order_and_once() -> None:
    job = made_up_job(closures={"A1": "10:30-12:00"})
    events = stream.events_of_the_day(job)
    assert [event.at for event in events] == sorted(event.at for event in events)
    on_block, off_block = real_occupation(job.turns, job.config.turn)
    come = {event.turn: event.at for event in events if isinstance(event, OnBlock)}
    left = {event.turn: event.at for event in events if isinstance(event, OffBlock)}
    flew = np.flatnonzero(~np.isnan(off_block)).tolist()
    assert sorted(come) == sorted(left) == flew
    assert all(abs(come[turn] - on_block[turn]) <= 0.5 and left[turn] == off_block[turn] for turn in flew)
    cancelled = [event for event in events if isinstance(event, Cancelled)]
    assert [(event.turn, event.at) for event in cancelled] == [
        (turn, job.turns.sobt[turn]) for turn in range(14) if turn not in flew
    ]
    assert [event for event in events if isinstance(event, Closed | Reopened)] == [
        Closed(630, "A1"),
        Reopened(720, "A1"),
    ]


@pytest.mark.parametrize("now", [500, 640, 700, 800])
def test_nothing_is_known_before_it_happens(now: int) -> None:
    """What happens later may be anything: the events until now stay as they are."""
    job = made_up_job()
    on_block, off_block = real_occupation(job.turns, job.config.turn)
    later = ~(off_block <= now)
    # Whoever has come by now has come, as far as is known; whoever leaves later may leave much later.
    table = job.turns.table.copy()
    table["aibt"] = [
        stream.pd.Timestamp(job.turns.day) + stream.pd.Timedelta(minutes=minute if minute <= now else now + 300)
        if not np.isnan(minute)
        else stream.pd.NaT
        for minute in on_block
    ]
    moved = table["atd"].notna() & later
    table.loc[moved, "atd"] = stream.pd.Timestamp(job.turns.day) + stream.pd.Timedelta(minutes=now + 600)
    changed = replace(job, turns=replace(job.turns, table=table))

    def until_now(one: DayJob) -> list[Event]:
        return [
            event for event in stream.events_of_the_day(one) if event.at <= now and not isinstance(event, Cancelled)
        ]

    assert until_now(changed) == until_now(job)


def test_forecasts_come_when_they_are_made_and_not_after_an_aircraft_has_come() -> None:
    job = made_up_job()
    events = stream.events_of_the_day(job)
    issued = job.decided_at - stream.midnight_of(job.turns)
    made = {event.turn: event for event in events if isinstance(event, Forecast)}
    assert {turn: event.at for turn, event in made.items()} == dict(enumerate(issued.tolist()))
    assert made[0].delays == (0.0, 12.0, 30.0)
    late = replace(job, decided_at=job.decided_at + 200)
    assert not any(isinstance(event, Forecast) and event.turn == 0 for event in stream.events_of_the_day(late))


def test_before_its_own_day_ahead_a_turn_has_climatology() -> None:
    job = replace(made_up_job(), climatology=np.full((14, 3), 7.0))
    first = int(job.turns.sobt[3]) - 24 * 60
    assert (stream.known_before(job, first)[:, 0] == np.where(job.turns.sobt <= job.turns.sobt[3], -3.0, 7.0)).all()


def test_a_fresh_forecast_is_where_a_turn_is_expected() -> None:
    job = made_up_job()
    state = apply(before(job), Forecast(400, 5, (20.0, 40.0, 60.0)))
    assert state.turns.sobt[5] == job.turns.sobt[5] + 40
    assert state.turns.sibt[5] == job.turns.sibt[5] + 16
    assert np.median(state.off[5]) == pytest.approx(job.turns.sobt[5] + 40, abs=1)
    assert np.array_equal(state.overlap, state.overlap.T)
    again = apply(state, Forecast(410, 5, (20.0, 40.0, 60.0)))
    assert again.turns.sobt[5] == state.turns.sobt[5]
    come = apply(apply(state, OnBlock(700, 5)), Forecast(701, 5, (40.0, 80.0, 120.0)))
    assert come.turns.sibt[5] == 700
    assert come.turns.sobt[5] == job.turns.sobt[5] + 80
    with pytest.raises(UserError, match="is forecast, and has left"):
        apply(apply(come, OffBlock(900, 5)), Forecast(901, 5, (20.0, 40.0, 60.0)))


def test_forecasts_made_anew_are_of_those_who_have_not_left() -> None:
    job = made_up_job()
    moment = stream.midnight_of(job.turns) + int(job.turns.sobt[4]) + 10
    quantiles = np.tile([15.0, 25.0, 40.0], (14, 1))
    quantiles[6] = np.nan
    later = ((np.full(14, moment), quantiles),)
    events = [
        event for event in stream.events_of_the_day(replace(job, learned_later=later)) if isinstance(event, Forecast)
    ]
    at = int(job.turns.sobt[4]) + 10
    again = {event.turn for event in events if event.at == at and event.delays == (15.0, 25.0, 40.0)}
    _, off_block = real_occupation(job.turns, job.config.turn)
    assert again == {turn for turn in range(14) if turn != 6 and off_block[turn] > at and job.decided_at[turn] < moment}


def test_an_unknown_stand_to_close_is_one_line() -> None:
    job = made_up_job(closures={"A9": "10:30-12:00"})
    with pytest.raises(UserError, match="no stand 'A9' in Testing"):
        stream.check_closures(job.airport, job.config)


def test_who_finds_a_stand_taken_waits_until_it_is_left() -> None:
    state = quiet([0, 0], [(600, 660), (640, 700)], "A1 C")
    events: list[Event] = [OnBlock(600, 0), OnBlock(640, 1), OffBlock(665, 0), OffBlock(701, 1)]
    found = run_day(state, events, keep)
    assert found.waits == (Wait(1, 640, 665),)
    assert found.state.gone.all()
    assert found.moved == ((), (), (), ())


def test_who_leaves_while_it_waits_never_had_its_stand() -> None:
    state = quiet([0, 0], [(600, 660), (640, 700)], "A1 C")
    events: list[Event] = [OnBlock(600, 0), OnBlock(640, 1), OffBlock(690, 1), OffBlock(695, 0)]
    found = run_day(state, events, keep)
    assert found.waits == (Wait(1, 640, 690, left=True),)
    assert not found.state.landed.any()


def test_re_planning_sends_elsewhere_who_would_wait() -> None:
    state = quiet([0, 0], [(600, 660), (640, 700)], "A1 C, A2 C")
    events: list[Event] = [OnBlock(600, 0), OnBlock(640, 1), OffBlock(665, 0), OffBlock(701, 1)]
    found = run_day(state, events, replanned)
    assert found.waits == ()
    assert [(one.turn, one.before, one.after) for event in found.moved for one in event] == [(1, 0, 1)]


def test_solving_afresh_leaves_those_on_block_and_changes_more() -> None:
    job = made_up_job(3)
    state, events = before(job), stream.events_of_the_day(job)
    ours, fresh = run_day(state, events, replanned), run_day(state, events, every(2, solve_afresh))
    assert sum(map(len, fresh.moved[1::2])) == 0
    assert sum(map(len, fresh.moved)) > sum(map(len, ours.moved)) > 0
    for decide in (replanned, solve_afresh):
        now = state
        for event in events[:20]:
            now = apply(now, event)
            after = decide(now, event.at)
            assert np.array_equal(after.plan[~now.movable], now.plan[~now.movable])
            now = after


def written(job: DayJob, path: Path) -> LiveDay:
    state, events = before(job), stream.events_of_the_day(job)
    with open_journal(path, header_of(job.turns, job.config, state.plan)) as book:
        require_same(path, book.entries, events)
        return run_day(state, events, replanned, book)


def decided(path: Path) -> list[object]:
    """All but how long it took."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line.get("event"), line.get("changes")) for line in lines]


def test_a_journal_that_is_cut_anywhere_is_taken_up_without_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut after each line, and within each line in several places: whole lines are kept and not decided again."""
    job, path = made_up_job(1, turns=6), tmp_path / "whole.jsonl"
    whole = written(job, path)
    assert sum(map(len, whole.moved)) > 0
    data, cut = path.read_bytes(), tmp_path / "cut.jsonl"
    ends = [0, *(at + 1 for at, byte in enumerate(data) if byte == ord("\n"))]
    asked = []
    monkeypatch.setattr(day, "as_record", lambda event: asked.append(event) or journal.as_record(event))
    for start, end in zip(ends, [*ends[1:], ends[-1] + 1], strict=True):
        for length in {start, start + 1, (start + end) // 2, end - 1}:
            cut.write_bytes(data[:length])
            asked.clear()
            found = written(job, cut)
            kept = data[:length].count(b"\n")
            assert len(asked) == len(whole.moved) - max(kept - 1, 0)
            assert np.array_equal(found.state.plan, whole.state.plan)
            assert found.moved == whole.moved
            assert found.waits == whole.waits
            assert decided(cut) == decided(path)


def test_every_byte_of_the_last_line_counts(tmp_path: Path) -> None:
    """A line that is cut or changed anywhere is no line: nothing of it is believed."""
    job, path = made_up_job(1, turns=4), tmp_path / "book.jsonl"
    written(job, path)
    data, header = path.read_bytes(), header_of(job.turns, job.config, before(job).plan)
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for at in range(last, len(data)):
        for torn in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            path.write_bytes(torn)
            with open_journal(path, header) as book:
                assert len(book.entries) == data.count(b"\n") - 2
            assert path.read_bytes() == data[:last]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 5}, "the journal is of another config, seed"),
        ({"live": {"horizon": 30}}, "the journal is of another config"),
    ],
)
def test_a_journal_that_does_not_fit_is_one_line(change: dict[str, object], text: str, tmp_path: Path) -> None:
    job = made_up_job(turns=4)
    written(job, tmp_path / "book.jsonl")
    other = StandsConfig.model_validate({**SMALL, **change})
    with pytest.raises(UserError, match=text):
        written(replace(job, config=other), tmp_path / "book.jsonl")


def test_where_a_journal_lies_and_what_is_measured_beside_it_are_free(tmp_path: Path) -> None:
    job = made_up_job(turns=4)
    written(job, tmp_path / "book.jsonl")
    written(made_up_job(turns=4, afresh_every=3, journal=tmp_path / "x"), tmp_path / "book.jsonl")


def test_other_events_and_a_damaged_middle_are_one_line(tmp_path: Path) -> None:
    job, path = made_up_job(turns=4), tmp_path / "book.jsonl"
    written(job, path)
    data = path.read_bytes()
    later = replace(job, decided_at=job.decided_at + 7)
    with pytest.raises(UserError, match=r"line 2 is .* and the day has"):
        written(later, path)
    path.write_bytes(data.replace(b'"at"', b'"ta"', 2))
    with pytest.raises(UserError, match="line 2 is damaged, and more lines follow"):
        written(job, path)
    with pytest.raises(UserError, match="the journal cannot be written"):
        written(job, tmp_path)


def test_no_two_runs_write_one_journal(tmp_path: Path) -> None:
    job, path = made_up_job(turns=4), tmp_path / "book.jsonl"
    with (
        open_journal(path, header_of(job.turns, job.config, before(job).plan)),
        pytest.raises(UserError, match="another run"),
    ):
        written(job, path)


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("one line\n")
    with pytest.raises(UserError, match="is no journal of this day, and is left alone"):
        written(made_up_job(turns=4), path)
    assert path.read_text() == "one line\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from demos.stands.live import day
from tests.demos.stands import test_live_day as tests

job, path, lines = tests.made_up_job(1, turns=6), Path(sys.argv[1]), int(sys.argv[2])
record = day.as_record
def die(event):
    if path.read_bytes().count(b"\\n") > lines:
        os.kill(os.getpid(), signal.SIGKILL)
    return record(event)
day.as_record = die
tests.written(job, path)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_process_killed_in_mid_day_loses_nothing(tmp_path: Path) -> None:
    job, whole = made_up_job(1, turns=6), written(made_up_job(1, turns=6), tmp_path / "whole.jsonl")
    path = tmp_path / "killed.jsonl"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), "9"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_bytes().count(b"\n") == 10
    found = written(job, path)
    assert np.array_equal(found.state.plan, whole.state.plan)
    assert found.moved == whole.moved
    assert decided(path) == decided(tmp_path / "whole.jsonl")


def test_a_day_is_over_when_everybody_has_left() -> None:
    state = made_up_day(2)
    events: list[Event] = [Cancelled(500, turn) for turn in range(len(state.turns))]
    found = run_day(state, events, replanned)
    assert (found.state.plan == UNASSIGNED).all()
    assert found.open[-1] == 0
