"""The learning engine: splits in time order, forecasts recalibrated on the past alone, quantiles that do not cross."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from demos.stands.config import DaysConfig, StandsConfig
from demos.stands.data import Flights
from demos.stands.learning.delay import climatology, delays, fit, recalibrate, shift_to_fit, split_by_time
from demos.stands.learning.features import LEADS, Lead, build_features, decision_times, minutes_since_1970
from demos.stands.learning.forecast import Forecasts, make_forecasts
from shared.errors import UserError
from tests.demos.stands.conftest import FEW, MANY, SMALL_MODEL, make_departures, stands_config

DAYS = DaysConfig(calibrate_from="2013-09-12", test_from="2013-09-30", first="2013-10-02", last="2013-10-04")
LEVELS = (0.1, 0.5, 0.9)
leads = pytest.mark.parametrize("lead", LEADS)


class Silent:
    """A run that says nothing."""

    def say(self, message: str) -> None:
        pass


@pytest.fixture(scope="session")
def config() -> StandsConfig:
    return stands_config(days=DAYS.model_dump(), delay={**SMALL_MODEL.model_dump(), "recalibrate_days": 14})


@pytest.fixture(scope="session")
def forecasts(autumn: Flights, config: StandsConfig) -> Forecasts:
    return make_forecasts(autumn, config, "LGA", Silent())


def test_the_year_is_split_in_time_order(flights: Flights) -> None:
    days, table = StandsConfig().days, flights.departures
    split = split_by_time(table, days)
    masks = [split.train, split.calibrate, split.test]
    assert np.sum(masks, axis=0).max() == 1
    assert not (np.any(masks, axis=0) & table["atd"].isna()).any()
    train, calibrate, test = (table[mask] for mask in masks)
    assert train["atd"].max() < pd.Timestamp(days.calibrate_from) <= calibrate["std"].min()
    assert calibrate["atd"].max() < pd.Timestamp(days.test_from) - pd.Timedelta(days=1)
    assert test["std"].min() >= pd.Timestamp(days.test_from)
    # Nothing is thrown away but what was cancelled or was under way at a boundary (a day's worth before the tests).
    assert sum(map(len, (train, calibrate, test))) > table["atd"].notna().sum() - 1200


@MANY
@given(st.lists(st.tuples(st.integers(0, 50 * 1440), st.none() | st.integers(0, 4000)), min_size=1, max_size=20))
def test_any_departures_are_split_in_time_order(rows: list[tuple[int, int | None]]) -> None:
    start = pd.Timestamp("2013-08-20")
    table = make_departures([start + pd.Timedelta(minutes=at) for at, _ in rows], [late for _, late in rows])
    split = split_by_time(table, DAYS)
    assert not (split.train & split.calibrate).any()
    assert not (split.calibrate & split.test).any()
    assert not (split.train & split.test).any()
    assert (table.loc[split.train, "atd"] < pd.Timestamp(DAYS.calibrate_from)).all()
    assert (table.loc[split.calibrate, "atd"] < pd.Timestamp(DAYS.test_from) - pd.Timedelta(days=1)).all()
    for mask in (split.train, split.calibrate, split.test):
        assert table.loc[mask, "atd"].notna().all()


def test_an_early_departure_at_the_boundary_is_in_one_part_at_most() -> None:
    split = split_by_time(make_departures(["2013-09-12 00:05"], [-10]), DAYS)
    assert not (split.train & split.calibrate).any()


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        ({"test_from": "2013-09-01"}, "days must satisfy"),
        ({"first": "2013-09-30"}, "days must satisfy"),
        ({"first": "2013-11-28"}, "days must satisfy"),
        ({"test_from": "2013-09-16"}, "recalibrate_days"),
    ],
)
def test_a_config_that_would_leak_is_refused(days: dict[str, object], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        stands_config(days=days)


def a_month(draws: np.random.Generator) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.int64]]:
    std = pd.date_range("2013-09-01", "2013-10-07", freq="90min")
    late = [float(value) if draws.random() > 0.1 else None for value in draws.exponential(40, len(std)) - 10]
    table = make_departures(std, late)
    quantiles = np.sort(draws.normal(0, 30, (len(std), 3)), axis=1)
    return table, quantiles, decision_times(table, "T-2h", StandsConfig().turn)


SINCE = date(2013, 9, 20)


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["2013-09-25 11:40", "2013-10-01 00:00", "2013-10-03 04:30"]))
def test_recalibration_uses_nothing_that_was_not_known_at_the_decision(seed: int, moment: str) -> None:
    draws = np.random.default_rng(seed)
    table, quantiles, decided = a_month(draws)
    now = pd.Timestamp(moment)
    before = recalibrate(quantiles, table, decided, LEVELS, 5, SINCE)
    later = (table["atd"] >= now).to_numpy()
    other = table.assign(atd=table["atd"].where(~later, now + pd.Timedelta(minutes=int(draws.integers(0, 500)))))
    # Quantiles of departures that are decided on later are not known either.
    made_later = decided > minutes_since_1970(pd.Series([now]))[0]
    wild = np.where(made_later[:, None], quantiles + 100, quantiles)
    after = recalibrate(wild, other, decided, LEVELS, 5, SINCE)
    known = ~made_later
    assert np.array_equal(before[known], after[known])
    assert not np.array_equal(before[~known], after[~known])


@FEW
@given(st.integers(0, 10**6), st.integers(1, 10))
def test_recalibrated_quantiles_are_in_order_and_start_on_the_day(seed: int, days: int) -> None:
    table, quantiles, decided = a_month(np.random.default_rng(seed))
    found = recalibrate(quantiles, table, decided, LEVELS, days, SINCE)
    assert (np.diff(found, axis=1) >= 0).all()
    early = (table["std"] < pd.Timestamp(SINCE)).to_numpy()
    assert np.array_equal(found[early], quantiles[early])
    assert not np.isnan(found).any()


def test_recalibration_follows_the_last_days() -> None:
    """Delays jump by an hour on 20 September: a week later all quantiles have."""
    std = pd.date_range("2013-09-01", "2013-10-07", freq="30min")
    table = make_departures(std, [60.0 if at >= pd.Timestamp("2013-09-20") else 0.0 for at in std])
    flat = np.zeros((len(std), 3))
    found = recalibrate(flat, table, decision_times(table, "T-2h", StandsConfig().turn), LEVELS, 7, date(2013, 9, 10))
    assert (found[std < "2013-09-20"] == 0).all()
    assert (found[std >= "2013-09-28"] == 60).all()


@FEW
@given(st.integers(0, 10**6))
def test_a_shift_gives_each_level_its_share_of_the_past(seed: int) -> None:
    draws = np.random.default_rng(seed)
    delay, past = draws.exponential(30, 600), draws.random(600) < 0.7
    quantiles = draws.normal(10, 5, (600, 1)) + np.array([-10.0, 0.0, 40.0])
    shift = shift_to_fit(quantiles, delay, past, LEVELS)
    delay[~past] += 1e6
    assert np.array_equal(shift, shift_to_fit(quantiles, delay, past, LEVELS))
    share = (delay[past, None] <= quantiles[past] + shift).mean(axis=0)
    assert np.allclose(share, LEVELS, atol=2 / past.sum())


def test_climatology_knows_the_training_rows_alone(autumn: Flights) -> None:
    table, draws = autumn.departures, np.random.default_rng(0)
    train, delay = split_by_time(table, DAYS).train, delays(autumn.departures)
    before = climatology(table, delay, train, LEVELS)
    other = np.where(train, delay, draws.normal(1000, 10, len(delay)))
    assert np.array_equal(before, climatology(table, other, train, LEVELS))
    assert (np.diff(before, axis=1) >= 0).all()
    assert not np.isnan(before).any()


def test_climatology_is_by_airport_airline_and_hour_where_there_are_fifty() -> None:
    std = pd.to_datetime(["2013-09-02 08:10"] * 120 + ["2013-09-02 09:10"] * 70 + ["2013-09-02 08:30"] * 3)
    carrier = ["XX"] * 60 + ["YY"] * 60 + ["XX"] * 30 + ["YY"] * 40 + ["XX", "ZZ", "XX"]
    origin = ["TST"] * 192 + ["OTH"]
    delay = np.array([10.0] * 60 + [20.0] * 60 + [30.0] * 30 + [40.0] * 40 + [0.0, 0.0, 99.0])
    table = make_departures(std, delay.tolist(), carrier=carrier, origin=origin)
    found = climatology(table, delay, np.arange(len(table)) < 190, (0.25, 0.5))
    assert found[0].tolist() == found[190].tolist() == [10, 10]
    assert found[60].tolist() == [20, 20]
    assert found[191].tolist() == [10, 15]  # ZZ at 8: the airport at 8
    assert found[120].tolist() == found[150].tolist() == [30, 40]  # 30 and 40 rows are too few: the airport at 9
    assert found[192].tolist() == np.quantile(delay[:190], [0.25, 0.5]).tolist()  # OTH is unknown: all


@leads
def test_forecasts_are_made_without_the_future(
    lead: Lead, autumn: Flights, forecasts: Forecasts, config: StandsConfig
) -> None:
    """All that a plan sees of a departure, with everything after one moment of a test day deleted."""
    now = pd.Timestamp("2013-10-03 13:00")
    table = autumn.departures
    known = replace(
        autumn,
        departures=table.assign(atd=table["atd"].where(table["atd"] <= now)),
        weather=autumn.weather[autumn.weather["known_at"] <= now],
    )
    found = make_forecasts(known, config, "LGA", Silent())
    rows = forecasts.leads[lead].decided_at <= minutes_since_1970(pd.Series([now]))[0]
    assert 10_000 < rows.sum() < len(rows)
    for name in ("bare", "recalibrated", "one_month"):
        given_all, given_past = getattr(forecasts.leads[lead], name), getattr(found.leads[lead], name)
        assert np.array_equal(given_all[rows], given_past[rows]), name
        assert (np.diff(given_all, axis=1) >= 0).all()
    assert np.array_equal(forecasts.climatology, found.climatology)


def test_forecasts_belong_to_their_departures(forecasts: Forecasts, config: StandsConfig) -> None:
    table = forecasts.departures
    assert table["std"].min() >= pd.Timestamp(DAYS.calibrate_from)
    assert table["std"].max() >= pd.Timestamp("2013-10-05 03:00")
    assert np.array_equal(forecasts.delay, delays(table), equal_nan=True)
    end = pd.Timestamp(DAYS.last) + pd.Timedelta(days=1)
    tested = (table["std"] >= pd.Timestamp(DAYS.test_from)) & (table["std"] < end) & table["atd"].notna()
    assert np.array_equal(forecasts.test, tested)
    for lead in LEADS:
        assert np.array_equal(forecasts.leads[lead].decided_at, decision_times(table, lead, config.turn))
        assert forecasts.leads[lead].bare.shape == (len(table), 3)


def test_one_airport_learns_from_itself_alone(autumn: Flights, config: StandsConfig) -> None:
    alone = config.model_copy(update={"delay": config.delay.model_copy(update={"train_on": "airport"})})
    found = make_forecasts(autumn, alone, "LGA", Silent())
    assert set(found.departures["origin"]) == {"LGA"}
    table = autumn.departures
    others = table["origin"] != "LGA"
    storm = replace(autumn, departures=table.assign(atd=table["atd"] + pd.to_timedelta(others * 100, unit="min")))
    again = make_forecasts(storm, alone, "LGA", Silent())
    assert np.array_equal(found.leads["T-2h"].recalibrated, again.leads["T-2h"].recalibrated)


def test_too_little_past_is_one_line(autumn: Flights, config: StandsConfig) -> None:
    table = autumn.departures
    late = replace(autumn, departures=table[table["std"] >= "2013-09-11 20:00"])
    with pytest.raises(UserError, match=r"only \d+ training departures .* days\.calibrate_from"):
        make_forecasts(late, config, "LGA", Silent())
    early = replace(autumn, departures=table[table["std"] < "2013-09-12 08:00"])
    with pytest.raises(UserError, match=r"only \d+ calibration departures"):
        make_forecasts(early, config, "LGA", Silent())


def test_the_same_seed_learns_the_same_on_one_thread_and_two(autumn: Flights) -> None:
    table = autumn.departures.iloc[:3000]
    values = build_features(replace(autumn, departures=table), "T-2h", StandsConfig().turn).values
    train, small = table["atd"].notna().to_numpy(), SMALL_MODEL.model_copy(update={"rounds": 2, "levels": (0.5, 0.9)})
    first, second, other = (
        fit(values, delays(table), train, small.model_copy(update={"threads": threads}), seed).predict(values)
        for threads, seed in ((1, 5), (2, 5), (1, 6))
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert (np.diff(first, axis=1) >= 0).all()


def test_learning_finds_the_airline_that_is_late() -> None:
    """Half of the airlines are an hour late; a model of their quantiles says so, and that it was the airline."""
    draws = np.random.default_rng(0)
    late = draws.random(3000) < 0.5
    delay = 60.0 * late + draws.normal(0, 5, 3000)
    values = pd.DataFrame({"noise": draws.random(3000), "carrier": pd.Categorical(np.where(late, "XX", "YY"))})
    train = np.arange(3000) < 2000
    model = fit(values, np.where(train, delay, np.nan), train, SMALL_MODEL.model_copy(update={"rounds": 30}), 0)
    found = model.predict(values[~train])
    assert np.allclose(found[late[~train]], [60 - 6.4, 60, 60 + 6.4], atol=6)
    assert np.allclose(found[~late[~train]], [-6.4, 0, 6.4], atol=6)
