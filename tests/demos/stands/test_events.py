"""What each event changes in what is known of a running day, and what it must leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from demos.stands.config import TowConfig
from demos.stands.live.events import (
    Cancelled,
    Closed,
    Estimate,
    Event,
    Forecast,
    Locked,
    OffBlock,
    OnBlock,
    Reopened,
    Swap,
    apply,
)
from demos.stands.live.state import DayState, clock, first_state, problem_now
from demos.stands.problem import UNASSIGNED
from demos.stands.rules.tows import split_long_stays
from shared.errors import UserError
from tests.demos.stands.conftest import make_airport, make_turns, stands_config

AIRPORT = make_airport("A1 C, A2 D, B1 C, R1 E", shadows=[("A2", "B1", "D")])
CONFIG = stands_config(turn={"inbound_share": 0.0})


def morning() -> DayState:
    """A C and then a B on A1, a D on A2 that shadows B1, a C on R1, and a C without a stand; 5 and 25 min late."""
    turns = make_turns(
        [(600, 660), (610, 670), (620, 700), (680, 740), (690, 750)], "CDCBC", seats=[150, 200, 160, 50, 120]
    )
    delays = np.tile([5.0, 25.0], (5, 1))
    return first_state(turns, AIRPORT, CONFIG, delays, np.array([0, 1, 3, 0, UNASSIGNED]))


def after(*events: Event) -> DayState:
    state = morning()
    for event in events:
        state = apply(state, event)
    return state


def test_the_day_before_it_begins() -> None:
    state = morning()
    assert state.movable.all()
    assert state.on[0].tolist() == [600, 600]
    assert state.off[0].tolist() == [665, 685]
    # Late by 25 the first still stands there when the fourth comes at 680, in one of two scenarios.
    assert state.overlap[0, 3] == 2.5


def test_on_block_is_known_and_cannot_move() -> None:
    state = after(OnBlock(604, 0))
    assert (state.there[0], state.movable[0], state.landed[0]) == (True, False, False)
    assert state.turns.sibt[0] == 604
    assert state.on[0].tolist() == [604, 604]
    assert state.off[0].tolist() == [665, 685]
    assert np.flatnonzero(state.touched).tolist() == [0]


def test_who_comes_late_leaves_late() -> None:
    """At least half an hour after on-block; all its samples move along."""
    state = after(Estimate(590, 0, on_block=650))
    assert (state.turns.sibt[0], state.turns.sobt[0]) == (650, 680)
    assert state.off[0].tolist() == [685, 705]
    assert state.on[0].tolist() == [650, 650]
    assert state.overlap[0, 3] == 15.0


def test_a_new_off_block_estimate_moves_the_samples() -> None:
    state = after(OnBlock(600, 0), Estimate(640, 0, off_block=690))
    assert (state.turns.sobt[0], state.off[0].tolist()) == (690, [695, 715])
    assert state.overlap[0, 3] == state.overlap[3, 0] == 25.0


def test_off_block_is_the_end_of_a_turn() -> None:
    state = after(OnBlock(600, 0), OffBlock(672, 0))
    assert (state.gone[0], state.there[0], state.movable[0]) == (True, False, False)
    assert (state.turns.sobt[0], state.off[0].tolist(), state.plan[0]) == (672, [672, 672], 0)
    assert state.overlap[0, 3] == 0


def test_a_cancelled_flight_needs_no_stand() -> None:
    state = after(Cancelled(500, 0))
    assert (state.plan[0], state.gone[0], state.touched[0]) == (UNASSIGNED, True, True)


def test_who_comes_early_to_a_taken_stand_waits() -> None:
    state = after(OnBlock(600, 0), OnBlock(655, 3))
    assert (state.there[3], state.landed[3], state.movable[3]) == (False, True, True)
    assert state.turns.sibt[3] == 655
    assert not problem_now(state, 655).overlaps[0, 3]
    assert problem_now(clock(state, 670), 670).overlaps[0, 3]
    freed = apply(apply(state, OffBlock(671, 0)), OnBlock(672, 3))
    assert (freed.there[3], freed.landed[3]) == (True, False)


def test_a_stand_in_a_shadow_is_taken_too() -> None:
    """The D on A2 shadows B1; a turn without a stand has none to come to."""
    moved = replace(morning(), plan=np.array([0, 1, 2, 0, UNASSIGNED]))
    state = apply(apply(moved, OnBlock(610, 1)), OnBlock(620, 2))
    assert (state.there[2], state.landed[2]) == (False, True)
    assert apply(moved, OnBlock(690, 4)).landed[4]


def test_who_comes_to_a_closed_stand_waits() -> None:
    state = after(Closed(590, "A1"), OnBlock(600, 0))
    assert (state.there[0], state.landed[0]) == (False, True)
    assert apply(apply(state, Reopened(610, "A1")), OnBlock(610, 0)).there[0]


def test_a_late_arrival_is_towed_late() -> None:
    """A stay in three parts: the aircraft comes 80 min late, is towed half an hour later, and departs on time."""
    tow = TowConfig(stays_over=180, arrive=60, depart=50)
    turns = split_long_stays(make_turns([(500, 900)]), tow)
    state = first_state(turns, AIRPORT, CONFIG, np.zeros((3, 2)), np.array([0, 3, 0]))
    state = apply(state, Estimate(490, 0, on_block=580))
    assert list(zip(state.turns.sibt.tolist(), state.turns.sobt.tolist(), strict=True)) == [
        (580, 610), (610, 850), (850, 900),
    ]  # fmt: skip
    assert state.on[1].tolist() == [610, 610]
    towed = apply(apply(apply(state, OnBlock(581, 0)), OffBlock(612, 0)), OnBlock(613, 1))
    assert towed.there.tolist() == [False, True, False]


def test_flights_change_aircraft_with_size_seats_and_arrival() -> None:
    state = after(Swap(500, 1, 3))
    assert state.turns.codes == list("CBCDC")
    assert state.turns.seats.tolist() == [150, 50, 160, 200, 120]
    assert state.turns.sibt.tolist() == [600, 680, 620, 610, 690]
    # The flight keeps its time if its aircraft comes early enough, and its stand as long as that is still in the air.
    assert state.turns.sobt.tolist() == [660, 710, 700, 740, 750]
    assert state.plan.tolist() == [0, 1, 3, 0, UNASSIGNED]
    assert not problem_now(state, 500).allowed[3, 0]


def test_flights_that_change_aircraft_leave_the_forecasts_of_others_alone() -> None:
    news = Forecast(510, 2, tuple(np.linspace(20, 80, len(CONFIG.delay.levels)).tolist()))
    before = after(news)
    found = after(news, Swap(520, 1, 3), replace(news, at=530))
    assert found.turns.sobt[2] == before.turns.sobt[2]
    assert np.array_equal(found.off[2], before.off[2])


def test_an_aircraft_on_block_stays_where_it_is_whatever_it_flies() -> None:
    state = after(OnBlock(610, 1), Swap(620, 1, 3))
    assert state.there.tolist() == [False, False, False, True, False]
    assert state.plan.tolist() == [0, 0, 3, 1, UNASSIGNED]


def test_a_closed_stand_is_closed_for_those_to_come() -> None:
    state = after(OnBlock(600, 0), Closed(610, "A1"))
    allowed = problem_now(state, 610).allowed
    assert allowed[:, 0].tolist() == [True, False, False, False, False]
    assert np.flatnonzero(state.touched & state.movable).tolist() == [3]
    assert problem_now(apply(state, Reopened(620, "A1")), 620).allowed[3, 0]


def test_a_wish_is_priced_from_now_on() -> None:
    before, state = problem_now(morning(), 500), after(Locked(500, 2, "B1"))
    problem = problem_now(state, 500)
    dearer = problem.static[2] - before.static[2]
    assert dearer[2] == 0
    assert (dearer[[0, 1, 3]] > 0).all()
    assert problem.unassigned > before.unassigned


def test_the_clock_delays_who_has_not_come_and_who_has_not_left() -> None:
    state = clock(after(OnBlock(600, 0)), 670)
    # One of its two samples is still possible.
    assert (state.off[0] == 685).all()
    assert state.turns.sobt[0] == 685
    assert state.turns.sibt[1] == max(670, np.rint(np.median(state.on[1])))
    assert state.turns.sobt[1] == state.turns.sibt[1] + 30
    assert (state.on[1] >= 670).all()
    assert (state.off[1] > state.on[1]).all()
    assert state.turns.sibt[3] == 680
    assert not clock(morning(), 500).touched.any()


def test_a_change_costs_more_the_later_it_comes_and_breaks_a_rule_at_the_end() -> None:
    state = morning()
    prices = [problem_now(state, now).static[2, 0] - problem_now(state, now).static[2, 1] for now in (100, 400, 595)]
    assert prices == [0, 0, 0]
    away = [int(problem_now(state, now).static[0, 1] - problem_now(state, now).static[0, 0]) for now in (100, 480, 595)]
    lead, price = CONFIG.live.change_lead, CONFIG.live.change_cost
    assert away[:2] == [int(np.rint(100 * np.interp(600 - now, lead, price))) for now in (100, 480)]
    assert away[2] == int(np.rint(100 * (np.interp(5, lead, price) + CONFIG.rules.price)))


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ((OffBlock(600, 0),), "turn 0, XX0, leaves, and was not on block"),
        ((OnBlock(600, 0), OnBlock(601, 0)), "turn 0, XX0, comes, and was there"),
        ((Cancelled(600, 1), Estimate(601, 1, 650)), "turn 1, XX1, is estimated, and has left"),
        ((OnBlock(600, 0), Estimate(601, 0, on_block=650)), "turn 0, XX0, is estimated, and is on block"),
        ((Cancelled(600, 1), Swap(601, 0, 1)), "turn 1, XX1, changes aircraft"),
        ((Cancelled(600, 1), Cancelled(601, 1)), "turn 1, XX1, is cancelled"),
        ((Closed(600, "A9"),), "no stand 'A9' in Testing"),
    ],
)
def test_an_event_that_cannot_be_is_one_line(events: tuple[Event, ...], text: str) -> None:
    with pytest.raises(UserError, match=text):
        after(*events)


def test_a_state_is_never_changed_in_place() -> None:
    state = morning()
    kept = [array.copy() for array in (state.plan, state.on, state.off, state.overlap, state.there, state.turns.sibt)]
    for event in (OnBlock(604, 0), Estimate(600, 1, 700), Cancelled(600, 2), Swap(600, 0, 1), Closed(600, "A1")):
        clock(apply(state, event), 900)
    now = (state.plan, state.on, state.off, state.overlap, state.there, state.turns.sibt)
    assert all(np.array_equal(one, two) for one, two in zip(kept, now, strict=True))
