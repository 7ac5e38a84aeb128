"""The same LP written a second time, in OR-Tools, and a check of any schedule that knows no solver at all.

`Twin` shares no line with the PuLP model. It keeps its model, so that the rolling controller can change right-hand
sides and solve again from the last basis in a millisecond or two, where PuLP would write a file and start a process.
"""

from __future__ import annotations

import numpy as np
from ortools.linear_solver import pywraplp

from demos.renewables.dispatch.problem import FLOWS, Problem, Schedule, upper


class Twin:
    """One problem in OR-Tools: GLOP without binaries, SCIP with them."""

    def __init__(self, problem: Problem, binaries: bool = False) -> None:
        self.problem = problem
        self.solver = pywraplp.Solver.CreateSolver("SCIP" if binaries else "GLOP")
        fleet, tops = problem.fleet, upper(problem)
        self.shape = problem.available.shape
        made, infinity = self.solver.NumVar, self.solver.infinity()
        fixed = problem.position
        sides = [(-fleet.import_limit, fleet.export_limit)] * 24 if fixed is None else [(q, q) for q in fixed]
        self.position = [made(float(low), float(high), "") for low, high in sides]
        self.flow = {
            name: [
                [made(-fleet.import_limit if name == "grid" else 0.0, min(float(top), infinity), "") for top in row]
                for row in tops[name]
            ]
            for name in FLOWS
        }
        self._price()
        self.balance = [[self._balance(s, t) for t in range(self.shape[1])] for s in range(self.shape[0])]
        self.water = [[self._water(s, t) for t in range(self.shape[1])] for s in range(self.shape[0])]
        self.store = [[self._store(s, t) for t in range(self.shape[1])] for s in range(self.shape[0])]
        for s in range(self.shape[0]):
            for t in range(self.shape[1]):
                self._settle(s, t)
                if binaries:
                    self._either(s, t)

    def _price(self) -> None:
        problem, goal = self.problem, self.solver.Objective()
        market, hours = problem.market, problem.hours
        goal.SetMinimization()
        for hour, variable in enumerate(self.position):
            goal.SetCoefficient(variable, -float(problem.prices.day_ahead[hour]))
        for s in range(self.shape[0]):
            weight = float(problem.weights[s])
            for t in range(self.shape[1]):
                hour = problem.hour(t)
                for name, price in (
                    ("short", problem.prices.short[hour]),
                    ("long", -problem.prices.long[hour]),
                    ("charge", problem.fleet.wear),
                    ("discharge", problem.fleet.wear),
                    ("shed", market.lost_load),
                ):
                    goal.SetCoefficient(self.flow[name][s][t], weight * hours * float(price))
            goal.SetCoefficient(self.flow["soc"][s][-1], -weight * market.battery_value)
            goal.SetCoefficient(self.flow["level"][s][-1], -weight * market.water_value)
        fleet = problem.fleet
        stored = market.battery_value * fleet.soc_start * fleet.battery_energy
        goal.SetOffset(stored + market.water_value * fleet.reservoir_start * fleet.reservoir)

    def _balance(self, s: int, t: int) -> pywraplp.Constraint:
        """Supply less demand: its right-hand side is load less available power."""
        need = float(self.problem.load[s, t] - self.problem.available[s, t])
        row = self.solver.Constraint(need, need)
        for name, sign in (
            ("hydro", 1),
            ("discharge", 1),
            ("shed", 1),
            ("charge", -1),
            ("curtailed", -1),
            ("grid", -1),
        ):
            row.SetCoefficient(self.flow[name][s][t], sign)
        return row

    def _settle(self, s: int, t: int) -> None:
        row = self.solver.Constraint(0.0, 0.0)
        row.SetCoefficient(self.position[self.problem.hour(t)], 1)
        for name, sign in (("long", 1), ("short", -1), ("grid", -1)):
            row.SetCoefficient(self.flow[name][s][t], sign)

    def _store(self, s: int, t: int) -> pywraplp.Constraint:
        fleet, hours = self.problem.fleet, self.problem.hours
        start = 0.0 if t else fleet.soc_start * fleet.battery_energy
        row = self.solver.Constraint(start, start)
        row.SetCoefficient(self.flow["soc"][s][t], 1)
        if t:
            row.SetCoefficient(self.flow["soc"][s][t - 1], -1)
        row.SetCoefficient(self.flow["charge"][s][t], -hours * fleet.charge_efficiency)
        row.SetCoefficient(self.flow["discharge"][s][t], hours / fleet.discharge_efficiency)
        return row

    def _water(self, s: int, t: int) -> pywraplp.Constraint:
        fleet, hours = self.problem.fleet, self.problem.hours
        start = 0.0 if t else fleet.reservoir_start * fleet.reservoir
        right = start + hours * float(self.problem.inflow[s, t])
        row = self.solver.Constraint(right, right)
        row.SetCoefficient(self.flow["level"][s][t], 1)
        if t:
            row.SetCoefficient(self.flow["level"][s][t - 1], -1)
        row.SetCoefficient(self.flow["hydro"][s][t], hours)
        row.SetCoefficient(self.flow["spill"][s][t], hours)
        return row

    def _either(self, s: int, t: int) -> None:
        charging, power = self.solver.BoolVar(""), self.problem.fleet.battery
        row = self.solver.Constraint(-self.solver.infinity(), 0.0)
        row.SetCoefficient(self.flow["charge"][s][t], 1)
        row.SetCoefficient(charging, -power)
        row = self.solver.Constraint(-self.solver.infinity(), power)
        row.SetCoefficient(self.flow["discharge"][s][t], 1)
        row.SetCoefficient(charging, power)

    def solve(self) -> float:
        """The objective [EUR]. Raises ValueError unless it is proved optimal."""
        status = self.solver.Solve()
        if status != pywraplp.Solver.OPTIMAL:
            raise ValueError(f"OR-Tools ended with status {status}, not with an optimum")
        return float(self.solver.Objective().Value())

    def schedule(self) -> Schedule:
        """What was found."""
        flows = {
            name: np.array([[variable.solution_value() for variable in row] for row in rows])
            for name, rows in self.flow.items()
        }
        return Schedule(position=np.array([variable.solution_value() for variable in self.position]), **flows)


