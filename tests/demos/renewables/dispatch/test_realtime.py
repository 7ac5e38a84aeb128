"""Settlement by hand, physical limits, and a controller that must not see what has not happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.renewables.dispatch.check import violations
from demos.renewables.dispatch.composite import LOAD, STEPS
from demos.renewables.dispatch.days import DayInputs
from demos.renewables.dispatch.policies import deterministic, run_mpc
from demos.renewables.dispatch.problem import cost
from demos.renewables.dispatch.realtime import (
    CERTAIN,
    MOVES,
    THREE,
    Rolling,
    Setpoint,
    State,
    counter,
    fan,
    follow,
    hindsight,
    running,
    settle,
    updates,
)
from tests.demos.renewables.dispatch.conftest import MANY, flat, plain_problem, random_problem

IDLE = Setpoint(0.0, 0.0, 0.0)


def test_imbalance_is_settled_at_two_prices() -> None:
    load = np.r_[np.full(48, 40.0), np.full(48, 10.0)]
    problem = plain_problem(20, load, steps=STEPS, prices=flat(30, 50, 15), position=np.full(24, -5.0))
    schedule = settle(problem, lambda _: IDLE)
    assert schedule.short[0, :48] == pytest.approx(15.0)
    assert schedule.long[0, 48:] == pytest.approx(15.0)
    bought = 24 * 5 * 30
    assert cost(problem, schedule)[0] == pytest.approx(bought + 12 * 15 * 80 - 12 * 15 * 15)
    assert max(violations(problem, schedule).values()) < 1e-9


def test_battery_and_reservoir_keep_books_and_stop_when_empty_or_full() -> None:
    fleet = {"battery": 10.0, "battery_energy": 5.0, "soc_start": 0.5, "reservoir_start": 0.0, "hydro": 9.0}
    problem = plain_problem(20, 30, inflow=2, fleet=fleet, steps=STEPS, position=np.zeros(24))
    schedule = settle(problem, lambda state: Setpoint(0.0, 10.0, 9.0) if state.step < 48 else Setpoint(10.0, 0.0, 0.0))
    assert schedule.discharge[0, :48].sum() / 4 == pytest.approx(2.5 * 0.95)
    assert schedule.soc[0, 47] == pytest.approx(0.0)
    assert schedule.charge[0, 48:].sum() / 4 == pytest.approx(5.0 / 0.95)
    # An empty reservoir turbines no more than flows in.
    assert schedule.hydro[0, :48] == pytest.approx(2.0)
    assert schedule.level[0, -1] == pytest.approx(24.0)
    assert max(violations(problem, schedule).values()) < 1e-9


def test_surplus_is_curtailed_at_the_limit_and_where_it_would_be_charged_for() -> None:
    problem = plain_problem(100, 0, fleet={"export_limit": 40.0}, steps=STEPS, position=np.full(24, 10.0))
    assert settle(problem, lambda _: IDLE).curtailed == pytest.approx(np.full((1, STEPS), 60.0))
    punished = replace(problem, prices=flat(5.0, 50, 15))
    schedule = settle(punished, lambda _: IDLE)
    assert schedule.curtailed == pytest.approx(np.full((1, STEPS), 90.0))
    assert schedule.long.max() == 0


def test_with_nothing_left_to_curtail_turbine_and_battery_give_way() -> None:
    fleet = {"export_limit": 4.0, "hydro": 9.0, "battery": 10.0}
    problem = plain_problem(0, 2, fleet=fleet, steps=STEPS, position=np.zeros(24))
    schedule = settle(problem, lambda state: Setpoint(0.0, 8.0 if state.step == 0 else 0.0, 9.0))
    assert (schedule.hydro[0, 0], schedule.discharge[0, 0]) == pytest.approx((0.0, 6.0))
    assert schedule.hydro[0, 1] == pytest.approx(6.0)
    assert schedule.grid.max() == pytest.approx(4.0)


@pytest.mark.parametrize("asked", [Setpoint(-1, 0, 0), Setpoint(0, 11, 0), Setpoint(1, 1, 0), Setpoint(0, 0, -1)])
def test_impossible_setpoints_are_refused(asked: Setpoint) -> None:
    with pytest.raises(ValueError, match="step 0: impossible"):
        settle(plain_problem(steps=STEPS, position=np.zeros(24)), lambda _: asked)


def test_only_a_sold_day_of_quarter_hours_is_settled() -> None:
    for problem in (plain_problem(steps=STEPS), plain_problem(position=np.zeros(24))):
        with pytest.raises(ValueError, match="96 steps"):
            settle(problem, lambda _: IDLE)


@MANY
@given(st.integers(0, 10**6))
def test_any_setpoints_lead_to_a_day_that_the_verifier_accepts_and_hindsight_beats(seed: int) -> None:
    draws = np.random.default_rng(seed)
    problem = random_problem(seed, scenarios=1, steps=STEPS, lowest=15.0).with_position(draws.uniform(-40, 40, 24))
    power = draws.uniform(-10, 10, STEPS)

    def anything(state: State) -> Setpoint:
        move = power[state.step]
        return Setpoint(max(move, 0.0), max(-move, 0.0), float(draws.uniform(0, 9)))

    schedule = settle(problem, anything)
    assert max(violations(problem, schedule).values()) < 1e-6
    assert cost(problem, hindsight(problem))[0] <= cost(problem, schedule)[0] + 1e-6


def test_a_controller_with_the_truth_does_as_well_as_hindsight(day: DayInputs) -> None:
    sold = day.truth().with_position(deterministic(day))
    truth = day.actual[-STEPS:]
    for hydro in (None, np.full(STEPS, 1.0)):
        perfect = settle(sold, Rolling(sold, lambda step: truth[None, step:], np.ones(1), hydro))
        assert cost(sold, perfect)[0] == pytest.approx(cost(sold, hindsight(sold, hydro))[0], abs=1e-3)


def test_all_scenarios_share_the_next_move_and_only_that(day: DayInputs) -> None:
    sold = day.truth().with_position(deterministic(day))
    known = updates(day.update, day.day_ahead, day.envelope, day.actual)
    points = np.array([-4.0, 0.0, 4.0])
    controller = Rolling(sold, fan(day.update, known, points), THREE[1])
    fleet = sold.fleet
    soc, level = fleet.soc_start * fleet.battery_energy, fleet.reservoir_start * fleet.reservoir
    for step in range(3):
        move = controller(State(step, soc, level, 0.0))
        soc += (move.charge * fleet.charge_efficiency - move.discharge / fleet.discharge_efficiency) / 4
        level += (sold.inflow[0, step] - move.hydro) / 4
        powers = {
            name: np.array([[cell.solution_value() for cell in row] for row in controller.twin.flow[name]])
            for name in MOVES
        }
        assert all(np.ptp(power[:, step]) < 1e-7 for power in powers.values())
        assert max(np.ptp(power[:, step + 1 :], axis=0).max() for power in powers.values()) > 1


def test_three_scenarios_without_spread_are_one(day: DayInputs) -> None:
    sold = day.truth().with_position(deterministic(day))
    sure = replace(day, update=replace(day.update, spread=np.zeros(STEPS)))
    assert cost(sold, run_mpc(sure, sold, points=THREE))[0] == pytest.approx(
        cost(sold, run_mpc(sure, sold, points=CERTAIN))[0], rel=0.01
    )


@pytest.mark.parametrize("points", [CERTAIN, THREE], ids=["certain", "three"])
def test_the_future_changes_no_setpoint(day: DayInputs, points: tuple[np.ndarray, np.ndarray]) -> None:
    """Two days that are the same until noon are run the same until noon, and not afterwards."""
    now = 48
    other = day.actual.copy()
    other[len(other) - STEPS + now :] *= np.array([0.3, 2.0, 0.7, 1.5])
    position = deterministic(day)
    moves = []
    for inputs in (day, replace(day, actual=other)):
        sold = inputs.truth().with_position(position)
        schedule = run_mpc(inputs, sold, points=points)
        moves.append(np.stack([schedule.charge[0], schedule.discharge[0], schedule.hydro[0]]))
    # The setpoint of quarter hour `now` is fixed before that quarter hour is seen.
    assert np.array_equal(moves[0][:, : now + 1], moves[1][:, : now + 1])
    assert not np.allclose(moves[0][:, now + 1 :], moves[1][:, now + 1 :])


def test_tracking_sees_the_running_quarter_hour_and_nothing_after_it(day: DayInputs) -> None:
    poisoned = day.actual.copy()
    rows = len(poisoned) - STEPS
    poisoned[rows + 31 :] = np.nan
    known = updates(day.update, day.day_ahead, day.envelope, poisoned)
    found = running(known, poisoned)(30)
    assert np.isfinite(found).all()
    assert np.array_equal(found[0], day.actual[rows + 30])
    assert np.array_equal(found[1:], known(30)[1:])


def test_the_fan_puts_its_spread_on_the_load(day: DayInputs) -> None:
    known = updates(day.update, day.day_ahead, day.envelope, day.actual)
    found = fan(day.update, known, np.array([-1.0, 0.0, 1.0]))(90)
    assert np.array_equal(found[1], known(90))
    # More net generation is less load.
    assert found[2, :, LOAD] == pytest.approx(found[1, :, LOAD] - day.update.spread[:6])


def test_the_battery_alone_leaves_the_turbine_as_it_is(day: DayInputs) -> None:
    sold = day.truth().with_position(deterministic(day))
    hydro = np.linspace(0, 4, STEPS)
    for points in (CERTAIN, THREE):
        assert run_mpc(day, sold, hydro, points=points).hydro[0] == pytest.approx(hydro)
    assert hindsight(sold, hydro).hydro[0] == pytest.approx(hydro)


def test_following_repeats_the_plan() -> None:
    problem = random_problem(4, scenarios=1, steps=STEPS, lowest=15.0).with_position(np.zeros(24))
    plan = hindsight(problem)
    again = settle(problem, follow(plan))
    assert again.soc == pytest.approx(plan.soc, abs=1e-6)
    assert cost(problem, again)[0] == pytest.approx(cost(problem, plan)[0], abs=1e-4)


def test_the_rule_takes_up_the_last_deviation() -> None:
    load = np.r_[np.full(4, 26.0), np.full(92, 23.0)]
    problem = plain_problem(20, load, steps=STEPS, position=np.zeros(24), fleet={"battery_energy": 1000.0})
    schedule = settle(problem, counter(problem, np.zeros(STEPS)))
    assert schedule.discharge[0, :7] == pytest.approx([0, 6, 6, 6, 6, 3, 3])
    assert schedule.charge.max() == 0


def test_the_controller_never_goes_both_ways_at_negative_prices() -> None:
    fleet = {"wear": 0.01, "hydro": 0.0}
    problem = plain_problem(0, 10, prices=flat(-100.0), fleet=fleet, steps=STEPS, position=np.full(24, -12.0))
    truth = np.zeros((STEPS, 4))
    truth[:, LOAD] = 10
    for schedule in (
        settle(problem, Rolling(problem, lambda step: truth[None, step:], np.ones(1))),
        hindsight(problem),
    ):
        assert np.minimum(schedule.charge, schedule.discharge).max() < 1e-6
        assert max(violations(problem, schedule).values()) < 1e-6
