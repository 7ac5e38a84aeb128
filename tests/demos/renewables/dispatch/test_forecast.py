"""Nothing after the gate reaches a forecast, a scenario or a price; and forecasts are worth their name."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.renewables.dispatch.composite import INFLOW, LOAD, PV, STEPS, WIND
from demos.renewables.dispatch.days import DayInputs, calendar, make_inputs
from demos.renewables.dispatch.features import SUNDAY, day_kinds, latest_alike
from demos.renewables.dispatch.forecast import first_issue, make_issues
from demos.renewables.dispatch.scenarios import (
    Scenarios,
    all_scenarios,
    fit_updates,
    hourly,
    net_generation,
    reduced,
)
from shared.errors import UserError
from tests.demos.renewables.dispatch.conftest import DAYS, MANY, SMALL, composite_of, dispatch_config, made_up

DAY = 80
KINDS = day_kinds(date(2020, 1, 1), DAYS)
GATE = (DAY - 1) * STEPS + SMALL.gate * 4


def numbers(inputs: DayInputs) -> dict[str, np.ndarray]:
    """Everything that a plan or a controller starts from."""
    return {
        "day_ahead": inputs.day_ahead,
        "envelope": inputs.envelope,
        "persistence": inputs.persistence,
        "every": inputs.every.values,
        "few": inputs.few.values,
        "weights": inputs.few.weights,
        "slopes": inputs.update.slopes,
        "spread": inputs.update.spread,
        "price": inputs.prices.day_ahead,
    }


def test_nothing_from_the_gate_on_reaches_what_is_known_at_the_gate(day: DayInputs) -> None:
    changed = made_up().reshape(-1, 4)
    changed[GATE:] = np.random.default_rng(1).uniform(0, 80, changed[GATE:].shape)
    again = make_inputs(composite_of(changed.reshape(DAYS, STEPS, 4)), dispatch_config(), [date(2020, 3, 21)])[0]
    for name, values in numbers(day).items():
        assert np.array_equal(values, numbers(again)[name]), name
    assert not np.array_equal(day.actual, again.actual)
    assert {field.name for field in fields(DayInputs)} == {
        "start", "day_ahead", "envelope", "persistence", "every", "few", "update", "prices", "actual", "config",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["day_ahead", "every", "few", "price"])
def test_what_ended_just_before_the_gate_does_reach_it(day: DayInputs, name: str) -> None:
    changed = made_up().reshape(-1, 4)
    changed[GATE - 4 : GATE] *= 0.5
    again = make_inputs(composite_of(changed.reshape(DAYS, STEPS, 4)), dispatch_config(), [date(2020, 3, 21)])[0]
    assert not np.array_equal(numbers(day)[name], numbers(again)[name])


def test_errors_end_two_days_before_the_day() -> None:
    issues = make_issues(made_up(), KINDS, SMALL)
    errors = issues.errors(DAY)
    assert len(errors) == DAY - 1 - issues.first
    assert np.array_equal(errors[-1], issues.actual[DAY - 2] - issues.day_ahead[DAY - 2, -STEPS:])


@pytest.mark.parametrize("ahead", [0, 1, 17, DAYS])
def test_no_forecast_knows_what_came_after_its_gate(ahead: int) -> None:
    """From the first day that can be forecast at all: scales and coefficients end with D-2 as well."""
    number = min(first_issue(SMALL) + ahead, DAYS - 1)
    changed = made_up().reshape(-1, 4)
    gate = (number - 1) * STEPS + SMALL.gate * 4
    changed[gate:] = np.random.default_rng(ahead).uniform(0, 80, changed[gate:].shape)
    before, after = (make_issues(values, KINDS, SMALL) for values in (made_up(), changed.reshape(DAYS, STEPS, 4)))
    for name in ("day_ahead", "persistence", "envelope"):
        assert np.array_equal(getattr(before, name)[: number + 1], getattr(after, name)[: number + 1], equal_nan=True)


def test_persistence_is_the_latest_day_known_at_the_gate() -> None:
    values = made_up()
    issues = make_issues(values, KINDS, SMALL)
    morning, evening = issues.persistence[DAY, -STEPS:][:48], issues.persistence[DAY, -STEPS:][48:]
    assert np.array_equal(morning, values[DAY - 1, :48])
    assert np.array_equal(evening, values[DAY - 2, 48:])


def test_forecasts_beat_persistence_and_know_the_night() -> None:
    values = made_up()
    issues = make_issues(values, KINDS, SMALL)
    days = slice(60, DAYS)
    errors = issues.day_ahead[days, -STEPS:] - values[days], issues.persistence[days, -STEPS:] - values[days]
    ours, theirs = (np.sqrt((error**2).mean(axis=(0, 1))) for error in errors)
    assert (ours[[PV, WIND, LOAD]] < 0.97 * theirs[[PV, WIND, LOAD]]).all()
    assert issues.day_ahead[days, -STEPS:][:, :16, PV].max() == 0
    assert issues.day_ahead[days].min() >= 0


def working_week(kinds: np.ndarray) -> np.ndarray:
    """The made-up year, with half the load on Sundays, 5 MW less on Saturdays and 2 MW more on Mondays."""
    values = made_up()
    values[..., LOAD] *= np.where(kinds == SUNDAY, 0.5, 1.0)[:, None]
    values[..., LOAD] += np.where(kinds == 5, -5.0, np.where(kinds == 0, 2.0, 0.0))[:, None]
    return values


def test_days_are_of_seven_kinds_and_holidays_are_sundays() -> None:
    # 1 January 2020 was a Wednesday.
    assert day_kinds(date(2020, 1, 1), 8).tolist() == [2, 3, 4, 5, 6, 0, 1, 2]
    assert day_kinds(date(2020, 1, 1), 3, [date(2020, 1, 2), date(2030, 1, 1)]).tolist() == [2, SUNDAY, 4]


def test_load_follows_the_week_and_the_calendar() -> None:
    """A Friday off: known from the calendar it is a Sunday, else it is missed by half the load."""
    off = date(2020, 3, 20)
    number = (off - date(2020, 1, 1)).days
    kinds = day_kinds(date(2020, 1, 1), DAYS, [off])
    values = working_week(kinds)
    missed = [
        np.abs(values[..., LOAD] - make_issues(values, known, SMALL).day_ahead[:, -STEPS:, LOAD]).mean(axis=1)
        for known in (kinds, KINDS)
    ]
    assert missed[0][60:].max() < 2.5
    assert missed[1][number] > 15


@MANY
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 6))
def test_the_latest_days_alike_ended_two_days_before(seed: int, day: int, count: int) -> None:
    draws = np.random.default_rng(seed)
    load, keys = draws.uniform(0, 9, (31, STEPS)), draws.integers(0, 4, 31)
    found = latest_alike(load, keys, count)[day]
    changed = load.copy()
    changed[day - 1 :] += 7
    again = latest_alike(changed, keys, count)[day]
    assert np.array_equal(found, again, equal_nan=True)
    alike = [number for number in range(day - 1) if keys[number] == keys[day]][-count:]
    expected = load[alike].mean(axis=0) if alike else np.full(STEPS, np.nan)
    assert found == pytest.approx(expected, nan_ok=True)
    other = latest_alike(load, keys, count, np.zeros_like(load))[day]
    assert other == pytest.approx(expected if alike else np.zeros(STEPS))


def test_wind_falls_back_to_the_mean_of_the_last_weeks() -> None:
    """A penalty that lets nothing be learned leaves wind and inflow at their mean before the gate."""
    values = made_up()
    stiff = SMALL.model_copy(update={"ridge": 1e6})
    issues = make_issues(values, KINDS, stiff)
    before = values.reshape(-1, 4)[GATE - SMALL.climatology_days * STEPS : GATE].mean(axis=0)
    for variable in (WIND, INFLOW):
        assert issues.of_day(DAY)[:, variable] == pytest.approx(np.full(STEPS, before[variable]), rel=0.01)


def test_scenarios_have_the_ranks_of_past_error_days_and_stay_possible() -> None:
    issues = make_issues(made_up(), KINDS, SMALL)
    scenarios = all_scenarios(issues, DAY, SMALL)
    errors = hourly(issues.errors(DAY))[-SMALL.templates :]
    for variable, hour in ((WIND, 3), (WIND, 20), (LOAD, 12), (INFLOW, 5)):
        order = errors[:, hour, variable].argsort(kind="stable")
        assert (np.diff(scenarios.values[order, hour, variable]) >= 0).all()
    assert scenarios.values.min() >= 0
    assert scenarios.values[:, :4, PV].max() == 0
    top = hourly(issues.envelope[DAY, -STEPS:, None])[:, 0]
    assert (scenarios.values[:, :, PV] <= top + 1e-9).all()
    assert scenarios.weights.sum() == pytest.approx(1)


def test_stretching_widens_scenarios_and_keeps_their_mean_and_order() -> None:
    issues = make_issues(made_up(), KINDS, SMALL)
    settings = [SMALL.model_copy(update={"stretch": factor}) for factor in (1.0, 1.5)]
    plain, wide = (all_scenarios(issues, DAY, setting).values[..., LOAD] for setting in settings)
    assert wide.mean(axis=0) == pytest.approx(plain.mean(axis=0))
    assert wide.std(axis=0) == pytest.approx(1.5 * plain.std(axis=0))
    assert np.array_equal(plain.argsort(axis=0), wide.argsort(axis=0))


def test_shuffled_scenarios_know_that_errors_last() -> None:
    issues = make_issues(made_up(), KINDS, SMALL)
    values = all_scenarios(issues, DAY, SMALL).values
    independent = np.random.default_rng(0).permuted(values, axis=0)
    assert net_generation(values).sum(axis=1).std() > 1.5 * net_generation(independent).sum(axis=1).std()


@MANY
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_reduction_keeps_mean_and_weight(seed: int, count: int) -> None:
    draws = np.random.default_rng(seed)
    full = Scenarios(draws.uniform(20, 60, (12, 24, 4)), draws.dirichlet(np.ones(12)))
    few = reduced(full, count)
    assert len(few.values) == count
    assert few.weights.sum() == pytest.approx(1)
    assert few.mean() == pytest.approx(full.mean(), abs=1e-9)


def test_reduction_takes_the_one_that_stands_for_most() -> None:
    values = np.full((5, 24, 4), 10.0)
    values[1:4, :, WIND] += np.array([0.0, 0.1, 0.2])[:, None]
    values[4, :, WIND] = 40.0
    few = reduced(Scenarios(values, np.full(5, 0.2)), 2)
    assert sorted(few.weights.round(3)) == [0.2, 0.8]
    # The two levels as they were, both moved a little to keep the mean.
    kept = sorted(few.values[:, 0, WIND])
    assert kept[1] - kept[0] in (pytest.approx(30.0), pytest.approx(29.9))


def test_the_update_learns_how_errors_last() -> None:
    issues = make_issues(made_up(), KINDS, SMALL)
    update = fit_updates(issues, [DAY])[DAY]
    first, later = update.slopes[0, WIND].sum(), update.slopes[40, WIND].sum()
    # Wind of the made-up year follows an autoregression, load noise does not.
    assert 0.9 < first < 1.1
    assert later < 0.9
    assert abs(update.slopes[0, LOAD].sum()) < 0.7
    assert update.spread[0] < update.spread[30]
    assert fit_updates(issues, [DAY + 1])[DAY + 1].slopes.sum() != update.slopes.sum()


def test_without_errors_the_update_changes_nothing_and_a_missed_level_is_carried_on(day: DayInputs) -> None:
    rows = len(day.day_ahead) - STEPS
    seen = day.day_ahead[: rows + 10]
    assert day.update.forecast(day.day_ahead, day.envelope, seen, 10) == pytest.approx(day.day_ahead[rows + 10 :])
    higher = seen + np.array([0, 5.0, 0, 0])
    found = day.update.forecast(day.day_ahead, day.envelope, higher, 10)
    assert found[0, WIND] - day.day_ahead[rows + 10, WIND] == pytest.approx(5, abs=0.7)
    assert found[:, LOAD] == pytest.approx(day.day_ahead[rows + 10 :, LOAD])
    with pytest.raises(ValueError, match="of the day"):
        day.update.forecast(day.day_ahead, day.envelope, higher, 11)


def test_after_a_late_gate_only_errors_that_there_were_count(day: DayInputs) -> None:
    """Four rows have ended since a gate at 23:00; the update's memory reaches 16 back."""
    rows = len(day.day_ahead) - STEPS
    late, tops = day.day_ahead[rows - 4 :], day.envelope[rows - 4 :]
    seen = late[:4].copy()
    seen[3, WIND] += 5.0
    found = day.update.forecast(late, tops, seen, 0)
    first = day.update.slopes[:, WIND, 0]
    assert found[:4, WIND] - late[4:8, WIND] == pytest.approx(5 * first[:4])
    assert found[:, LOAD] == pytest.approx(late[4:, LOAD])


