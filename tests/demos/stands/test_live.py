"""Re-planning a running day: physical rules hold after every event, who is on block stays, and little changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.stands.airport import shadow_pairs, size_rank
from demos.stands.config import CostConfig, StandsConfig
from demos.stands.live.events import Cancelled, Closed, Estimate, Event, OffBlock, OnBlock, Reopened, Swap, apply
from demos.stands.live.replan import Change, replan
from demos.stands.live.state import DayState, first_state
from demos.stands.problem import UNASSIGNED, blocked, build_problem, insertion_costs, plan_cost
from demos.stands.rules.tows import split_long_stays
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.relocate import relocate
from tests.demos.stands.conftest import FEW, MANY, make_airport, make_turns, random_problem, stands_config

TOW = {"stays_over": 45, "arrive": 12, "depart": 18, "minutes": 10, "tugs": 1}
FREE = {"most_share": 1.0}
PLAIN = stands_config(rules={"pushback": 5}, live=FREE)
TOWED = stands_config(rules={"pushback": 5}, tow=TOW, live=FREE)


def made_up_day(seed: int, config: StandsConfig = PLAIN, turns: int = 14) -> DayState:
    """A crowded morning on five stands, planned first come; with `TOWED`, every stay is in three parts."""
    draws = np.random.default_rng(seed)
    airport = make_airport("A1 C, A2 D, A3 C, B1 C, R1 D", [("A2", "A3", "D")], rows=[["A1", "A2", "A3"]])
    on = np.sort(draws.integers(600, 600 + 20 * turns, turns))
    codes = "".join(draws.choice(["B", "C", "D"], turns, p=[0.3, 0.5, 0.2]))
    day = split_long_stays(make_turns([(int(start), int(start) + 50) for start in on], codes), config.tow)
    delays = draws.exponential(25, (len(day), 40)) - 5
    state = first_state(day, airport, config, delays, np.full(len(day), UNASSIGNED))
    problem = build_problem(day, airport, config.cost, state.overlap, config.rules, config.tow)
    return first_state(day, airport, config, delays, greedy_cost(problem))


def what_happens(seed: int, state: DayState) -> list[Event]:
    """Late arrivals, long delays, a cancellation, a swap, and a closure of two hours."""
    draws, turns = np.random.default_rng(seed), len(state.turns)
    events: list[Event] = [Closed(640, "A1"), Reopened(760, "A1")]
    if not len(state.turns.links):
        events.append(Swap(560, 2, 3))
    lost = int(draws.integers(4, turns))
    events.append(Cancelled(570, lost))
    for turn in range(turns):
        come = int(state.turns.sibt[turn] + draws.integers(-25, 40))
        leave = max(come + 1, int(state.turns.sobt[turn] + draws.exponential(30)))
        if turn != lost:
            events += [Estimate(come - 30, turn, on_block=come), OnBlock(come, turn), OffBlock(leave, turn)]
    return sorted(events, key=lambda event: event.at)


def can_happen(state: DayState, event: Event) -> bool:
    """Not that an aircraft leaves, or is estimated, that waits or is still elsewhere."""
    if isinstance(event, OffBlock):
        return bool(state.there[event.turn])
    return not isinstance(event, OnBlock | Estimate) or bool(state.movable[event.turn])


def is_sound(state: DayState, now: int) -> bool:
    """By hand: who is on block or comes soon fits, is on no closed stand, and shares none for longer than a wait."""
    turns, plan, airport = state.turns, state.plan, state.airport
    here = np.flatnonzero(~state.gone & (plan != UNASSIGNED))
    pairs = {frozenset((one, two)): (one, a, b) for one, two, a, b in shadow_pairs(airport)}
    ranks = [size_rank(code) for code in turns.codes]
    live = state.config.live
    soon = state.movable & (turns.sibt - now <= live.horizon)
    for one in here.tolist():
        too_small = ranks[one] > size_rank(airport.stands[plan[one]].code)
        if soon[one] and (too_small or state.closed[plan[one]]):
            return False
        for two in here[here < one].tolist():
            meet = plan[one] == plan[two]
            if (pair := pairs.get(frozenset((int(plan[one]), int(plan[two]))))) and not meet:
                first, a, b = pair
                x, y = (one, two) if plan[one] == first else (two, one)
                meet = ranks[x] >= a or ranks[y] >= b
            shared = min(turns.sobt[one], turns.sobt[two]) - max(turns.sibt[one], turns.sibt[two])
            if meet and shared > live.wait and (soon[one] or soon[two]):
                return False
    return True


@settings(FEW, max_examples=10)
@given(seed=st.integers(0, 10**6), config=st.sampled_from([PLAIN, TOWED]))
def test_after_each_event_the_plan_is_sound_and_who_is_there_stays(seed: int, config: StandsConfig) -> None:
    state = made_up_day(seed, config)
    for event in what_happens(seed, state):
        if not can_happen(state, event):
            continue
        state = apply(state, event)
        found = replan(state, event.at)
        assert is_sound(found.state, event.at)
        fixed = ~state.movable
        assert np.array_equal(found.state.plan[fixed], state.plan[fixed])
        moved = np.flatnonzero(found.state.plan != state.plan)
        assert [change.turn for change in found.changes] == moved.tolist()
        assert not found.state.touched.any()
        state = found.state
        for turn in np.flatnonzero(state.landed & state.movable).tolist():
            state = apply(state, OnBlock(event.at, turn))


def test_the_same_events_give_the_same_plans() -> None:
    plans = []
    for _ in range(2):
        state = made_up_day(3)
        for event in what_happens(3, state)[:25]:
            if not can_happen(state, event):
                continue
            state = replan(apply(state, event), event.at).state
        plans.append(state.plan)
    assert np.array_equal(*plans)


def quiet(plan: list[int], stays: list[tuple[int, int]], stands: str = "A1 C, A2 C, R1 C", **more: object) -> DayState:
    turns = make_turns(stays)
    config = stands_config(turn={"inbound_share": 0.0}, live=FREE)
    return first_state(turns, make_airport(stands, **more), config, np.zeros((len(stays), 2)), np.array(plan))  # type: ignore[arg-type]


def test_a_stand_closed_in_mid_day_is_left_by_those_to_come_alone() -> None:
    state = quiet([0, 0, 0], [(600, 660), (700, 760), (1100, 1160)])
    state = apply(apply(state, OnBlock(600, 0)), Closed(620, "A1"))
    found = replan(state, 620)
    assert found.changes == [Change("XX1", 1, "A1", "A2", 80)]
    # The third comes in eight hours: until then the stand may be open again.
    assert found.state.plan.tolist() == [0, 1, 0]
    assert replan(apply(found.state, Cancelled(1000, 1)), 1000).changes == [Change("XX2", 2, "A1", "A2", 100)]


def test_nothing_changes_without_news_that_matters() -> None:
    state = quiet([0, 1, 0], [(600, 660), (610, 670), (700, 760)])
    assert replan(apply(state, OnBlock(600, 0)), 600).changes == []
    assert replan(apply(state, Estimate(590, 0, off_block=665)), 590).changes == []


def test_a_late_departure_sends_the_next_one_elsewhere() -> None:
    state = apply(quiet([0, 1, 0], [(600, 660), (610, 720), (700, 760)]), OnBlock(600, 0))
    found = replan(apply(state, Estimate(620, 0, off_block=730)), 620)
    assert [(change.flight, change.after) for change in found.changes] == [("XX2", "R1")]
    assert found.broken == []


def test_within_the_frozen_window_a_change_is_a_broken_rule() -> None:
    state = apply(quiet([0, 1, 0], [(600, 660), (610, 720), (700, 760)]), OnBlock(600, 0))
    found = replan(apply(state, Estimate(690, 0, off_block=730)), 690)
    assert [one.rule for one in found.broken] == ["frozen window"]
    assert found.broken[0].sentence == "XX2 moves from A1 to R1, too late"


def test_an_early_arrival_goes_elsewhere_when_its_stand_stays_taken() -> None:
    state = apply(quiet([0, 0], [(600, 660), (700, 760)]), OnBlock(600, 0))
    early = apply(state, OnBlock(630, 1))
    assert early.landed[1]
    found = replan(early, 630)
    assert [(change.before, change.after) for change in found.changes] == [("A1", "A2")]
    assert apply(found.state, OnBlock(632, 1)).there[1]


def test_when_no_stand_is_left_an_aircraft_waits_and_it_is_said() -> None:
    state = apply(quiet([0, 0], [(600, 660), (700, 760)], "A1 C"), OnBlock(600, 0))
    found = replan(apply(state, Estimate(690, 0, off_block=800)), 690)
    assert [(change.before, change.after) for change in found.changes] == [("A1", None)]
    assert [one.sentence for one in found.broken] == ["XX1 has no stand from 11:40 to 12:40"]
    left = replan(apply(found.state, OffBlock(705, 0)), 705)
    assert [(change.before, change.after) for change in left.changes] == [(None, "A1")]


def test_another_makes_room_for_who_fits_nowhere_else() -> None:
    """A D must leave the closed A2; A4 alone takes it, and the C there can go to A1."""
    turns = make_turns([(600, 660), (605, 665)], "DC")
    airport = make_airport("A1 C, A2 D, A4 D")
    state = first_state(turns, airport, stands_config(live=FREE), np.zeros((2, 2)), np.array([1, 2]))
    found = replan(apply(state, Closed(500, "A2")), 500)
    assert found.state.plan.tolist() == [2, 0]
    assert len(found.changes) == 2


@pytest.mark.parametrize(
    ("share", "moved"), [(0.0, ["XX0"]), (0.34, ["XX0"]), (0.67, ["XX0", "XX1"]), (1.0, ["XX0", "XX1", "XX2"])]
)
def test_no_more_stands_change_at_one_event_than_allowed_and_the_first_go_first(share: float, moved: list[str]) -> None:
    """Three stands are closed at once; whoever cannot move yet moves after the next event."""
    state = quiet([0, 1, 2], [(600, 660), (601, 661), (602, 662)], "A1 C, A2 C, A3 C, B1 C, B2 C, B3 C")
    few = state.config.live.model_copy(update={"most_share": share})
    state = replace(state, config=state.config.model_copy(update={"live": few}))
    for stand in ("A1", "A2", "A3"):
        state = apply(state, Closed(500, stand))
    found = replan(state, 500)
    assert [change.flight for change in found.changes] == moved
    left = found
    for _ in range(3):
        left = replan(left.state, 501)
    assert (left.state.plan > 2).all()


def test_a_cancellation_gives_the_contact_stand_to_who_gains_most() -> None:
    state = quiet([0, 2], [(900, 960), (905, 965)], "A1 C, A2 B, R1 C")
    assert [change.after for change in replan(apply(state, Cancelled(300, 0)), 300).changes] == ["A1"]
    # Half an hour ahead the change costs more than the bus.
    assert replan(apply(state, Cancelled(860, 0)), 860).changes == []


@MANY
@given(seed=st.integers(0, 10**6), turns=st.integers(2, 10), stands=st.integers(1, 4), most=st.integers(1, 4))
def test_relocating_is_no_dearer_than_the_best_free_stand(seed: int, turns: int, stands: int, most: int) -> None:
    problem = random_problem(seed, turns, stands, cost=CostConfig(unassigned=100))
    plan = greedy_cost(problem)
    turn = seed % turns
    found, cost = relocate(problem, plan, turn, np.ones(turns, dtype=bool), most, 3)
    assert cost == plan_cost(problem, found)
    assert (found != plan).sum() <= most
    without = np.where(np.arange(turns) == turn, UNASSIGNED, plan)
    assert cost <= plan_cost(problem, without)
    if plan[turn] != UNASSIGNED:
        assert cost <= plan_cost(problem, plan)
    row = np.array([turn])
    free = insertion_costs(problem, without, row)[~blocked(problem, without, row)]
    assert cost <= plan_cost(problem, without) - problem.unassigned + free.min(initial=problem.unassigned)
    locked = relocate(problem, plan, turn, np.zeros(turns, dtype=bool), most, 3)[0]
    assert np.array_equal(np.delete(locked, turn), np.delete(plan, turn))


@pytest.mark.parametrize("lead", [5, 100, 1000])
def test_the_lead_of_a_change_is_counted_from_now(lead: int) -> None:
    state = apply(quiet([0], [(1100, 1160)]), Closed(1100 - lead, "A1"))
    found = replan(state, 1100 - lead).changes
    assert [change.lead for change in found] == ([lead] if lead < 500 else [])
