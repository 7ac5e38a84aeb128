"""The replay of a plan on the real day counts who met whom, for how long, and how passengers fared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.stands.airport import Airport, size_rank
from demos.stands.problem import UNASSIGNED
from demos.stands.replay import conflicts, replay
from demos.stands.turns import Turns
from tests.demos.stands.conftest import MANY, make_airport, make_turns, random_plan, random_problem, stands_config

AIRPORT = make_airport("A1 C, A2 D, A3 C, R1 D", shadows=[("A2", "A3", "D")], preferences={"XX": ("A",)})
# Every aircraft came on time and was held on its stand: on-block is the schedule.
HELD = stands_config(turn={"inbound_share": 0.0, "max_hold": 1440}, evaluation={"other_inbound_shares": [1.0]})


def by_hand() -> tuple[Turns, NDArray[np.int64]]:
    """Stays in minutes after midnight, stand, delay.

    A1: 600-660 left 30 late, 670-730 met for 20, 685-700 (cancelled) met by nobody.
    A2: a D, 600-660, left 100 late, shadows A3: 700-750 there for 50, of which all; a C on A2 750-800 met for 10.
    """
    rows = [
        ((600, 660), "C", 30.0, 0),
        ((600, 661), "D", 99.0, 1),
        ((670, 730), "C", 0.0, 0),
        ((685, 700), "C", None, 0),
        ((700, 750), "B", 0.0, 2),
        ((750, 800), "C", 0.0, 1),
        ((750, 801), "C", 0.0, 3),
        ((900, 960), "C", 0.0, UNASSIGNED),
    ]
    stays, codes, delay, plan = zip(*rows, strict=True)
    turns = make_turns(stays, "".join(codes), delay, seats=[100, 200, 100, 100, 50, 100, 70, 80])
    return turns, np.array(plan)


def test_a_day_by_hand() -> None:
    turns, plan = by_hand()
    found = replay(turns, AIRPORT, plan, HELD)
    # 20 on A1, 50 in the shadow, 10 on A2; late arrivals alone move the same stays and meet otherwise.
    assert found.minutes[0] == 20 + 50 + 10
    assert found.conflicts == 3
    assert found.passengers == 800
    assert (found.remote_passengers, found.unassigned, found.unassigned_passengers) == (70, 1, 80)
    # All but the one on the remote stand and the one without.
    assert (found.best_terminal, found.turns) == (6, 8)
    # All delay is late arrival: 630-690 meets 670 for 20; 699-760 shadows 700-750 for 50 and meets 750 for 10.
    assert found.minutes[1] == 20 + 50 + 10


def test_a_cancelled_turn_meets_nobody_but_counts_as_planned() -> None:
    turns, plan = by_hand()
    there = conflicts(turns, AIRPORT, plan, turns.sibt + 0.0, np.where(np.arange(8) == 3, np.nan, turns.sobt + 0.0))
    assert [(met.first, met.second) for met in there] == []
    with_it = conflicts(turns, AIRPORT, plan, turns.sibt + 0.0, turns.sobt + 0.0)
    assert [(met.first, met.second, met.start, met.end) for met in with_it] == [(2, 3, 685, 700)]


def test_a_shadow_is_cast_by_large_aircraft_only() -> None:
    turns, _ = by_hand()
    small = make_turns([(600, 661), (650, 700)], "CC")
    assert replay(small, AIRPORT, np.array([1, 2]), HELD).minutes[0] == 0
    large = make_turns([(600, 661), (650, 700)], "DC")
    assert replay(large, AIRPORT, np.array([1, 2]), HELD).minutes[0] == 11
    assert replay(turns, AIRPORT, np.full(8, UNASSIGNED), HELD).minutes == (0, 0)


def test_touching_stays_are_no_conflict() -> None:
    turns = make_turns([(600, 660), (660, 700)])
    assert replay(turns, AIRPORT, np.array([0, 0]), HELD).conflicts == 0


def test_three_on_one_stand_are_three_pairs() -> None:
    turns = make_turns([(600, 660), (661, 700), (670, 800)], delay=[30, 0, 0])
    found = replay(turns, AIRPORT, np.array([0, 0, 0]), HELD)
    assert found.conflicts == 3
    assert found.minutes[0] == 29 + 20 + 30


def test_shadows_both_ways_count_a_pair_once() -> None:
    """Two large aircraft side by side where each stand shadows the other: one pair, one overlap."""
    airport = make_airport("A1 D, A2 D", [("A1", "A2", "D"), ("A2", "A1", "D")])
    turns = make_turns([(600, 660), (661, 730)], "DD", delay=[31, 0])
    found = replay(turns, airport, np.array([0, 1]), HELD)
    assert (found.conflicts, found.minutes[0]) == (1, 30)


def slow_minutes(turns: Turns, airport: Airport, plan: NDArray[np.int64], share: float, hold: int) -> float:
    """Conflict minutes, pair by pair in plain Python, from the table and the airport's entries."""
    stays = []
    for row, (sibt, sobt) in enumerate(zip(turns.sibt.tolist(), turns.sobt.tolist(), strict=True)):
        late = (turns.table["atd"].iloc[row] - turns.table["std"].iloc[row]).total_seconds() / 60
        inbound = max(share * max(late, 0), max(late, 0) - hold)
        stays.append((min(sibt + inbound, sobt + late - 1), sobt + late, airport.stands[plan[row]], turns.codes[row]))
    shade = {(shadow.stand, shadow.blocks): shadow.code for shadow in airport.shadows}
    total = 0.0
    for one, (on, off, stand, code) in enumerate(stays):
        for two in range(one):
            on2, off2, stand2, code2 = stays[two]
            if UNASSIGNED in (plan[one], plan[two]) or np.isnan(off) or np.isnan(off2):
                continue
            cast = shade.get((stand.id, stand2.id)), shade.get((stand2.id, stand.id))
            shadowed = (cast[0] is not None and size_rank(code) >= size_rank(cast[0])) or (
                cast[1] is not None and size_rank(code2) >= size_rank(cast[1])
            )
            if stand.id == stand2.id or shadowed:
                total += max(0.0, min(off, off2) - max(on, on2))
    return total


@MANY
@given(
    seed=st.integers(0, 10**6),
    turns=st.integers(1, 14),
    stands=st.integers(1, 4),
    share=st.floats(0, 1),
    hold=st.integers(0, 300),
)
def test_conflict_minutes_are_those_of_a_slow_recount(
    seed: int, turns: int, stands: int, share: float, hold: int
) -> None:
    draws = np.random.default_rng(seed)
    problem = random_problem(seed, turns, stands)
    late = [float(value) if draws.random() < 0.8 else None for value in draws.integers(-30, 400, turns)]
    stays = list(zip(problem.turns.sibt.tolist(), problem.turns.sobt.tolist(), strict=True))
    day = make_turns(stays, "".join(problem.turns.codes), late)
    plan = random_plan(problem, seed)
    config = stands_config(
        turn={"inbound_share": share, "max_hold": hold}, evaluation={"other_inbound_shares": [0.0, 1.0]}
    )
    found = replay(day, problem.airport, plan, config)
    for rule, minutes in zip((share, 0.0, 1.0), found.minutes, strict=True):
        assert minutes == pytest.approx(slow_minutes(day, problem.airport, plan, rule, hold), abs=1e-6)
    assert found.passengers == day.seats.sum()
    remote = [turn for turn in range(turns) if plan[turn] >= 0 and problem.airport.stands[plan[turn]].terminal == "R"]
    assert found.remote_passengers == day.seats[remote].sum()
    assert found.unassigned == (plan == UNASSIGNED).sum()
