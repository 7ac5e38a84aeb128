"""The LP against known answers, against its twin, against the verifier; negative prices; what a solver may say."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.renewables.dispatch import model
from demos.renewables.dispatch.check import Twin, violations
from demos.renewables.dispatch.config import DispatchSolverConfig
from demos.renewables.dispatch.model import charges_while_discharging, solve
from demos.renewables.dispatch.problem import FLOWS, Prices, Problem, cost, make_prices
from demos.renewables.dispatch.scenarios import net_generation
from shared.errors import UserError
from tests.demos.renewables.dispatch.conftest import FEW, flat, plain_problem, random_problem

# PuLP as the model imports it, after OR-Tools: the other way round the two may clash.
CBC, HIGHS = DispatchSolverConfig(name="cbc"), DispatchSolverConfig(name="highs")
NO_STORES = {"hydro": 0.0, "battery": 0.0}


def test_what_is_missing_is_bought_at_the_day_ahead_price() -> None:
    schedule, objective = solve(plain_problem(available=20, load=30, fleet=NO_STORES), CBC)
    assert schedule.position == pytest.approx(np.full(24, -10.0))
    assert objective == pytest.approx(24 * 10 * 30)


def test_the_two_stage_position_is_the_newsvendors_quantile() -> None:
    problem = plain_problem(fleet=NO_STORES, prices=flat(30, short=50, long=15))
    net = np.array([-30.0, -22, -14, -9, -1, 4, 11, 19, 33])
    available = np.maximum(net, 0)[:, None] * np.ones(24)
    load = np.maximum(-net, 0)[:, None] * np.ones(24)
    problem = replace(problem, available=available, load=load, inflow=0 * load, weights=np.full(9, 1 / 9))
    # 15 / (15 + 50) lies between 2/9 and 3/9: the third lowest.
    assert solve(problem, CBC)[0].position == pytest.approx(np.full(24, -14.0), abs=1e-6)
    # Where both cost the same it is the median.
    even = replace(problem, prices=flat(30, short=15, long=15))
    assert solve(even, CBC)[0].position == pytest.approx(np.full(24, -1.0), abs=1e-6)


def test_the_battery_buys_low_and_sells_high_once() -> None:
    fleet = {"hydro": 0.0, "soc_start": 0.0, "wear": 4.0, "battery": 10.0, "battery_energy": 20.0}
    day_ahead = np.r_[np.full(12, 10.0), np.full(12, 50.0)]
    prices = Prices(day_ahead, day_ahead + 50, day_ahead - 5)
    problem = plain_problem(0.0, 0.0, fleet=fleet, prices=prices, market={"battery_value": 0.0})
    schedule, objective = solve(problem, CBC)
    bought, sold = 20 / 0.95, 20 * 0.95
    assert objective == pytest.approx(bought * (10 + 4) - sold * (50 - 4))
    assert schedule.soc[0, 11] == pytest.approx(20.0)
    assert schedule.soc[0, -1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("water_value", "released"), [(20.0, 24 * 2.0 + 100), (40.0, 0.0)])
def test_water_runs_when_it_is_worth_less_than_power(water_value: float, released: float) -> None:
    fleet = {"battery": 0.0, "hydro": 9.0, "reservoir": 200.0, "reservoir_start": 0.5}
    problem = plain_problem(0, 60, inflow=2, fleet=fleet, market={"water_value": water_value})
    schedule, _ = solve(problem, CBC)
    assert schedule.hydro.sum() == pytest.approx(released, abs=1e-4)
    assert schedule.spill.sum() == pytest.approx(0.0, abs=1e-6)


def test_a_full_reservoir_spills_what_the_turbine_cannot_take() -> None:
    fleet = {"battery": 0.0, "hydro": 1.0, "reservoir": 100.0, "reservoir_start": 1.0}
    schedule, _ = solve(plain_problem(0, 60, inflow=3, fleet=fleet, market={"water_value": 1.0}), CBC)
    assert schedule.spill.sum() == pytest.approx(24 * 2.0)


def test_beyond_the_grid_limit_power_is_curtailed_or_load_shed() -> None:
    schedule, _ = solve(plain_problem(100, 0, fleet={**NO_STORES, "export_limit": 40.0}), CBC)
    assert schedule.curtailed == pytest.approx(np.full((1, 24), 60.0))
    schedule, objective = solve(plain_problem(0, 50, fleet={**NO_STORES, "import_limit": 30.0}), CBC)
    assert schedule.shed == pytest.approx(np.full((1, 24), 20.0))
    assert objective == pytest.approx(24 * (30 * 30 + 20 * 3000))


@FEW
@given(st.integers(0, 10**6))
def test_both_models_and_the_cost_function_agree_and_the_verifier_is_content(seed: int) -> None:
    problem = random_problem(seed, lowest=15.0)
    schedule, objective = solve(problem, CBC)
    assert Twin(problem).solve() == pytest.approx(objective, rel=1e-6, abs=1e-3)
    assert float(problem.weights @ cost(problem, schedule)) == pytest.approx(objective, rel=1e-6, abs=1e-3)
    assert max(violations(problem, schedule).values()) < 1e-4
    assert not charges_while_discharging(schedule)


def test_quarter_hours_share_the_position_of_their_hour() -> None:
    problem = random_problem(3, scenarios=1, steps=96, lowest=15.0)
    schedule, objective = solve(problem, CBC)
    assert schedule.position.shape == (24,)
    assert Twin(problem).solve() == pytest.approx(objective, rel=1e-6)
    assert max(violations(problem, schedule).values()) < 1e-4


def test_the_better_informed_are_never_worse_in_the_model() -> None:
    """Wait and see <= here and now <= expected-value plan: Birge and Louveaux, ch. 4."""
    for seed in range(5):
        problem = random_problem(seed, scenarios=5, lowest=15.0)
        here_and_now = Twin(problem).solve()
        ones = np.ones(1)
        alone = [
            replace(problem, available=problem.available[[s]], load=problem.load[[s]], inflow=problem.inflow[[s]],
                    weights=ones)
            for s in range(5)
        ]  # fmt: skip
        wait_and_see = sum(w * Twin(one).solve() for w, one in zip(problem.weights, alone, strict=True))
        mean = Twin(
            replace(
                problem,
                available=(problem.weights @ problem.available)[None],
                load=(problem.weights @ problem.load)[None],
                inflow=(problem.weights @ problem.inflow)[None],
                weights=ones,
            )
        )
        mean.solve()
        expected_value = Twin(problem.with_position(mean.schedule().position)).solve()
        assert wait_and_see < here_and_now < expected_value


def negative() -> Problem:
    """Being paid 100 EUR/MWh to take power, and nothing to curtail: burning it in the battery pays."""
    market = {"floor": -500.0, "long_floor": -500.0}
    return plain_problem(0, 10, prices=flat(-100.0), fleet={"wear": 0.01, "hydro": 0.0}, market=market)


@pytest.mark.parametrize("solver", [CBC, HIGHS], ids=["cbc", "highs"])
def test_negative_prices_get_binaries_and_the_battery_never_does_both(solver: DispatchSolverConfig) -> None:
    problem = negative()
    relaxed, bound = model._solve(problem, CBC, binaries=False)
    assert charges_while_discharging(relaxed)
    assert violations(problem, relaxed)["both ways"] > 1
    schedule, objective = solve(problem, solver)
    assert not charges_while_discharging(schedule)
    assert objective > bound + 1
    assert Twin(problem, binaries=True).solve() == pytest.approx(objective, rel=1e-6)


def test_highs_in_its_own_process_finds_the_same() -> None:
    problem = random_problem(1, lowest=15.0)
    schedule, objective = solve(problem, HIGHS)
    assert objective == pytest.approx(Twin(problem).solve(), rel=1e-7)
    assert max(violations(problem, schedule).values()) < 1e-6


def test_a_highs_process_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(returncode=1, stdout="", stderr="Traceback\nImportError: no library")
    monkeypatch.setattr(model.subprocess, "run", lambda *_, **__: broken)
    with pytest.raises(UserError, match=r"ImportError: no library; dispatch\.solver\.name=cbc works"):
        solve(plain_problem(), HIGHS)


def test_optimal_at_a_time_limit_is_not_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Any, solver: object) -> int:
        self.status, self.sol_status = model.pulp.LpStatusOptimal, model.pulp.LpSolutionIntegerFeasible
        return int(self.status)

    monkeypatch.setattr(model.pulp.LpProblem, "solve", stopped)
    with pytest.raises(UserError, match=r"not optimal after dispatch\.solver.seconds=60"):
        solve(plain_problem(), CBC)


def test_an_infeasible_model_is_said_to_be() -> None:
    problem = plain_problem(position=np.zeros(24))
    with pytest.raises(ValueError, match="infeasible"):
        solve(replace(problem, fleet=problem.fleet.model_copy(update={"soc_start": 50.0})), CBC)


@pytest.mark.parametrize("name", [*FLOWS, "position"])
def test_the_verifier_notices_a_change_of_any_array(name: str) -> None:
    problem = random_problem(5, lowest=15.0).with_position(np.full(24, -5.0))
    twin = Twin(problem)
    twin.solve()
    schedule = twin.schedule()
    assert max(violations(problem, schedule).values()) < 1e-6
    for change in (1.0, -1.0):
        values = getattr(schedule, name).copy()
        values[..., 7] += change
        assert max(violations(problem, replace(schedule, **{name: values})).values()) > 0.2


def test_the_verifier_tells_bounds_from_balances() -> None:
    problem = plain_problem(fleet={"export_limit": 5.0})
    twin = Twin(problem)
    twin.solve()
    schedule = twin.schedule()
    # Consistent, but through a grid connection that does not exist.
    more = replace(schedule, grid=schedule.grid + 30, shed=schedule.shed + 30, long=schedule.long + 30)
    found = violations(problem, more)
    assert found["balance"] < 1e-9
    assert found["settlement"] < 1e-9
    assert found["bounds of grid"] == pytest.approx(schedule.grid.max() + 30 - 5)
    assert found["bounds of grid"] > 10


def test_prices_follow_net_load_within_their_limits() -> None:
    market = plain_problem(market={"price": 30.0, "slope": 1.0, "floor": 5.0, "cap": 60.0}).market
    prices = make_prices(np.r_[np.full(22, 12.0), -500.0, 500.0], usual=10.0, market=market)
    assert prices.day_ahead[[0, 22, 23]].tolist() == [32.0, 5.0, 60.0]
    assert (prices.short - prices.day_ahead == market.short_premium).all()
    # Less than the floor is never paid.
    assert prices.long[[0, 22]].tolist() == [32.0 - market.long_discount, 0.0]
    assert net_generation(np.array([5.0, 3.0, 20.0, 1.0])) == -12.0
