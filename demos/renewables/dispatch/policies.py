"""The policies side by side on one day: what is sold the day before, what is done in real time, what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.check import Twin, violations
from demos.renewables.dispatch.composite import INFLOW, LOAD, STEPS
from demos.renewables.dispatch.days import DayInputs
from demos.renewables.dispatch.model import solve
from demos.renewables.dispatch.problem import Problem, Schedule, cost, imbalance_prices
from demos.renewables.dispatch.realtime import (
    CERTAIN,
    THREE,
    Rolling,
    counter,
    fan,
    follow,
    hindsight,
    running,
    settle,
    updates,
)
from demos.renewables.dispatch.scenarios import hourly, net_generation

Array = NDArray[np.float64]
STOCHASTIC = "stochastic plan, MPC"
DETERMINISTIC = "deterministic plan, MPC"
HEDGED = "deterministic plan with tuned margin, MPC"
PERSISTENCE = "persistence plan, MPC"
RULES = "rules, no model"
PERFECT = "perfect foresight"
FOLLOWED = "stochastic plan, followed"
HINDSIGHT = "stochastic plan, hindsight recourse"
SCENARIO_MPC = "stochastic plan, MPC on three scenarios"
BATTERY_CERTAIN = "stochastic plan, MPC of the battery alone"
BATTERY_MPC = "stochastic plan, MPC of the battery alone on three scenarios"
BATTERY_RUNNING = "stochastic plan, MPC of the battery alone, tracking the running quarter hour"
BATTERY_HINDSIGHT = "stochastic plan, hindsight recourse of the battery alone"
BATTERY_IDLE = "stochastic plan, battery idle"
BATTERY_RULE = "stochastic plan, battery against the last deviation"


@dataclass(frozen=True)
class Outcome:
    """One policy on one day. cost [EUR]; short, long, curtailed, cycled (charged and discharged), shed [MWh]."""

    cost: float
    short: float
    long: float
    curtailed: float
    cycled: float
    shed: float


@dataclass(frozen=True)
class DayResult:
    """One day. gap: relative difference of the stochastic objective in PuLP and in OR-Tools; worst: the greatest
    violation of any rule in any schedule [MW or MWh]; seconds: of building and solving the stochastic plan in PuLP."""

    day: str
    outcomes: dict[str, Outcome]
    gap: float
    worst: float
    seconds: float
    schedule: Schedule
    inputs: DayInputs = field(repr=False)


def position_of(inputs: DayInputs, values: Array, weights: Array | None = None) -> Array:
    """(24,) [MW] the position that the model sells on the day-ahead market for powers (S, T, 4)."""
    return solve(inputs.problem(values, weights), inputs.config.solver)[0].position


def stochastic(inputs: DayInputs) -> Array:
    """(24,) [MW] the two-stage plan over the reduced scenarios."""
    return position_of(inputs, inputs.few.values, inputs.few.weights)


def deterministic(inputs: DayInputs) -> Array:
    """(24,) [MW] the plan for the mean of the same scenarios: the expected-value problem."""
    return position_of(inputs, inputs.few.mean()[None])


def hedged(inputs: DayInputs, level: float) -> Array:
    """(24,) [MW] the plan for one day whose net generation is a quantile of all scenarios, hour by hour."""
    values = inputs.every.mean()
    margin = net_generation(values) - np.quantile(net_generation(inputs.every.values), level, axis=0)
    values[:, LOAD] += margin
    # A margin beyond the load itself is generation in excess: it cannot be load of less than nothing.
    values[:, LOAD] = np.maximum(values[:, LOAD], 0.0)
    return position_of(inputs, values[None])


def by_rules(inputs: DayInputs) -> tuple[Array, Array]:
    """(24,) position and (96,) turbine [MW] without any model: what was measured last, and water in the hours that are
    dearer than its value at midnight, the dearest first."""
    fleet, market = inputs.config.fleet, inputs.config.market
    hours = hourly(inputs.persistence)
    water = fleet.reservoir_start * fleet.reservoir + hours[:, INFLOW].sum()
    hydro, price = np.zeros(24), inputs.prices.day_ahead
    for hour in np.argsort(-price, kind="stable"):
        if price[hour] > market.water_value:
            hydro[hour] = min(fleet.hydro, water)
            water -= hydro[hour]
    position = np.clip(net_generation(hours) + hydro, -fleet.import_limit, fleet.export_limit)
    return np.asarray(position), np.repeat(hydro, STEPS // 24)


def planned_operation(inputs: DayInputs, position: Array) -> Schedule:
    """Battery and turbine for the day as forecast at the gate, once the position is sold; quarter hours."""
    return hindsight(inputs.problem(inputs.day_ahead[None, -STEPS:]).with_position(position))


def run_mpc(
    inputs: DayInputs,
    sold: Problem,
    hydro: Array | None = None,
    tracking: bool = False,
    points: tuple[Array, Array] = CERTAIN,
) -> Schedule:
    """The real-time simulation that all plans share. tracking: the mean of the running quarter hour counts as seen.
    points: net generation in standard errors off the forecast, and their weights."""
    known = updates(inputs.update, inputs.day_ahead, inputs.envelope, inputs.actual)
    if tracking:
        known = running(known, inputs.actual)
    return settle(sold, Rolling(sold, fan(inputs.update, known, points[0]), points[1], hydro))


def play_day(job: tuple[DayInputs, float]) -> DayResult:
    """All policies on one day. job: the day, and the tuned level of the hedged plan."""
    inputs, level = job
    truth = inputs.truth()
    start = time.perf_counter()
    plan, objective = solve(inputs.problem(inputs.few.values, inputs.few.weights), inputs.config.solver)
    seconds = time.perf_counter() - start
    twin = Twin(inputs.problem(inputs.few.values, inputs.few.weights)).solve()
    sold = truth.with_position(plan.position)
    followed = settle(sold, follow(planned_operation(inputs, plan.position)))
    # Battery alone: the turbine does what it does when the plan is followed, in all of them.
    hydro = followed.hydro[0]
    rules, turbine = by_rules(inputs)
    positions = {
        DETERMINISTIC: deterministic(inputs),
        HEDGED: hedged(inputs, level),
        PERSISTENCE: position_of(inputs, hourly(inputs.persistence)[None]),
    }
    played = {STOCHASTIC: (sold, run_mpc(inputs, sold))}
    for name, position in positions.items():
        other = truth.with_position(position)
        played[name] = (other, run_mpc(inputs, other))
    by_rule = truth.with_position(rules)
    played |= {
        RULES: (by_rule, settle(by_rule, counter(by_rule, turbine))),
        FOLLOWED: (sold, followed),
        HINDSIGHT: (sold, hindsight(sold)),
        SCENARIO_MPC: (sold, run_mpc(inputs, sold, points=THREE)),
        BATTERY_CERTAIN: (sold, run_mpc(inputs, sold, hydro)),
        BATTERY_MPC: (sold, run_mpc(inputs, sold, hydro, points=THREE)),
        BATTERY_RUNNING: (sold, run_mpc(inputs, sold, hydro, tracking=True)),
        BATTERY_HINDSIGHT: (sold, hindsight(sold, hydro)),
        BATTERY_IDLE: (sold, settle(sold, follow(idle(followed)))),
        BATTERY_RULE: (sold, settle(sold, counter(sold, hydro))),
        PERFECT: (truth, solve(truth, inputs.config.solver)[0]),
    }
    return DayResult(
        day=f"{inputs.start:%Y-%m-%d}",
        outcomes={name: outcome(problem, schedule) for name, (problem, schedule) in played.items()},
        gap=abs(twin - objective) / max(abs(objective), 1.0),
        worst=max(max(violations(problem, schedule).values()) for problem, schedule in played.values()),
        seconds=seconds,
        schedule=played[STOCHASTIC][1],
        inputs=inputs,
    )


def idle(schedule: Schedule) -> Schedule:
    """The same with a battery that does nothing."""
    return replace(schedule, charge=np.zeros_like(schedule.charge), discharge=np.zeros_like(schedule.discharge))


def outcome(problem: Problem, schedule: Schedule) -> Outcome:
    """Cost and energies of one scenario's schedule."""
    energy = {
        name: problem.hours * float(getattr(schedule, name).sum()) for name in ("short", "long", "curtailed", "shed")
    }
    cycled = problem.hours * float((schedule.charge + schedule.discharge).sum())
    return Outcome(cost=float(cost(problem, schedule)[0]), cycled=cycled, **energy)


def try_margins(inputs: DayInputs) -> list[float]:
    """Cost [EUR] of the hedged plan on one validation day, for each of `evaluation.margins`."""
    found = []
    for level in inputs.config.evaluation.margins:
        sold = inputs.truth().with_position(hedged(inputs, level))
        found.append(float(cost(sold, run_mpc(inputs, sold))[0]))
    return found


def try_spread(job: tuple[DayInputs, float, float]) -> tuple[float, float, float]:
    """Costs [EUR] of stochastic, deterministic and perfect foresight on one day under another pair of premiums."""
    inputs, short_premium, long_discount = job
    market = inputs.config.market.model_copy(update={"short_premium": short_premium, "long_discount": long_discount})
    changed = replace(
        inputs,
        prices=imbalance_prices(inputs.prices.day_ahead, market),
        config=inputs.config.model_copy(update={"market": market}),
    )
    costs = []
    for position in (stochastic(changed), deterministic(changed)):
        sold = changed.truth().with_position(position)
        costs.append(float(cost(sold, run_mpc(changed, sold))[0]))
    return costs[0], costs[1], solve(changed.truth(), changed.config.solver)[1]