def test_updated_forecasts_are_better_than_those_of_the_day_before(day: DayInputs) -> None:
    rows, ended = len(day.day_ahead) - STEPS, 40
    seen = day.actual[: rows + ended]
    error = day.update.forecast(day.day_ahead, day.envelope, seen, ended)[:8] - day.actual[rows + ended :][:8]
    before = (day.day_ahead - day.actual)[rows + ended :][:8]
    assert np.abs(error[:, WIND]).mean() < np.abs(before[:, WIND]).mean()


def test_a_day_with_too_little_past_is_refused_with_the_first_possible_one() -> None:
    composite = composite_of(made_up())
    with pytest.raises(UserError, match=r"2020-02-10 has too little past; the earliest day .* is 2020-03-05"):
        make_inputs(composite, dispatch_config(), [date(2020, 2, 10)])
    with pytest.raises(UserError, match="2021-01-01 is not in the profiles, 2020-01-01 to 2020-04-09"):
        make_inputs(composite, dispatch_config(), [date(2021, 1, 1)])
    make_inputs(composite, dispatch_config(), [date(2020, 3, 5)])


def test_a_file_of_one_day_is_refused_in_one_line() -> None:
    """Warnings are errors here: nothing may be computed before it is known that there is enough."""
    with pytest.raises(UserError, match="2020-01-01 has too little past"):
        make_inputs(composite_of(made_up(1)), dispatch_config(), [date(2020, 1, 1)])


def test_the_calendar_takes_every_nth_day() -> None:
    assert calendar(date(2016, 7, 30), date(2016, 8, 4), 2) == [date(2016, 7, 30), date(2016, 8, 1), date(2016, 8, 3)]


def test_prices_depend_on_the_forecast_not_on_the_day(day: DayInputs) -> None:
    other = replace(day, actual=day.actual * 2)
    assert np.array_equal(day.prices.day_ahead, other.prices.day_ahead)
    net = -net_generation(hourly(day.day_ahead[-STEPS:]))
    assert np.corrcoef(net, day.prices.day_ahead)[0, 1] > 0.95
