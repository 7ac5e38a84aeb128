"""What the airports' own departures tell at a moment, against plain counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.learning.states import minutes_since_1970, queue, rotation
from tests.demos.stands.conftest import MANY, make_departures

START = pd.Timestamp("2013-10-02 06:00")


@MANY
@given(
    st.lists(st.tuples(st.integers(0, 400), st.none() | st.integers(-10, 300)), min_size=1, max_size=12),
    st.integers(-4, 60),
)
def test_the_queue_is_who_was_due_in_two_hours_and_has_not_left(
    rows: list[tuple[int, int | None]], quarter: int
) -> None:
    table = make_departures([START + pd.Timedelta(minutes=at) for at, _ in rows], [late for _, late in rows])
    now = int(minutes_since_1970(pd.Series([START]))[0]) + 15 * quarter
    block, known = queue(table, np.array([0]), np.array([now]))
    std, atd = minutes_since_1970(table["std"]), minutes_since_1970(table["atd"])
    # On the grid, so that a departure counts from the quarter of an hour at or after its schedule, eight times.
    steps = now // 15 + -(-std // 15) * -1
    assert block["origin_queue"][0] == ((steps >= 0) & (steps < 8) & (atd > now)).sum()
    assert known.tolist() == [now]


def rotation_at(std: list[str], delay: list[float | None], now: str, **columns: object) -> pd.Series:
    """Of the last departure, as of `now`."""
    table = make_departures(std, delay, tail="N1", **columns)
    at = minutes_since_1970(pd.Series([pd.Timestamp(now)]))
    return rotation(table, np.array([len(std) - 1]), at)[0].iloc[0]


def test_the_slack_is_what_a_flight_out_and_back_leaves() -> None:
    """450 miles: an hour, and 35 min on the ground, each way, and 40 min there: 230 min."""
    found = rotation_at(
        ["2013-10-02 08:00", "2013-10-02 13:00"], [30, 0], "2013-10-02 11:00", distance_mi=[450.0, 900.0]
    )
    assert found["rotation_slack"] == 300 - 30 - 230
    assert (found["rotation_delay"], found["rotation_ago"], found["rotation_waiting"]) == (30, 300, 0)


def test_a_departure_is_never_its_own_last_one() -> None:
    std = ["2013-10-02 08:00", "2013-10-02 12:00"]
    found = rotation_at(std, [5, 90], "2013-10-02 13:00")
    assert (found["rotation_delay"], found["rotation_ago"]) == (5, 240)
    assert np.isnan(rotation_at(std[1:], [90], "2013-10-02 13:00")["rotation_delay"])


@pytest.mark.parametrize(("origin", "same"), [("TST", 1), ("OTH", 0)])
def test_the_rotation_knows_its_airport(origin: str, same: int) -> None:
    std = ["2013-10-02 08:00", "2013-10-02 13:00"]
    assert rotation_at(std, [0, 0], "2013-10-02 11:00", origin=[origin, "TST"])["rotation_same_airport"] == same
