"""What is known about each day, packed into one record that travels to a worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.dispatch.composite import STEPS, Composite
from demos.renewables.dispatch.config import DispatchConfig
from demos.renewables.dispatch.features import day_kinds
from demos.renewables.dispatch.forecast import Issues, first_issue, make_issues
from demos.renewables.dispatch.problem import Prices, Problem, make_prices, make_problem
from demos.renewables.dispatch.scenarios import (
    Scenarios,
    Update,
    all_scenarios,
    fit_updates,
    hourly,
    net_generation,
    reduced,
)
from shared.errors import UserError

Array = NDArray[np.float64]
MIN_ERRORS = 20  # [days] of past errors under which scenarios would be guesses


@dataclass(frozen=True)
class DayInputs:
    """One day D. Rows run from the gate on D-1 to the end of D; the last 96 are day D.

    day_ahead, actual: (rows, 4) [MW]; envelope: (rows,) [MW]; persistence: (96, 4) [MW]; every: all scenarios,
    few: the reduced ones; update: how errors carry on. Only `actual` holds anything that was not known at the gate.
    """

    start: pd.Timestamp
    day_ahead: Array
    envelope: Array
    persistence: Array
    every: Scenarios
    few: Scenarios
    update: Update
    prices: Prices
    actual: Array
    config: DispatchConfig

    def truth(self) -> Problem:
        """The day as it came, position free."""
        return self.problem(self.actual[None, -STEPS:])

    def problem(self, values: Array, weights: Array | None = None) -> Problem:
        """The day with other powers (S, T, 4) [MW]; equally likely where no weights (S,) are given."""
        shares = np.full(len(values), 1.0 / len(values)) if weights is None else weights
        return make_problem(values, shares, self.prices, self.config.fleet, self.config.market)


def calendar(first: date, last: date, step: int) -> list[date]:
    """Every step-th day from first to last."""
    return [first + timedelta(days=number) for number in range(0, (last - first).days + 1, step)]


def make_inputs(composite: Composite, config: DispatchConfig, wanted: Iterable[date]) -> list[DayInputs]:
    """The records of the days wanted. Raises UserError for a day outside the profiles or with too little past."""
    numbers = [composite.number(day) for day in wanted]
    earliest = max(config.forecast.burn_in, first_issue(config.forecast) + MIN_ERRORS)
    for day in numbers:
        if day < earliest:
            raise UserError(
                f"dispatch.days: {composite.day(day):%Y-%m-%d} has too little past; the earliest day of these profiles"
                f" is {composite.day(earliest):%Y-%m-%d} (dispatch.forecast.burn_in={config.forecast.burn_in})"
            )
    kinds = day_kinds(composite.first, len(composite.values), config.forecast.holidays)
    issues = make_issues(composite.values, kinds, config.forecast)
    updates = fit_updates(issues, numbers)
    return [_inputs(composite, issues, updates[day], config, day) for day in numbers]


def _inputs(composite: Composite, issues: Issues, update: Update, config: DispatchConfig, day: int) -> DayInputs:
    every = all_scenarios(issues, day, config.forecast)
    forecast = hourly(issues.of_day(day))
    usual = float(-net_generation(composite.values[: day - 1]).mean())
    return DayInputs(
        start=composite.day(day),
        day_ahead=issues.day_ahead[day],
        envelope=issues.envelope[day],
        persistence=issues.persistence[day, -STEPS:],
        every=every,
        few=reduced(every, config.forecast.scenarios),
        update=update,
        prices=make_prices(-net_generation(forecast), usual, config.market),
        actual=composite.values[day - 1 : day + 1].reshape(2 * STEPS, -1)[issues.gate :],
        config=config,
    )
