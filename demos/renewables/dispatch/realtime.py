"""Real time: a position is sold, the day comes a quarter hour at a time, and everybody is settled by the same rules.

A controller sets battery and hydro for the next quarter hour before it begins, from what had ended by then. What then
really happens is settled here: the turbine gets no more water than there is, surplus beyond the grid limit is
curtailed, and surplus that would be paid a negative price is too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from demos.renewables.dispatch.check import Twin
from demos.renewables.dispatch.composite import INFLOW, LOAD, PV, STEPS, WIND
from demos.renewables.dispatch.model import BOTH, charges_while_discharging
from demos.renewables.dispatch.problem import FLOWS, Problem, Schedule, make_problem
from demos.renewables.dispatch.scenarios import Update

Array = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """What a controller sees before quarter hour `step` (0 to 95): energies [MWh], and what it did in the hour before.

    deviation: grid less position in the quarter hour that has just ended [MW], 0 at the start.
    """

    step: int
    soc: float
    level: float
    deviation: float


@dataclass(frozen=True)
class Setpoint:
    """Powers for the next quarter hour [MW]."""

    charge: float
    discharge: float
    hydro: float


Controller = Callable[[State], Setpoint]
Fan = Callable[[int], Array]
MOVES = ("charge", "discharge", "hydro")
# (points, weights) of net generation in standard errors: one forecast, or three; the three were chosen on validation
# days among six sets.
CERTAIN = (np.zeros(1), np.ones(1))
THREE = (np.array([-1.0, 0.0, 1.0]), np.array([0.25, 0.5, 0.25]))


def settle(problem: Problem, controller: Controller) -> Schedule:
    """The day as it goes. problem: one scenario, 96 steps, position fixed, with the actual powers.

    A full or empty store stops by itself; raises ValueError for a setpoint that is negative, above the rating or both
    ways.
    """
    fleet, hours = problem.fleet, problem.hours
    if problem.position is None or problem.available.shape != (1, STEPS):
        raise ValueError("a day is settled for one scenario of 96 steps and a fixed position")
    out = {name: np.zeros((1, STEPS)) for name in FLOWS}
    soc, level, deviation = fleet.soc_start * fleet.battery_energy, fleet.reservoir_start * fleet.reservoir, 0.0
    sold, long_price = problem.per_step(problem.position), problem.per_step(problem.prices.long)
    for t in range(STEPS):
        asked = controller(State(t, soc, level, deviation))
        inflow = float(problem.inflow[0, t])
        step = _physical(problem, t, asked, State(t, soc, level, deviation))
        soc += hours * (fleet.charge_efficiency * step["charge"] - step["discharge"] / fleet.discharge_efficiency)
        level += hours * (inflow - step["hydro"])
        spilled = max(level - fleet.reservoir, 0.0)
        level -= spilled
        deviation = step["grid"] - sold[t]
        if deviation > 0 and long_price[t] < 0:
            cut = min(deviation, problem.available[0, t] - step["curtailed"])
            step["curtailed"] += cut
            step["grid"] -= cut
            deviation -= cut
        ended = {"soc": soc, "level": level, "spill": spilled / hours}
        for name, value in {**step, **ended, "long": max(deviation, 0.0), "short": max(-deviation, 0.0)}.items():
            out[name][0, t] = value
    return Schedule(position=problem.position, **out)


def _physical(problem: Problem, t: int, asked: Setpoint, state: State) -> dict[str, float]:
    """Powers of one quarter hour within the limits of water, store and grid [MW]."""
    fleet, hours = problem.fleet, problem.hours
    wanted = (asked.charge, asked.discharge, asked.hydro)
    if min(wanted) < -BOTH or max(wanted[:2]) > fleet.battery + BOTH or min(wanted[:2]) > BOTH:
        raise ValueError(f"step {t}: impossible {asked}")
    hydro = min(max(asked.hydro, 0.0), state.level / hours + float(problem.inflow[0, t]), fleet.hydro)
    room = max(fleet.battery_energy - state.soc, 0.0)
    charge = min(max(asked.charge, 0.0), fleet.battery, room / hours / fleet.charge_efficiency)
    discharge = min(max(asked.discharge, 0.0), fleet.battery, state.soc / hours * fleet.discharge_efficiency)
    available, load = float(problem.available[0, t]), float(problem.load[0, t])
    grid = available + hydro + discharge - charge - load
    curtailed = min(max(grid - fleet.export_limit, 0.0), available)
    grid -= curtailed
    # Nothing left to curtail: turbine and battery give way.
    less = min(max(grid - fleet.export_limit, 0.0), hydro)
    hydro, grid = hydro - less, grid - less
    less = min(max(grid - fleet.export_limit, 0.0), discharge)
    discharge, grid = discharge - less, grid - less
    less = min(max(-fleet.import_limit - grid, 0.0), charge)
    charge, grid = charge - less, grid + less
    shed = max(-fleet.import_limit - grid, 0.0)
    return {
        "charge": charge,
        "discharge": discharge,
        "hydro": hydro,
        "curtailed": curtailed,
        "shed": shed,
        "grid": grid + shed,
    }


class Rolling:
    """Model predictive control: before each quarter hour, the rest of the day is planned again on updated forecasts.

    forecast: step -> (S, 96 - step, 4) [MW], what the rest of the day may be, from what had ended before that step;
    weights: (S,), sum 1. With S > 1 the move of the next quarter hour is one for all, the rest differs: two stages
    again. hydro: (96,) turbine powers that are kept to, or None where the controller moves the turbine too.
    """

    def __init__(self, problem: Problem, forecast: Fan, weights: Array, hydro: Array | None = None) -> None:
        self.plan = make_problem(
            forecast(0), weights, problem.prices, problem.fleet, problem.market, position=problem.position
        )
        self.twin, self.forecast, self.hydro = Twin(self.plan), forecast, hydro
        self.infinity = self.twin.solver.infinity()
        self.scenarios = range(len(weights))
        self.common = [self._common(t) for t in range(STEPS)]
        if hydro is not None:
            for s in self.scenarios:
                for t in range(STEPS):
                    self.twin.flow["hydro"][s][t].SetBounds(float(hydro[t]), float(hydro[t]))
                    # Water is no longer the controller's: a forecast of too little inflow must not stop it.
                    self.twin.water[s][t].SetBounds(-self.infinity, self.infinity)

    def _common(self, t: int) -> list[pywraplp.Constraint]:
        """Rows, idle at first, that make the move of step t the same in all scenarios."""
        rows = []
        for s in self.scenarios[1:]:
            for name in ("charge", "discharge", "hydro"):
                row = self.twin.solver.Constraint(-self.infinity, self.infinity)
                row.SetCoefficient(self.twin.flow[name][s][t], 1)
                row.SetCoefficient(self.twin.flow[name][0][t], -1)
                rows.append(row)
        return rows

    def __call__(self, state: State) -> Setpoint:
        """The first move of the new plan."""
        t = state.step
        for s, powers in enumerate(self.forecast(t)):
            self._look_ahead(s, powers, state)
        for row in self.common[t]:
            row.SetBounds(0.0, 0.0)
        self.twin.solve()
        charge, discharge, hydro = (self.twin.flow[name][0][t].solution_value() for name in MOVES)
        return self._one_way(charge, discharge, hydro, state)

    def _look_ahead(self, s: int, powers: Array, state: State) -> None:
        """Fix what is past, renew the rest."""
        flow, hours = self.twin.flow, self.plan.hours
        if state.step:
            last = state.step - 1
            for name, value in (("soc", state.soc), ("level", state.level)):
                flow[name][s][last].SetBounds(value, value)
            # The rows of a step that is past leave the plan: only its energies at the end still matter.
            for rows in (self.twin.balance, self.twin.water, self.twin.store):
                rows[s][last].SetBounds(-self.infinity, self.infinity)
        need, made = powers[:, LOAD] - powers[:, PV] - powers[:, WIND], powers[:, PV] + powers[:, WIND]
        for at, t in enumerate(range(state.step, STEPS)):
            right = float(need[at])
            self.twin.balance[s][t].SetBounds(right, right)
            flow["curtailed"][s][t].SetUb(float(made[at]))
            flow["shed"][s][t].SetUb(float(powers[at, LOAD]))
            if self.hydro is None:
                start = 0.0 if t else self.plan.fleet.reservoir_start * self.plan.fleet.reservoir
                water = start + hours * float(powers[at, INFLOW])
                self.twin.water[s][t].SetBounds(water, water)

    def _one_way(self, charge: float, discharge: float, hydro: float, state: State) -> Setpoint:
        """Never both ways: where negative prices made the LP do both, the same change of the store with less power."""
        fleet, hours = self.plan.fleet, self.plan.hours
        stored = fleet.charge_efficiency * charge - discharge / fleet.discharge_efficiency
        stored = min(max(stored, -state.soc / hours), (fleet.battery_energy - state.soc) / hours)
        if stored >= 0:
            return Setpoint(stored / fleet.charge_efficiency, 0.0, hydro)
        return Setpoint(0.0, -stored * fleet.discharge_efficiency, hydro)


def follow(schedule: Schedule) -> Controller:
    """Battery and hydro as planned the day before, whatever happens. schedule: one scenario, 96 steps."""

    def keep(state: State) -> Setpoint:
        t = state.step
        return Setpoint(schedule.charge[0, t], schedule.discharge[0, t], schedule.hydro[0, t])

    return keep


def counter(problem: Problem, hydro: Array) -> Controller:
    """Rule: the battery takes up the deviation of the quarter hour that has just ended; the turbine runs as planned.

    hydro: (96,) [MW].
    """
    fleet, hours = problem.fleet, problem.hours
    net = [0.0]

    def rule(state: State) -> Setpoint:
        # Without the battery, the last deviation would have been this; expect it once more.
        wanted = state.deviation - net[0]
        most = min(fleet.battery, (fleet.battery_energy - state.soc) / hours / fleet.charge_efficiency)
        charge = min(max(wanted, 0.0), most)
        discharge = min(max(-wanted, 0.0), fleet.battery, state.soc / hours * fleet.discharge_efficiency)
        net[0] = discharge - charge
        return Setpoint(charge, discharge, float(hydro[state.step]))

    return rule


def fan(update: Update, known: Callable[[int], Array], points: Array) -> Fan:
    """Forecasts of the rest of the day (S, 96 - step, 4): net generation points (S,) times its spread off the update.

    The spread is put on the load, with one sign for the whole rest of the day: errors last for hours.
    """

    def forecast(step: int) -> Array:
        rest = known(step)
        found = np.repeat(rest[None], len(points), axis=0)
        found[..., LOAD] = np.maximum(found[..., LOAD] - points[:, None] * update.spread[: len(rest)], 0.0)
        return found

    return forecast


def updates(update: Update, day_ahead: Array, envelope: Array, actual: Array) -> Callable[[int], Array]:
    """Forecasts of the rest of the day before each step; only rows that have ended are ever looked at.

    day_ahead: (rows, 4) of the issue, envelope (rows,), actual (rows, 4) of the same quarter hours.
    """
    ahead = len(day_ahead) - STEPS

    def forecast(step: int) -> Array:
        return update.forecast(day_ahead, envelope, actual[: ahead + step], step)

    return forecast


def running(known: Callable[[int], Array], actual: Array) -> Callable[[int], Array]:
    """The same forecasts, with the mean of the running quarter hour taken as measured.

    That is a controller which moves within the quarter hour: energy is settled by the quarter hour, and inverters
    follow a meter within seconds. With quarter-hour data its tracking can only be assumed perfect.
    """

    def forecast(step: int) -> Array:
        rest = known(step).copy()
        rest[0] = actual[len(actual) - STEPS + step]
        return rest

    return forecast


def hindsight(problem: Problem, hydro: Array | None = None) -> Schedule:
    """The best that battery and hydro (or battery alone, where hydro (96,) is given) could have done, all known.

    Negative prices are looked after as in the model: where the LP goes both ways, binaries.
    """
    for binaries in (False, True):
        twin = Twin(problem, binaries)
        if hydro is not None:
            for t in range(STEPS):
                twin.flow["hydro"][0][t].SetBounds(float(hydro[t]), float(hydro[t]))
        twin.solve()
        schedule = twin.schedule()
        if not charges_while_discharging(schedule):
            break
    return schedule
