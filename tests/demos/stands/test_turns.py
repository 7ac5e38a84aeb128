"""Turns: who belongs to the operating day, and what stand time a delay means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.config import TurnConfig
from demos.stands.data import Flights
from demos.stands.turns import occupation, operating_day, real_delays, real_occupation, scheduled_on_block
from tests.demos.stands.conftest import DAY, MANY, make_departures, make_turns

RULE = TurnConfig()


def day_of(std: list[str], delay: list[float | None] | None = None, rule: TurnConfig = RULE, **columns: Any):  # type: ignore[no-untyped-def]
    return operating_day(make_departures(std, delay or [0.0] * len(std), **columns), "TST", DAY, rule)


def test_the_operating_day_runs_from_four_to_four() -> None:
    std = ["2013-10-02 03:59", "2013-10-02 04:00", "2013-10-02 23:59", "2013-10-03 03:59", "2013-10-03 04:00"]
    turns = day_of(std)
    assert sorted(turns.table["flight"]) == ["XX1", "XX2", "XX3"]
    assert sorted(turns.sobt) == [240, 1439, 1440 + 239]


def test_the_day_begins_when_the_config_says(flights: Flights) -> None:
    """Every departure of the airport is in exactly one operating day."""
    for start in ("04:00", "00:00", "12:30"):
        rule = RULE.model_copy(update={"day_start": start})
        days = [operating_day(flights.departures, "LGA", day.date(), rule) for day in pd.date_range(DAY, periods=3)]
        first = pd.Timestamp(f"{DAY} {start}")
        std = flights.departures["std"]
        here = (flights.departures["origin"] == "LGA") & (std >= first) & (std < first + pd.Timedelta(days=3))
        found = np.concatenate([turns.table.index for turns in days])
        assert sorted(found) == flights.departures.index[here].tolist()


def test_a_day_without_departures_is_empty() -> None:
    assert len(day_of(["2013-10-05 10:00"])) == 0


def test_another_airport_is_left_out_and_the_index_is_kept() -> None:
    std = ["2013-10-02 12:00", "2013-10-02 11:00", "2013-10-02 10:00"]
    turns = day_of(std, origin=["TST", "OTH", "TST"])
    assert turns.table.index.tolist() == [2, 0]
    assert turns.sibt.tolist() == [550, 670]
    assert turns.reconstructed.all()


@pytest.mark.parametrize(("code", "stay"), RULE.minutes.items())
def test_a_turn_stays_by_its_code(code: str, stay: int) -> None:
    turns = day_of(["2013-10-02 12:00"], code=code)
    assert turns.sobt[0] - turns.sibt[0] == stay


def test_night_stops_are_towed_on_before_departure() -> None:
    turns = day_of(["2013-10-02 04:00", "2013-10-02 06:59", "2013-10-02 07:00", "2013-10-03 01:00"])
    assert turns.night_stop.tolist() == [True, True, False, False]
    assert (turns.sobt - turns.sibt).tolist() == [60, 60, 50, 50]


def test_night_stops_are_parked_from_the_start_of_the_day() -> None:
    parked = RULE.model_copy(update={"night_stop": "parked"})
    turns = day_of(["2013-10-02 04:00", "2013-10-02 06:59", "2013-10-02 07:00"], rule=parked)
    by_flight = dict(zip(turns.table["flight"], zip(turns.sibt, turns.sobt, strict=True), strict=True))
    assert by_flight["XX0"] == (239, 240)
    assert by_flight["XX1"] == (239, 419)
    assert by_flight["XX2"] == (370, 420)


def test_a_given_on_block_time_is_used_as_it_is() -> None:
    given_times = pd.Series(pd.to_datetime(["2013-10-01 22:15", None])).astype("datetime64[us]")
    turns = day_of(["2013-10-02 06:00", "2013-10-02 06:30"], sibt=given_times)
    assert turns.sibt.tolist() == [-105, 330]
    assert turns.night_stop.tolist() == [False, True]
    assert turns.reconstructed.tolist() == [False, True]


def test_scheduled_on_block_is_always_before_off_block(flights: Flights) -> None:
    table = flights.departures.iloc[::97]
    for night_stop in ("towed", "parked"):
        on_block, _ = scheduled_on_block(table, RULE.model_copy(update={"night_stop": night_stop}))
        assert (on_block < table["std"]).all()


def test_turns_come_in_order_of_on_block(flights: Flights) -> None:
    turns = operating_day(flights.departures, "EWR", DAY, RULE)
    assert len(turns) > 250
    assert (np.diff(turns.sibt) >= 0).all()
    std = turns.table["std"] - pd.Timestamp(DAY)
    assert (std.dt.total_seconds() / 60 == turns.sobt).all()


@pytest.mark.parametrize(
    ("share", "hold", "delay", "on", "off"),
    [
        (0.0, 120, 100, 600, 750),  # came on time, held on the stand
        (1.0, 120, 100, 700, 750),  # all delay is late arrival
        (0.4, 120, 100, 640, 750),
        (0.4, 120, 300, 780, 950),  # 120 of 300 min is a share; the hold allows for 120, so 180 moved the arrival
        (0.0, 0, 100, 700, 750),
        (0.0, 1440, 1000, 600, 1650),
        (0.4, 120, -10, 600, 640),  # early
        (0.4, 120, -50, 599, 600),  # left when it should have come
        (0.4, 120, -90, 559, 560),
        (0.4, 120, 0, 600, 650),
    ],
)
def test_a_delay_moves_on_block_and_off_block(share: float, hold: int, delay: float, on: float, off: float) -> None:
    rule = RULE.model_copy(update={"inbound_share": share, "max_hold": hold})
    turns = make_turns([(600, 650)])
    assert [float(times[0]) for times in occupation(turns, np.array([float(delay)]), rule)] == [on, off]


def test_a_night_stop_comes_on_time() -> None:
    turns = day_of(["2013-10-02 06:00", "2013-10-02 12:00"])
    on_block, off_block = occupation(turns, np.array([[60.0, 100.0], [60.0, 100.0]]), RULE)
    assert on_block[0].tolist() == [300, 300]
    assert on_block[1].tolist() == [670 + 24, 670 + 40]
    assert off_block.tolist() == [[420, 460], [780, 820]]
    # Held longer than max_hold, it was towed away, and on again.
    assert occupation(turns, np.array([200.0, 0.0]), RULE)[0][0] == 380


@MANY
@given(
    st.lists(st.floats(-2000, 4000), min_size=2, max_size=2),
    st.floats(0, 1),
    st.integers(0, 1440),
    st.sampled_from(["towed", "parked"]),
)
def test_a_turn_is_always_there_and_never_comes_before_its_schedule_when_late(
    delay: list[float], share: float, hold: int, night_stop: str
) -> None:
    rule = RULE.model_copy(update={"inbound_share": share, "max_hold": hold, "night_stop": night_stop})
    turns = day_of(["2013-10-02 06:00", "2013-10-02 12:00"], rule=rule)
    late = np.array(delay)
    on_block, off_block = occupation(turns, late, rule)
    assert (off_block - on_block >= 1 - 1e-9).all()
    assert np.array_equal(off_block, turns.sobt + late)
    planned = turns.sobt - turns.sibt
    assert (off_block - on_block <= planned + hold + 1e-9).all()
    assert (on_block[late >= 0] >= turns.sibt[late >= 0] - 1e-9).all()


def test_what_really_happened() -> None:
    aibt = pd.Series(pd.to_datetime(["2013-10-02 11:25", None, "2013-10-02 13:00"])).astype("datetime64[us]")
    std = ["2013-10-02 12:00", "2013-10-02 12:30", "2013-10-02 13:00"]
    turns = day_of(std, [20, 20, None], aibt=aibt)
    assert np.array_equal(real_delays(turns), [20, 20, np.nan], equal_nan=True)
    on_block, off_block = real_occupation(turns, RULE)
    assert np.array_equal(on_block, [685, 708, np.nan], equal_nan=True)
    assert np.array_equal(off_block, [740, 770, np.nan], equal_nan=True)
