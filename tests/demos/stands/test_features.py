"""Features know nothing later than their decision: by their own stamps, and with the future deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from demos.stands.config import DaysConfig, TurnConfig
from demos.stands.data import WEATHER, Flights
from demos.stands.learning.delay import DelayModel, delays, fit, split_by_time
from demos.stands.learning.features import (
    FIX_AHEAD,
    LEADS,
    SEASONAL,
    Features,
    Lead,
    build_features,
    minutes_since_1970,
)
from demos.stands.turns import scheduled_on_block
from tests.demos.stands.conftest import SMALL_MODEL, make_departures, no_weather

RULE = TurnConfig()
leads = pytest.mark.parametrize("lead", LEADS)
# The middle of the day, a quarter of an hour to the minute, and the quiet of the night.
MOMENTS = ["2013-10-08 14:07", "2013-10-02 15:00", "2013-09-13 03:15"]


@pytest.fixture(scope="session")
def built(autumn: Flights) -> dict[Lead, Features]:
    return {lead: build_features(autumn, lead, RULE) for lead in LEADS}


@pytest.fixture(scope="session")
def models(autumn: Flights, built: dict[Lead, Features]) -> dict[Lead, DelayModel]:
    train = split_by_time(autumn.departures, DaysConfig(calibrate_from="2013-09-10")).train
    delay = delays(autumn.departures)
    return {lead: fit(features.values, delay, train, SMALL_MODEL, 0) for lead, features in built.items()}


def minute(moment: str) -> int:
    return int(minutes_since_1970(pd.Series([pd.Timestamp(moment)]))[0])


@leads
def test_every_value_was_known_when_the_decision_fell(lead: Lead, built: dict[Lead, Features]) -> None:
    features = built[lead]
    assert set(features.known_at) == set(features.values)
    for name, known in features.known_at.items():
        assert known.shape == features.decided_at.shape
        assert (known <= features.decided_at).all(), name


@leads
def test_the_decision_keeps_its_lead(lead: Lead, built: dict[Lead, Features], autumn: Flights) -> None:
    std = minutes_since_1970(autumn.departures["std"])
    decided = built[lead].decided_at
    hours = 24 if lead == "T-24h" else 2
    assert (decided <= std - hours * 60).all()
    assert (decided % 15 == 0).all()
    if lead == "T-2h":
        on_block = minutes_since_1970(scheduled_on_block(autumn.departures, RULE)[0])
        assert (decided <= on_block - FIX_AHEAD).all()
        latest = np.minimum(std - 120, on_block - FIX_AHEAD)
        assert (decided > latest - 15).all()


def test_an_aircraft_that_is_there_long_before_is_decided_before_it_comes() -> None:
    on_block = pd.Series(pd.to_datetime(["2013-10-02 07:10", None])).astype("datetime64[us]")
    table = make_departures(["2013-10-02 12:00"] * 2, [0, 0], sibt=on_block)
    decided = build_features(Flights(table, no_weather(), []), "T-2h", RULE).decided_at
    assert decided.tolist() == [minute("2013-10-02 06:30"), minute("2013-10-02 10:00")]


def blanked(flights: Flights, now: pd.Timestamp) -> Flights:
    """Nothing has left after `now`, and no weather was reported."""
    table = flights.departures
    weather = flights.weather[flights.weather["known_at"] <= now]
    return replace(flights, departures=table.assign(atd=table["atd"].where(table["atd"] <= now)), weather=weather)


def otherwise(flights: Flights, now: pd.Timestamp) -> Flights:
    """Whatever left after `now` left at some other time after `now`, and the weather was another."""
    table, weather = flights.departures, flights.weather
    draws = np.random.default_rng(0)
    other = now + pd.to_timedelta(draws.integers(1, 3000, len(table)), unit="min")
    atd = table["atd"].where(table["atd"] <= now, other.astype("datetime64[us]"))
    storm = weather[list(WEATHER)].where(weather["known_at"] <= now, draws.normal(size=(len(weather), len(WEATHER))))
    return replace(flights, departures=table.assign(atd=atd), weather=weather.assign(**storm))


def without_later_days(flights: Flights, now: pd.Timestamp) -> Flights:
    """As `blanked`, and the schedule of later days is not yet published."""
    known = blanked(flights, now)
    today = known.departures["std"] < now.floor("D") + pd.Timedelta(days=2)
    return replace(known, departures=known.departures[today])


@leads
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", [blanked, otherwise, without_later_days])
def test_with_the_future_deleted_features_and_forecasts_are_the_same_to_the_bit(
    lead: Lead,
    moment: str,
    change: Callable[[Flights, pd.Timestamp], Flights],
    autumn: Flights,
    built: dict[Lead, Features],
    models: dict[Lead, DelayModel],
) -> None:
    now = pd.Timestamp(moment)
    changed = change(autumn, now)
    found = build_features(replace(changed, departures=changed.departures.reset_index(drop=True)), lead, RULE)
    found.values.index = changed.departures.index
    decided = built[lead].decided_at <= minute(moment)
    rows = changed.departures.index.intersection(np.flatnonzero(decided))
    assert len(rows) > 5000
    assert (~(changed.departures["atd"] <= now)).sum() > 1000
    expected = built[lead].values.loc[rows]
    given = found.values.loc[rows]
    text = dict.fromkeys(("carrier", "origin", "dest"), str)
    assert_frame_equal(given.astype(text), expected.astype(text), check_exact=True)
    assert np.array_equal(models[lead].predict(given), models[lead].predict(expected))


@leads
def test_what_happens_before_the_decision_does_move_the_features(
    lead: Lead, autumn: Flights, built: dict[Lead, Features]
) -> None:
    """Else the test above would hold for features that know nothing."""
    now = pd.Timestamp("2013-10-08 14:00")
    found = build_features(blanked(autumn, now - pd.Timedelta(hours=2)), lead, RULE)
    at = np.flatnonzero(built[lead].decided_at == minute(str(now)))
    moved = ~(found.values.iloc[at] == built[lead].values.iloc[at]).all()
    names = {name for name in moved.index[moved] if not built[lead].values[name].iloc[at].isna().all()}
    assert {"origin_2h_mean", "origin_2h_waiting", "carrier_4h_mean", "dest_6h_late", "wind_speed"} <= names
    assert lead == "T-24h" or "rotation_delay" in names
    assert not names & {"minute_of_day", "seats", "departures_in_day"}


def features_of_last(std: list[str], delay: list[float | None], **columns: object) -> pd.Series:
    """The T-2 h features of the last departure, at 12:00: decided at 10:00."""
    table = make_departures([*std, "2013-10-02 12:00"], [*delay, 0.0], **columns)
    return build_features(Flights(table, no_weather(), []), "T-2h", RULE).values.iloc[-1]


def test_the_state_of_the_airport_is_the_delay_so_far() -> None:
    std = [f"2013-10-02 {clock}" for clock in ("08:00", "08:15", "09:00", "09:40", "09:50", "10:01")]
    found = features_of_last(std, [300, 200, 20, 300, None, 300])
    # Due in the 2 h before 10:00: waits since 8:15 (105 min), left 20 min late, wait since 9:40 (20) and 9:50 (10).
    assert found["origin_2h_mean"] == pytest.approx((105 + 20 + 20 + 10) / 4)
    assert found["origin_2h_late"] == pytest.approx(3 / 4)
    assert found["origin_2h_waiting"] == pytest.approx(2 / 4)
    assert found["origin_6h_mean"] == pytest.approx((120 + 105 + 20 + 20 + 10) / 5)


def test_a_group_without_departures_has_no_state() -> None:
    found = features_of_last(["2013-10-02 09:00"], [20], carrier=["XX", "YY"])
    assert np.isnan(found["origin_carrier_3h_mean"])
    assert found["origin_2h_mean"] == 20


@pytest.mark.parametrize(
    ("std", "delay", "expected"),
    [
        (["2013-10-02 07:00", "2013-10-02 09:00"], [10, 45], 45),
        (["2013-10-02 09:00"], [90], 60),  # has not left by 10:00
        (["2013-10-02 09:00"], [None], 60),
        (["2013-10-02 10:30"], [5], np.nan),  # not due yet
        (["2013-10-01 18:00"], [5], np.nan),  # 16 h ago
        (["2013-10-02 09:00"], [-40], -15),
    ],
)
def test_the_rotation_is_the_tails_last_departure(std: list[str], delay: list[float | None], expected: float) -> None:
    found = features_of_last(std, delay, tail="N1", origin=["OTH"] * len(std) + ["TST"])
    assert np.array_equal(found["rotation_delay"], expected, equal_nan=True)
    other = features_of_last(std, delay, tail=[f"N{number}" for number in range(len(std))] + ["N9"])
    assert np.isnan(other["rotation_delay"])
    unknown = features_of_last(std, delay, tail=None)
    assert np.isnan(unknown["rotation_delay"])


def test_weather_is_the_last_report_of_the_airport_at_most_six_hours_old() -> None:
    reports = pd.DataFrame(
        {
            "origin": ["TST", "TST", "TST", "OTH", "TST"],
            "known_at": pd.to_datetime([f"2013-10-02 {hour}:00" for hour in ("03", "07", "08", "10", "11")]),
            **{name: [1.0, 2.0, 4.0, 8.0, 16.0] for name in WEATHER},
        }
    )
    std = ["2013-10-02 12:00", "2013-10-02 20:00", "2013-10-02 05:00", "2013-10-02 09:15"]
    table = make_departures(std, [0.0] * 4)
    found = build_features(Flights(table, reports, []), "T-2h", RULE)
    # Decided at 10:00, 18:00, 03:00 and 07:15.
    assert np.array_equal(found.values["visib"], [4, np.nan, 1, 2], equal_nan=True)
    assert np.array_equal(found.values["precip_3h"], [7, np.nan, 1, 3], equal_nan=True)
    assert found.known_at["visib"][0] == minute("2013-10-02 08:00")


def test_a_day_ahead_no_feature_tells_the_season(built: dict[Lead, Features]) -> None:
    assert not set(SEASONAL) & set(built["T-24h"].values)
    assert set(SEASONAL) <= set(built["T-2h"].values)
