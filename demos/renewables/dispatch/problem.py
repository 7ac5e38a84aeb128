"""One day to dispatch, as plain arrays: what is decided before the gate, what may follow it, and what all of it
costs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import INFLOW, LOAD, PV, WIND
from demos.renewables.dispatch.config import FleetConfig, MarketConfig

Array = NDArray[np.float64]
HOURS = 24


@dataclass(frozen=True)
class Prices:
    """(24,) [EUR/MWh]: day-ahead, and what being short pays and being long gets."""

    day_ahead: Array
    short: Array
    long: Array


def make_prices(net_load: Array, usual: float, market: MarketConfig) -> Prices:
    """An assumption, not a market: the day-ahead price follows the net load forecast at the gate.

    net_load: (24,) forecast [MW]; usual: its mean in the past [MW].
    """
    day_ahead = np.clip(market.price + market.slope * (net_load - usual), market.floor, market.cap)
    return imbalance_prices(day_ahead, market)


def imbalance_prices(day_ahead: Array, market: MarketConfig) -> Prices:
    """Two-price settlement around a day-ahead price (24,) [EUR/MWh]."""
    long = np.maximum(day_ahead - market.long_discount, market.long_floor)
    return Prices(day_ahead, day_ahead + market.short_premium, long)


@dataclass(frozen=True)
class Problem:
    """A day, alone.

    available, load, inflow: (S, T) [MW], T = 24 or 96 steps; weights: (S,), sum 1. position: (24,) [MW] sold (+) or
    bought (-) at the day-ahead price, None while it is to be chosen; one position for all S scenarios, so with S > 1
    the problem is the two-stage one. All else is recourse: chosen for each scenario as if it were then known.
    """

    available: Array
    load: Array
    inflow: Array
    weights: Array
    prices: Prices
    fleet: FleetConfig
    market: MarketConfig
    position: Array | None = None

    @property
    def steps(self) -> int:
        """T."""
        return int(self.available.shape[1])

    @property
    def hours(self) -> float:
        """Length of a step [h]."""
        return HOURS / self.steps

    def hour(self, step: int) -> int:
        """The hour of the day, 0 to 23, that a step belongs to."""
        return step * HOURS // self.steps

    def per_step(self, by_hour: Array) -> Array:
        """(T,) of (24,)."""
        return np.repeat(by_hour, self.steps // HOURS)

    def with_position(self, position: Array | None) -> Problem:
        """The same day with the position fixed, or free again."""
        return replace(self, position=position)


def make_problem(
    values: Array,
    weights: Array,
    prices: Prices,
    fleet: FleetConfig,
    market: MarketConfig,
    position: Array | None = None,
) -> Problem:
    """A problem of scenarios (S, T, 4) [MW] in the order of the composite's columns."""
    available = values[..., PV] + values[..., WIND]
    return Problem(available, values[..., LOAD], values[..., INFLOW], weights, prices, fleet, market, position)


@dataclass(frozen=True)
class Schedule:
    """What is done: position (24,) [MW]; else (S, T): powers [MW], and the energies at the end of each step [MWh].

    grid: net injection; shed: load not served; short and long: grid below and above the position.
    """

    position: Array
    charge: Array
    discharge: Array
    soc: Array
    hydro: Array
    spill: Array
    level: Array
    curtailed: Array
    shed: Array
    grid: Array
    short: Array
    long: Array


FLOWS = tuple(field.name for field in fields(Schedule) if field.name != "position")
ZERO_TO_LIMIT = ("charge", "discharge", "soc", "hydro", "level")


def upper(problem: Problem) -> dict[str, Array]:
    """Upper bounds of FLOWS, each (S, T); all lower bounds are 0 but that of grid, which is -import_limit."""
    fleet, shape = problem.fleet, problem.available.shape
    limits = {
        "charge": fleet.battery,
        "discharge": fleet.battery,
        "soc": fleet.battery_energy,
        "hydro": fleet.hydro,
        "level": fleet.reservoir,
        "grid": fleet.export_limit,
    }
    found = {name: np.full(shape, limits.get(name, np.inf)) for name in FLOWS}
    return found | {"curtailed": problem.available, "shed": problem.load}


def cost(problem: Problem, schedule: Schedule) -> Array:
    """(S,) total cost of the day in each scenario [EUR]: day-ahead, imbalance, wear, lost load, less what is left
    over."""
    market, fleet, hours = problem.market, problem.fleet, problem.hours
    day_ahead = -float(problem.prices.day_ahead @ schedule.position)
    imbalance = schedule.short @ problem.per_step(problem.prices.short)
    imbalance = imbalance - schedule.long @ problem.per_step(problem.prices.long)
    wear = market_wear(schedule, fleet.wear)
    lost = market.lost_load * schedule.shed.sum(axis=1)
    battery = schedule.soc[:, -1] - fleet.soc_start * fleet.battery_energy
    water = schedule.level[:, -1] - fleet.reservoir_start * fleet.reservoir
    left = market.battery_value * battery + market.water_value * water
    return np.asarray(day_ahead + hours * (imbalance + wear + lost) - left)


def market_wear(schedule: Schedule, wear: float) -> Array:
    """(S,) battery wear per hour of step length [EUR/h summed over steps]."""
    return np.asarray(wear * (schedule.charge + schedule.discharge).sum(axis=1))
