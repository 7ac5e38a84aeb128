"""A made-up year of quarter hours with daily shapes and lasting errors, and small problems of a few known numbers."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import STEPS, Composite
from demos.renewables.dispatch.config import DispatchConfig, DispatchForecastConfig, FleetConfig, MarketConfig
from demos.renewables.dispatch.days import DayInputs, make_inputs
from demos.renewables.dispatch.problem import Prices, Problem, make_problem

Array = NDArray[np.float64]
FEW = settings(derandomize=True, deadline=None, max_examples=15)
MANY = settings(derandomize=True, deadline=None, max_examples=60)
DAYS = 100
SMALL = DispatchForecastConfig(climatology_days=14, burn_in=60, templates=30, neighbours=60, scenarios=6)


def made_up(days: int = DAYS, seed: int = 0) -> Array:
    """(days, 96, 4) PV, wind, load, inflow [MW]: sun by day, wind that lasts, load of two humps, slow water."""
    draws = np.random.default_rng(seed)
    clock = np.arange(days * STEPS) / 4
    cloud = np.repeat(draws.uniform(0.3, 1.0, days), STEPS)
    pv = 25 * np.maximum(np.sin((clock % 24 - 6) / 12 * np.pi), 0) * cloud
    level = np.zeros(len(clock))
    for at in range(1, len(clock)):
        level[at] = 0.995 * level[at - 1] + draws.normal(0, 0.1)
    wind = 50 / (1 + np.exp(-level))
    load = 45 - 12 * np.cos(clock / 24 * 2 * np.pi) + draws.normal(0, 1, len(clock))
    inflow = 2 + np.sin(clock / 24 / 30)
    return np.stack([pv, wind, load, inflow], axis=1).reshape(days, STEPS, 4)


def composite_of(values: Array) -> Composite:
    return Composite(values, pd.Timestamp("2020-01-01", tz="UTC"), [], ["made up"], own=True)


def dispatch_config(**sections: Any) -> DispatchConfig:
    """A small config with some sections replaced."""
    return DispatchConfig.model_validate({"forecast": SMALL, **sections})


@pytest.fixture(scope="session")
def day() -> DayInputs:
    """Day 80 of the made-up year."""
    return make_inputs(composite_of(made_up()), dispatch_config(), [date(2020, 3, 21)])[0]


def flat(price: float, short: float = 50.0, long: float = 15.0) -> Prices:
    """The same prices all day: short pays `short` more, long gets `long` less [EUR/MWh]."""
    level = np.full(24, price)
    return Prices(level, level + short, level - long)


def plain_problem(
    available: float | Array = 20.0,
    load: float | Array = 30.0,
    inflow: float = 0.0,
    prices: Prices | None = None,
    fleet: dict[str, float] | None = None,
    market: dict[str, float] | None = None,
    steps: int = 24,
    position: Array | None = None,
) -> Problem:
    """One scenario of constant powers, or those given (steps,) [MW]; PV is all the renewable power."""
    values = np.zeros((1, steps, 4))
    values[0, :, 0], values[0, :, 2], values[0, :, 3] = available, load, inflow
    return make_problem(
        values, np.ones(1), prices or flat(30.0), FleetConfig(**(fleet or {})), MarketConfig(**(market or {})), position
    )


def random_problem(seed: int, scenarios: int = 3, steps: int = 24, lowest: float = 5.0) -> Problem:
    """Any powers and prices; the price of being long from `lowest` - 15 on [EUR/MWh]."""
    draws = np.random.default_rng(seed)
    values = draws.uniform(0, 60, (scenarios, steps, 4))
    values[..., 3] /= 20
    day_ahead = draws.uniform(lowest, 60, 24)
    prices = Prices(day_ahead, day_ahead + draws.uniform(0, 80, 24), day_ahead - draws.uniform(0, 15, 24))
    weights = draws.dirichlet(np.ones(scenarios))
    return make_problem(values, weights, prices, FleetConfig(), MarketConfig(floor=-500, long_floor=-500))