def violations(problem: Problem, schedule: Schedule) -> dict[str, float]:
    """The greatest violation of each rule, in its own unit (MW or MWh), from the arrays alone; all 0 is feasible."""
    fleet, hours = problem.fleet, problem.hours
    made = problem.available - schedule.curtailed + schedule.hydro + schedule.discharge
    used = schedule.charge + problem.load - schedule.shed
    sold = problem.per_step(schedule.position)
    soc = _before(schedule.soc, fleet.soc_start * fleet.battery_energy)
    stored = fleet.charge_efficiency * schedule.charge - schedule.discharge / fleet.discharge_efficiency
    level = _before(schedule.level, fleet.reservoir_start * fleet.reservoir)
    water = problem.inflow - schedule.hydro - schedule.spill
    found = {
        "balance": np.abs(made - used - schedule.grid).max(),
        "settlement": np.abs(sold + schedule.long - schedule.short - schedule.grid).max(),
        "soc": np.abs(soc + hours * stored - schedule.soc).max(),
        "level": np.abs(level + hours * water - schedule.level).max(),
        "both ways": np.minimum(schedule.charge, schedule.discharge).max(),
        "short and long": np.minimum(schedule.short, schedule.long).max(),
    }
    for name, top in upper(problem).items():
        low = -fleet.import_limit if name == "grid" else 0.0
        values = getattr(schedule, name)
        found[f"bounds of {name}"] = max(0.0, float((values - top).max()), float((low - values).max()))
    if problem.position is not None:
        found["position"] = np.abs(schedule.position - problem.position).max()
    return {name: float(value) for name, value in found.items()}


def _before(values: np.ndarray, start: float) -> np.ndarray:
    return np.column_stack([np.full(len(values), start), values[:, :-1]])
