"""Forecasts made anew through the day: of those that still wait, from what was known, and learned from the like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from demos.stands.config import StandsConfig
from demos.stands.data import Flights
from demos.stands.learning import refresh
from demos.stands.learning.delay import delays, split_by_time
from demos.stands.learning.features import Features, build_features, features_at
from demos.stands.learning.forecast import Forecasts, make_forecasts
from demos.stands.learning.states import minutes_since_1970
from tests.demos.stands.conftest import SMALL_MODEL, stands_config

LEADS = (-60, 0, 45)


class Silent:
    """A run that says nothing."""

    def say(self, message: str) -> None:
        pass


@pytest.fixture(scope="module")
def config() -> StandsConfig:
    days = {"calibrate_from": "2013-09-12", "test_from": "2013-09-30", "first": "2013-10-02", "last": "2013-10-04"}
    return stands_config(days=days, delay={**SMALL_MODEL.model_dump(), "refresh": LEADS})


@pytest.fixture(scope="module")
def forecasts(autumn: Flights, config: StandsConfig) -> Forecasts:
    return make_forecasts(autumn, config, "LGA", Silent())


def blanked(flights: Flights, now: pd.Timestamp) -> Flights:
    """Nothing has left after `now`, and no weather was reported."""
    table, weather = flights.departures, flights.weather
    return replace(
        flights,
        departures=table.assign(atd=table["atd"].where(table["atd"] <= now)),
        weather=weather[weather["known_at"] <= now],
    )


def test_forecasts_of_the_day_are_made_without_the_future(
    autumn: Flights, forecasts: Forecasts, config: StandsConfig
) -> None:
    now = pd.Timestamp("2013-10-03 17:00")
    found = make_forecasts(blanked(autumn, now), config, "LGA", Silent())
    for given_all, given_past in zip(forecasts.refreshed, found.refreshed, strict=True):
        made = given_all.at <= minutes_since_1970(pd.Series([now]))[0]
        assert 10_000 < made.sum() < len(made)
        assert np.array_equal(given_all.at, given_past.at)
        before, after = given_all.quantiles[made], given_past.quantiles[made]
        assert (~np.isnan(before[:, 0])).sum() > 500
        assert np.array_equal(before, after, equal_nan=True)


def test_later_features_are_the_same_with_the_future_deleted(autumn: Flights) -> None:
    now = pd.Timestamp("2013-10-08 14:00")
    table, minute = autumn.departures, int(minutes_since_1970(pd.Series([now]))[0])
    due = table["std"].between(now - pd.Timedelta(hours=3), now + pd.Timedelta(hours=2))
    rows = np.flatnonzero(due & ~(table["atd"] <= now))
    at = np.full(len(rows), minute)
    found, without = features_at(autumn, rows, at), features_at(blanked(autumn, now), rows, at)
    assert len(rows) > 100
    pd.testing.assert_frame_equal(found.values, without.values, check_exact=True)
    assert all((known <= minute).all() for known in found.known_at.values())
    sooner = features_at(blanked(autumn, now - pd.Timedelta(hours=1)), rows, at).values
    moved = ~(found.values == sooner).all()
    assert {"origin_queue", "rotation_delay", "all_2h_waiting"} <= set(moved.index[moved])


def test_only_those_that_still_wait_are_forecast_and_later_than_they_have_waited(
    forecasts: Forecasts, autumn: Flights
) -> None:
    table = forecasts.departures
    std, atd = minutes_since_1970(table["std"]), minutes_since_1970(table["atd"])
    here = (table["origin"] == "LGA").to_numpy()
    for lead, look in zip(LEADS, forecasts.refreshed, strict=True):
        assert np.array_equal(look.at, (std + lead) // 15 * 15)
        waits = here & (atd > look.at)
        assert np.array_equal(~np.isnan(look.quantiles).any(axis=1), waits)
        assert (np.diff(look.quantiles[waits], axis=1) >= 0).all()
        assert (look.quantiles[waits] >= (look.at - std)[waits, None]).all()


def test_the_model_of_the_day_has_seen_who_still_waits_and_nobody_else(
    autumn: Flights, config: StandsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each moment it was trained on, the departures are all that were then waiting of those drawn for it."""
    seen: dict[str, np.ndarray] = {}

    def record_features(flights: Flights, rows: np.ndarray, at: np.ndarray) -> Features:
        seen.update(rows=rows, at=at)
        return Features(pd.DataFrame({"x": np.zeros(len(rows))}), at, {})

    def record_fit(values: pd.DataFrame, to_come: np.ndarray, *others: object) -> None:
        seen["to_come"] = to_come

    monkeypatch.setattr(refresh, "features_at", record_features)
    monkeypatch.setattr(refresh, "fit", record_fit)
    table = autumn.departures
    train = split_by_time(table, config.days).train
    refresh.fit_on_the_day(autumn, build_features(autumn, "T-2h", config.turn), train, config)
    rows, at = seen["rows"], seen["at"]
    std, atd = minutes_since_1970(table["std"]), minutes_since_1970(table["atd"])
    assert train[rows].all()
    assert (atd[rows] > at).all()
    assert np.array_equal(seen["to_come"], delays(table)[rows] - np.maximum(at - std[rows], 0))
    # A lead is drawn before anything is known: of the two from the schedule on, each departure gets each half the time.
    late = at - std[rows] > 15
    waiting = (atd[train] > (std[train] + 45) // 15 * 15).sum()
    assert late.sum() == pytest.approx(waiting, rel=0.1)


def test_without_moments_nothing_is_made_anew(autumn: Flights, config: StandsConfig) -> None:
    none = config.model_copy(update={"delay": config.delay.model_copy(update={"refresh": ()})})
    assert make_forecasts(autumn, none, "LGA", Silent()).refreshed == ()
