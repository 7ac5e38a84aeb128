"""Expected power and wind speed of a turbine: its own power curve at its own and at its neighbours' wind speed."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SECTORS = 12
BIN = 0.5
LEAST_BINS = 10  # of wind speed [m/s] in a power curve
HEIGHT_PRESSURE = 96_500.0  # Pa at 411 m in the standard atmosphere
R_DRY = 287.05


@dataclass(frozen=True)
class TurbineModel:
    """What is learned of one turbine on its training months. Speeds in m/s, power in kW."""

    name: str
    rated: float
    speeds: tuple[float, ...] = field(repr=False)
    powers: tuple[float, ...] = field(repr=False)
    sector_ratio: tuple[float, ...] = (1.0,) * SECTORS

    def power(self, wind_speed: float, temp_air: float) -> float:
        """Power curve at the wind speed corrected to 1.225 kg/m3 (IEC 61400-12-1), linear between bins [kW]."""
        if not math.isfinite(wind_speed):
            return math.nan
        air = temp_air if -40 < temp_air < 60 else 10.0
        speed = wind_speed * (HEIGHT_PRESSURE / (R_DRY * (air + 273.15)) / 1.225) ** (1 / 3)
        at = bisect_right(self.speeds, speed)
        if at == 0:
            return self.powers[0]
        if at == len(self.speeds):
            return self.powers[-1]
        share = (speed - self.speeds[at - 1]) / (self.speeds[at] - self.speeds[at - 1])
        return self.powers[at - 1] + share * (self.powers[at] - self.powers[at - 1])

    def ratio(self, wind_direction: float) -> float:
        """Own over neighbours' wind speed in this sector: wakes and terrain."""
        if not math.isfinite(wind_direction):
            return 1.0
        return self.sector_ratio[int(wind_direction % 360 / (360 / SECTORS)) % SECTORS]


def middle(values: list[float]) -> float:
    """Median of the finite ones of a few numbers, NaN when there is none."""
    ordered = sorted(value for value in values if math.isfinite(value))
    count = len(ordered)
    if not count:
        return math.nan
    return ordered[count // 2] if count % 2 else (ordered[count // 2 - 1] + ordered[count // 2]) / 2


def fit_turbines(training: Mapping[str, pd.DataFrame], rated: float) -> dict[str, TurbineModel]:
    """Learn all turbines of a farm from their training months alone; tables on one common time grid."""
    speed = pd.DataFrame({name: table.wind_speed for name, table in training.items()})
    found = {}
    for name, table in training.items():
        others = speed.drop(columns=name).median(axis=1)
        found[name] = _fit(name, table, others.to_numpy(), rated)
    return found


def _fit(name: str, table: pd.DataFrame, others: NDArray[np.float64], rated: float) -> TurbineModel:
    density = HEIGHT_PRESSURE / (R_DRY * (table.temp_air.clip(-40, 60).fillna(10) + 273.15))
    speed = (table.wind_speed * (density / 1.225) ** (1 / 3)).to_numpy()
    power = table.power.to_numpy()
    # Stops would pull the curve down: the upper part of each bin is the running turbine.
    running = np.isfinite(speed) & np.isfinite(power) & ((power > 0.01 * rated) | (speed < 3.5))
    bins = np.round(speed[running] / BIN).astype(int)
    numbers = [number for number in range(int(bins.max(initial=0)) + 1) if (bins == number).sum() >= 20]
    if len(numbers) < LEAST_BINS:
        raise UserError(
            f"faults.split.wind_from: turbine {name} ran in too few winds before it to learn its power curve"
            f" ({len(numbers)} bins of {BIN:g} m/s with 20 samples or more; at least {LEAST_BINS} are needed)"
        )
    speeds = tuple(number * BIN for number in numbers)
    medians = [float(np.median(power[running][bins == number])) for number in numbers]
    powers = tuple(np.maximum.accumulate(np.maximum(medians, 0.0)).tolist())
    sector = (table.wind_direction.to_numpy() % 360 / (360 / SECTORS)).astype(float)
    ratio = table.wind_speed.to_numpy() / np.where(others > 4, others, np.nan)
    sectors = []
    for number in range(SECTORS):
        here = ratio[(np.floor(sector) == number) & np.isfinite(ratio)]
        sectors.append(float(np.median(here)) if len(here) >= 50 else 1.0)
    return TurbineModel(name, rated, speeds, powers, tuple(sectors))
