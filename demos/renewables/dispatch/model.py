"""The dispatch model in PuLP, solved by CBC, or by the HiGHS inside OR-Tools in a process of its own.

    least  - sum_h price_h q_h
           + sum_s w_s [ sum_t dt (short_price short - long_price long + wear (charge + discharge) + lost_load shed)
                         - battery_value (soc_T - soc_0) - water_value (level_T - level_0) ]
    grid  = available - curtailed + hydro + discharge - charge - load + shed,   -import_limit <= grid <= export_limit
    grid  = q_h + long - short
    soc   = soc before + dt (charge_efficiency charge - discharge / discharge_efficiency)
    level = level before + dt (inflow - hydro - spill)

Charging and discharging at once: energy has a dual price of at least the price of being long, for `long` may always
grow (up to the grid limit, where curtailment at no cost keeps the dual price from falling below 0). Where that is not
negative, destroying energy in the battery earns nothing and costs wear, so the LP never does it. Where it is
negative it may, so each solution is looked at, and if the battery does both in a step, the day is solved again with a
binary in each step. That is exact: the LP without binaries is a relaxation, optimal wherever it is feasible.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

# isort: split
# OR-Tools comes first: PuLP loads highspy where it is installed, and OR-Tools cannot be loaded after that.
import ortools.linear_solver.pywraplp  # noqa: F401

# isort: split
import pulp

from demos.renewables.dispatch.config import DispatchSolverConfig
from demos.renewables.dispatch.problem import FLOWS, Problem, Schedule, upper
from shared.errors import UserError

BOTH = 1e-6  # [MW] the least power that counts as charging while discharging
Variables = dict[str, list[list[Any]]]


def solve(problem: Problem, solver: DispatchSolverConfig) -> tuple[Schedule, float]:
    """The cheapest schedule and its expected cost [EUR].

    Raises UserError when the solver stopped before it had proved the optimum, ValueError when there is no schedule.
    """
    schedule, objective = _solve(problem, solver, binaries=False)
    if charges_while_discharging(schedule):
        schedule, objective = _solve(problem, solver, binaries=True)
    return schedule, objective


def charges_while_discharging(schedule: Schedule) -> bool:
    """Whether the battery does both in any step."""
    return bool((np.minimum(schedule.charge, schedule.discharge) > BOTH).any())


def _solve(problem: Problem, solver: DispatchSolverConfig, binaries: bool) -> tuple[Schedule, float]:
    with warnings.catch_warnings():
        # PuLP 3.3 warns of names of 4.0 that PuLP 3.1 does not have.
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=r".*PuLP 4\.0")
        return _solved(problem, solver, binaries)


def _solved(problem: Problem, solver: DispatchSolverConfig, binaries: bool) -> tuple[Schedule, float]:
    model, position, flows = build(problem, binaries)
    status = (_cbc if solver.name == "cbc" else _highs)(model, solver.seconds)
    if status != "optimal":
        if status == "limit":
            raise UserError(f"the day-ahead plan was not optimal after dispatch.solver.seconds={solver.seconds:g}")
        raise ValueError(f"dispatch model is {status}")
    values = {
        name: np.array([[variable.varValue for variable in row] for row in rows], dtype=float)
        for name, rows in flows.items()
    }
    sold = np.array([variable.varValue for variable in position], dtype=float)
    return Schedule(position=sold, **values), float(pulp.value(model.objective))


def build(problem: Problem, binaries: bool = False) -> tuple[pulp.LpProblem, list[Any], Variables]:
    """The PuLP model, its 24 positions and its flows [scenario][step]."""
    fleet, (scenarios, steps) = problem.fleet, problem.available.shape
    model = pulp.LpProblem("dispatch", pulp.LpMinimize)
    bounds = (-fleet.import_limit, fleet.export_limit)
    fixed = problem.position
    position = [
        pulp.LpVariable(f"q_{hour}", *(bounds if fixed is None else (fixed[hour], fixed[hour]))) for hour in range(24)
    ]
    low = {name: -fleet.import_limit if name == "grid" else 0.0 for name in FLOWS}
    # PuLP takes None for no bound.
    tops = {name: np.where(np.isinf(top), np.array(None), top) for name, top in upper(problem).items()}
    flows: Variables = {
        name: [
            [pulp.LpVariable(f"{name}_{s}_{t}", low[name], tops[name][s, t]) for t in range(steps)]
            for s in range(scenarios)
        ]
        for name in FLOWS
    }
    model.setObjective(_objective(problem, position, flows))
    for s in range(scenarios):
        for t in range(steps):
            step = {name: rows[s][t] for name, rows in flows.items()}
            before = {name: flows[name][s][t - 1] if t else None for name in ("soc", "level")}
            for row in _rows(problem, s, t, step, before, position[problem.hour(t)]):
                model.addConstraint(row)
            if binaries:
                charging = pulp.LpVariable(f"charging_{s}_{t}", cat=pulp.LpBinary)
                model.addConstraint(step["charge"] - fleet.battery * charging <= 0)
                model.addConstraint(step["discharge"] + fleet.battery * charging <= fleet.battery)
    return model, position, flows


def _equal(terms: list[tuple[Any, float]], right: float) -> Any:
    return pulp.LpConstraint(pulp.LpAffineExpression(terms), pulp.LpConstraintEQ, rhs=right)


def _rows(problem: Problem, s: int, t: int, step: dict[str, Any], before: dict[str, Any], sold: Any) -> list[Any]:
    fleet, hours = problem.fleet, problem.hours
    free = float(problem.available[s, t] - problem.load[s, t])
    soc = [
        (step["soc"], 1.0),
        (step["charge"], -hours * fleet.charge_efficiency),
        (step["discharge"], hours / fleet.discharge_efficiency),
    ]
    level = [(step["level"], 1.0), (step["hydro"], hours), (step["spill"], hours)]
    soc_right, level_right = 0.0, hours * float(problem.inflow[s, t])
    if t:
        soc.append((before["soc"], -1.0))
        level.append((before["level"], -1.0))
    else:
        soc_right += fleet.soc_start * fleet.battery_energy
        level_right += fleet.reservoir_start * fleet.reservoir
    signs = {"grid": 1.0, "curtailed": 1.0, "hydro": -1.0, "discharge": -1.0, "charge": 1.0, "shed": -1.0}
    return [
        _equal([(step[name], sign) for name, sign in signs.items()], free),
        _equal([(step["grid"], 1.0), (sold, -1.0), (step["long"], -1.0), (step["short"], 1.0)], 0.0),
        _equal(soc, soc_right),
        _equal(level, level_right),
    ]


def _objective(problem: Problem, position: list[Any], flows: Variables) -> Any:
    market, fleet, hours = problem.market, problem.fleet, problem.hours
    short, long = problem.per_step(problem.prices.short), problem.per_step(problem.prices.long)
    terms = [(sold, -float(price)) for sold, price in zip(position, problem.prices.day_ahead, strict=True)]
    for s, weight in enumerate(problem.weights):
        share = float(weight) * hours
        for t in range(problem.steps):
            terms += [
                (flows["short"][s][t], share * float(short[t])),
                (flows["long"][s][t], -share * float(long[t])),
                (flows["charge"][s][t], share * fleet.wear),
                (flows["discharge"][s][t], share * fleet.wear),
                (flows["shed"][s][t], share * market.lost_load),
            ]
        terms.append((flows["soc"][s][-1], -float(weight) * market.battery_value))
        terms.append((flows["level"][s][-1], -float(weight) * market.water_value))
    start = market.battery_value * fleet.soc_start * fleet.battery_energy
    start += market.water_value * fleet.reservoir_start * fleet.reservoir
    return pulp.LpAffineExpression(terms, constant=start)


def _cbc(model: pulp.LpProblem, seconds: float) -> str:
    """PuLP says Optimal at a time limit too; the status of the solution tells them apart."""
    model.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=seconds))
    if model.sol_status == pulp.LpSolutionOptimal:
        return "optimal"
    if model.status in (pulp.LpStatusInfeasible, pulp.LpStatusUnbounded):
        return str(pulp.LpStatus[model.status]).lower()
    return "limit"


def _highs(model: pulp.LpProblem, seconds: float) -> str:
    """Write the model as MPS, solve it in a fresh process, read the values back by name."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.mps"
        model.writeMPS(str(file))
        words = [sys.executable, "-m", "demos.renewables.dispatch.highs", str(file), str(seconds)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"dispatch.solver.name=highs: its process failed: {reason}; dispatch.solver.name=cbc works")
    answer = json.loads(done.stdout.splitlines()[-1])
    if answer["status"] == "optimal":
        for variable in model.variables():
            # A variable in no row and not in the objective is not in the file either.
            variable.varValue = answer["values"].get(variable.name, variable.lowBound or 0.0)
    return str(answer["status"])
