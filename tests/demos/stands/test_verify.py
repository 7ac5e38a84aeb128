"""The integer verifier: a sound plan passes, and each single corruption is named."""

from __future__ import annotations

import numpy as np
import pytest

from demos.stands.config import CostConfig
from demos.stands.problem import build_problem
from demos.stands.search.neighbourhoods import keeps_hard_rules
from demos.stands.verify import Stay, violations
from tests.demos.stands.conftest import make_airport, make_turns

AIRPORT = make_airport(
    "A1 C, A2 D, A3 C, R1 E",
    shadows=[("A2", "A3", "D")],
    closures=[("R1", "12:00", "13:00")],
)
# A1: twice, off-block at the minute of the next on-block. A2: a D that shadows A3, which is free meanwhile, then a C
# beside an occupied A3. R1: up to the minute of its closure, and from its end on.
STAYS = [
    Stay("XX1", "C", 600, 660),
    Stay("XX2", "B", 660, 700),
    Stay("XX3", "D", 600, 700),
    Stay("XX4", "C", 700, 760),
    Stay("XX5", "C", 700, 750),
    Stay("XX6", "E", 640, 720),
    Stay("XX7", "C", 780, 840),
    Stay("XX8", "C", 600, 840),
]
SOUND = ["A1", "A1", "A2", "A2", "A3", "R1", "R1", None]


def changed(flight: str, stand: str | None) -> list[str]:
    at = [stay.flight for stay in STAYS].index(flight)
    return violations(STAYS, AIRPORT, [*SOUND[:at], stand, *SOUND[at + 1 :]])


def test_a_sound_plan_has_no_violation() -> None:
    """Touching intervals are no conflict, on a stand, across a shadow and at a closure."""
    assert violations(STAYS, AIRPORT, SOUND) == []
    assert violations(STAYS, AIRPORT, [None] * len(STAYS)) == []


@pytest.mark.parametrize(
    ("flight", "stand", "expected"),
    [
        ("XX6", "A3", ["XX6: code E does not fit stand A3 (code C)", "XX3 on A2 shadows A3, where XX6 stands",
                       "XX6 and XX5", "XX5 and XX6"]),
        ("XX2", "A9", ["XX2: stand A9 does not exist"]),
        ("XX5", "A1", []),
        ("XX8", "A1", ["XX1 and XX8: both on stand A1", "XX2 and XX8: both on stand A1"]),
        ("XX1", "A3", ["XX3 on A2 shadows A3, where XX1 stands"]),
        ("XX4", "R1", ["XX4: stand R1 is closed 12:00-13:00", "XX4 and XX6: both on stand R1"]),
        ("XX8", "R1", ["XX8: stand R1 is closed 12:00-13:00", "XX6 and XX8: both on stand R1",
                       "XX7 and XX8: both on stand R1"]),
        ("XX3", "A1", ["XX3: code D does not fit stand A1 (code C)", "XX1 and XX3: both on stand A1",
                       "XX2 and XX3: both on stand A1"]),
        ("XX7", None, []),
    ],
)  # fmt: skip
def test_one_corruption_is_named(flight: str, stand: str | None, expected: list[str]) -> None:
    def key(line: str) -> tuple[object, ...]:
        if " and " in line:
            pair, _, where = line.partition(":")
            return ("pair", *sorted(pair.split(" and ")), where if "both" in line else " both on stand A3")
        return (line,)

    assert {key(line) for line in changed(flight, stand)} == {key(line) for line in expected}


@pytest.mark.parametrize(("minutes", "clashes"), [(-1, True), (0, False), (1, False)])
def test_one_minute_decides(minutes: int, clashes: bool) -> None:
    later = Stay("XX9", "C", 660 + minutes, 720)
    on_one_stand = violations([STAYS[0], later], AIRPORT, ["A1", "A1"])
    wide = Stay("XX3", "D", 600, 660)
    turned_round = violations([later, STAYS[0]], AIRPORT, ["A1", "A1"])
    across = violations([wide, later], AIRPORT, ["A2", "A3"])
    at_closure = violations([Stay("XX9", "C", 780 + minutes, 800)], AIRPORT, ["R1"])
    before_closure = violations([Stay("XX9", "C", 700, 720 - minutes)], AIRPORT, ["R1"])
    assert [bool(found) for found in (on_one_stand, turned_round, across, at_closure, before_closure)] == [clashes] * 5


def test_a_shadow_is_cast_by_its_code_and_larger_only() -> None:
    for code, shadows in (("B", 0), ("C", 0), ("D", 1)):
        pair = [Stay("XX1", code, 600, 700), Stay("XX2", "B", 650, 690)]
        assert len(violations(pair, AIRPORT, ["A2", "A3"])) == shadows
    # The other way round there is no shadow.
    assert violations([Stay("XX1", "C", 600, 700), Stay("XX2", "C", 600, 700)], AIRPORT, ["A3", "A2"]) == []


@pytest.mark.parametrize(("stands", "sound"), [(("W", "L"), False), (("R", "W"), False), (("L", "R"), True)])
def test_a_mars_position_holds_one_wide_or_two_narrow(stands: tuple[str, str], sound: bool) -> None:
    airport = make_airport("W E, L C, R C", mars=[{"wide": "W", "narrow": ["L", "R"]}])
    pair = [Stay("XX1", "B", 600, 700), Stay("XX2", "B", 650, 690)]
    assert (violations(pair, airport, stands) == []) == sound
    problem = build_problem(make_turns([(600, 700), (650, 690)], "BB"), airport, CostConfig(), np.zeros((2, 2)))
    plan = np.array(["WLR".index(name) for name in stands])
    assert keeps_hard_rules(problem, plan, np.arange(2)) == sound
    assert violations([pair[0], Stay("XX2", "B", 700, 790)], airport, stands) == []


def test_two_stays_of_one_flight_number_are_two_aircraft() -> None:
    twin = [Stay("XX1", "C", 600, 660), Stay("XX1", "C", 600, 660)]
    assert violations(twin, AIRPORT, ["A1", "A1"]) == ["XX1 and XX1: both on stand A1"]


def test_as_many_stands_as_stays_are_needed() -> None:
    with pytest.raises(ValueError, match="zip"):
        violations(STAYS, AIRPORT, SOUND[:-1])
