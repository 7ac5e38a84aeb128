"""Whether the user's own streams can be what they are said to be, before anything is learned from them.

What is refused is the whole stream: another unit, another place, another clock. Single stretches that are off are left
to the detector, whose work they are, so everything here looks at medians over days.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from demos.renewables.faults.config import PvConfig, WindConfig
from demos.renewables.site.against_sun import Declared, check_clock
from demos.renewables.site.finding import Refusal
from shared.errors import UserError

LEAST_PEAK, MOST_PEAK = 0.05, 1.5  # share of the nameplate that a plant reaches on its usual best days
BRIGHT, BRIGHTEST = 60.0, 1500.0  # [W/m2] greatest ghi of a usual day, anywhere outside the polar night
STILL = 3e-4  # relative change that is none
LEAST_ROWS = 500  # with all channels, to learn from


def check_pv(path: Path, stream: pd.DataFrame, config: PvConfig) -> None:
    """Raise UserError for a PV stream whose unit, sign, irradiance, clock or place cannot be right.

    stream: columns power [W], ghi [W/m2], temp_air [deg C] on a UTC index of interval starts, gaps allowed.
    """
    _complete(path, "PV stream", stream[["power", "ghi", "temp_air"]])
    _peak(path, "power", stream.power, config.nameplate, "W", "faults.pv.nameplate")
    bright = _usual_peak(stream.ghi)
    if not BRIGHT <= bright <= BRIGHTEST:
        raise UserError(f"{path}: column 'ghi': peaks at {bright:g} on a usual day; is it global irradiance in W/m2?")
    grid = pd.date_range(stream.index[0], stream.index[-1], freq=pd.Timedelta(minutes=config.minutes))
    declared = Declared(config.latitude, config.longitude, source=str(path))
    # A reading that stands still through the night is a fault to be found, and says nothing about the clock.
    stands = (stream.power.diff().abs() <= STILL * stream.power) & (stream.power > 0.01 * config.nameplate)
    try:
        _, findings = check_clock(stream.power.clip(lower=0.0).mask(stands).reindex(grid), declared)
    except Refusal as refusal:
        # What the site layer can be told, it says at the end; here stamps and place are all there is.
        what = re.split(r"(?:; correct the place, or |; |, or )set timezone", refusal.finding.message)[0]
        raise UserError(f"{path}: {what}; correct the stamps, or faults.pv.latitude and longitude") from None
    for finding in findings:
        if finding.action == "mended":
            text = finding.message.split("; undone")[0]
            raise UserError(f"{path}: column 'time': {text}; write the stamps with their true offset")


def check_farm(path: Path, farm: Mapping[str, pd.DataFrame], config: WindConfig) -> None:
    """Raise UserError for a turbine that can teach nothing or whose unit cannot be right."""
    for name, table in farm.items():
        _complete(path, f"turbine {name}", table[["power", "wind_speed"]])
        _peak(path, f"power of {name}", table.power, config.rated, "kW", "faults.wind.rated")


def _complete(path: Path, what: str, table: pd.DataFrame) -> None:
    rows = len(table.dropna())
    if rows < LEAST_ROWS:
        names = ", ".join(str(name) for name in table)
        raise UserError(f"{path}: {what} has {rows} rows with {names} all there; at least {LEAST_ROWS} are needed")


def _usual_peak(values: pd.Series) -> float:
    """The median of the greatest value of each day."""
    return float(values.resample("D").max().median())


def _peak(path: Path, what: str, power: pd.Series, size: float, unit: str, field: str) -> None:
    usual = _usual_peak(power)
    # A still fortnight of a farm is no wrong unit: its best day decides what is too little.
    most = max(usual, float(power.quantile(0.99)))
    if most < LEAST_PEAK * size or usual > MOST_PEAK * size:
        raise UserError(
            f"{path}: column 'power': {what} peaks at {most:g} {unit} with {field}={size:g}; check its unit, its sign"
            " and that field"
        )
