"""The composite: profiles of real German plants and loads of 2016, scaled to one made-up fleet, on one UTC clock.

Rows are quarter hours, stamped with their start in UTC, from the first full UTC day to the last:

| column    | meaning                                    |
|-----------|--------------------------------------------|
| pv_mw     | PV available before curtailment [MW]       |
| wind_mw   | wind available before curtailment [MW]     |
| load_mw   | load to be served [MW]                     |
| inflow_mw | natural inflow of the reservoir [MW]       |

SimBench stamps both files with German wall-clock time (27 March lacks 02:00, 30 October has it twice). The two files
mean different clocks by it. Loads do follow the wall clock: trades wake up an hour earlier in UTC after 27 March. PV
does not: read as wall-clock time it runs up to an hour before sunrise, all year alike; one hour later, hardly any of
its energy falls into the dark. So the feed-in file is moved by one hour; `dark_share` is the evidence, reported in each
run. Wind and inflow are in the same file and are moved with it; they show no sign of their clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.data import simbench, used
from demos.renewables.dispatch.config import FleetConfig
from shared.errors import UserError
from shared.names import did_you_mean
from shared.result import DataUse

COLUMNS = ("pv_mw", "wind_mw", "load_mw", "inflow_mw")
PV, WIND, LOAD, INFLOW = range(4)
STEPS = 96  # quarter hours of a UTC day
QUARTER = pd.Timedelta("15min")
FEED_IN_SHIFT = pd.Timedelta("1h")
PV_PROFILES = tuple(f"PV{number}" for number in range(1, 9))
# WP1, WP2 and WP9 run at half their capacity and more on the average of the year, as no plant on land does.
WIND_PROFILES = tuple(f"WP{number}" for number in (3, 4, 5, 6, 7, 8, 10, 11, 12))
# Hydro2 starts and stops: that is a plant already operated, not an inflow.
INFLOW_PROFILES = ("Hydro1", "Hydro3")
# All measured classes of trade, household and agriculture; sums over a grid (mv_..., hv_...) hold few of them and are
# twice as noisy.
LOAD_CLASSES = ("G0", "G1", "G2", "G3", "G4", "G5", "G6", "H0", "L0", "L1", "L2")
DARK_ELEVATION = -0.833  # [deg] of the sun's centre at sunrise and sunset
CORNERS = ((51.0, 6.0), (51.0, 15.0), (48.0, 10.0), (54.5, 10.0))  # (latitude, longitude) around Germany [deg]
SUSPICIOUS_RATIO = 50.0  # between two powers of one fleet; kW taken for MW make a factor of 1000


@dataclass(frozen=True)
class Composite:
    """Power of each quarter hour. values: (days, 96, 4) [MW] in the order of COLUMNS; first: the first day (UTC)."""

    values: NDArray[np.float64]
    first: pd.Timestamp
    used: list[DataUse]
    notes: list[str]
    own: bool

    def day(self, number: int) -> pd.Timestamp:
        """The start of a day, UTC."""
        return self.first + pd.Timedelta(days=number)

    def number(self, day: object) -> int:
        """The number of a calendar day, from 0. Raises UserError when the profiles lack it."""
        found = (pd.Timestamp(str(day), tz="UTC") - self.first).days
        if not 0 <= found < len(self.values):
            last = self.day(len(self.values) - 1)
            raise UserError(f"dispatch.days: {day} is not in the profiles, {self.first:%Y-%m-%d} to {last:%Y-%m-%d}")
        return found


def load_composite(path: Path | None, fleet: FleetConfig) -> Composite:
    """The SimBench composite scaled to the fleet if path is None, else the user's own file, taken as it is in MW."""
    return _simbench(fleet) if path is None else _own(path, fleet)


def wall_clock_to_utc(text: pd.Series) -> pd.DatetimeIndex:
    """German wall-clock text "27.03.2016 01:45" to UTC; the repeated hour of October is told apart by its order."""
    local = pd.DatetimeIndex(pd.to_datetime(text, format="%d.%m.%Y %H:%M"))
    return local.tz_localize("Europe/Berlin", ambiguous="infer", nonexistent="raise").tz_convert("UTC")


def dark_share(power: NDArray[np.float64], starts: pd.DatetimeIndex) -> float:
    """Share of PV energy produced while the sun is down in all of Germany, 0 to 1.

    power: (n,) [any unit]; starts: (n,) UTC starts of quarter hours; the sun is taken at their mid-points.
    """
    from pvlib.solarposition import get_solarposition

    running = power > 0
    dark = np.ones(int(running.sum()), dtype=bool)
    for latitude, longitude in CORNERS:
        sun = get_solarposition(starts[running] + QUARTER / 2, latitude, longitude)
        dark &= sun["elevation"].to_numpy() < DARK_ELEVATION
    return float(power[running][dark].sum() / power.sum())


def _simbench(fleet: FleetConfig) -> Composite:
    feed, load = simbench("RESProfile.csv"), simbench("LoadProfile.csv")
    published = wall_clock_to_utc(feed["time"])
    by_sun = published + FEED_IN_SHIFT
    pv = feed[list(PV_PROFILES)].mean(axis=1).to_numpy()
    table = pd.DataFrame(
        {
            "pv_mw": pv * fleet.pv,
            "wind_mw": feed[list(WIND_PROFILES)].mean(axis=1).to_numpy() * fleet.wind,
            "inflow_mw": feed[list(INFLOW_PROFILES)].mean(axis=1).to_numpy() * fleet.inflow,
        },
        index=by_sun,
    ).clip(lower=0.0)
    classes = [name for name in load.columns if name.endswith("_pload") and name[:2] in LOAD_CLASSES]
    power = load[classes].mean(axis=1).to_numpy()
    power = power * fleet.load / power.max()
    table["load_mw"] = pd.Series(power, index=wall_clock_to_utc(load["time"])).reindex(by_sun)
    table = table.loc["2016-01-01":"2016-12-30", list(COLUMNS)]
    share = [100 * dark_share(pv, starts) for starts in (published, by_sun)]
    notes = [
        "COMPOSITE: normalised 2016 profiles of real German plants and loads (SimBench), scaled to a made-up fleet. The"
        " plants do not stand on one grid connection, and prices are assumed.",
        f"Clock of the feed-in file: as published {share[0]:.2f} % of PV energy falls into the dark, moved by one hour"
        f" {share[1]:.2f} %; moved. Loads follow the wall clock and are only brought to UTC.",
    ]
    values = table.to_numpy().reshape(-1, STEPS, len(COLUMNS))
    return Composite(values, table.index[0], used("RESProfile.csv", "LoadProfile.csv"), notes, own=False)


def _own(path: Path, fleet: FleetConfig) -> Composite:
    table = _read(path.expanduser())
    missing = [name for name in ("time", *COLUMNS) if name not in table.columns]
    if missing:
        near = did_you_mean(missing[0], [str(column) for column in table.columns])
        raise UserError(f"{path}: lacks column {missing[0]!r}; needed: time, {', '.join(COLUMNS)}{near}")
    if table.empty:
        raise UserError(f"{path}: no rows")
    starts = _starts(path, table["time"])
    values = np.column_stack([_numbers(path, table[name]) for name in COLUMNS])
    _check_units(path, values, fleet)
    whole = np.flatnonzero((starts.hour == 0) & (starts.minute == 0))
    days = (len(starts) - whole[0]) // STEPS if len(whole) else 0
    if days == 0:
        raise UserError(f"{path}: holds no full UTC day of {STEPS} quarter hours")
    kept = values[whole[0] : whole[0] + days * STEPS].reshape(days, STEPS, len(COLUMNS))
    note = f"Profiles of the user's own file {path.name}, {days} full UTC days; prices are assumed."
    digest = hashlib.sha256(path.expanduser().read_bytes()).hexdigest()
    use = DataUse(name=path.name, version="user's own", sha256=digest, licence="user's own", rows=len(table))
    return Composite(kept, starts[whole[0]], [use], [note], own=True)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"dispatch.data.profiles: no such file: {path}")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: cannot be read as {path.suffix or 'CSV'}: {reason}") from None


def _starts(path: Path, column: pd.Series) -> pd.DatetimeIndex:
    """UTC starts; each error names its row, counted from 1 without the header."""
    naive = column.astype(str).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True).to_numpy()
    if not naive.all():
        row = int(np.argmin(naive))
        raise UserError(
            f"{path}: row {row + 1}, column time: {column.iloc[row]!r} has no UTC offset; write 2016-01-01T00:00Z"
        )
    starts = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    bad = starts.isna().to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(f"{path}: row {row + 1}, column time: {column.iloc[row]!r} is not an ISO 8601 time")
    steps = starts.diff().iloc[1:]
    wrong = np.flatnonzero((steps != QUARTER).to_numpy())
    if len(wrong):
        row = int(wrong[0]) + 1
        raise UserError(
            f"{path}: row {row + 1}, column time: {column.iloc[row]!r} comes {steps.iloc[row - 1]} after the row"
            " before; rows must be 15 min apart, without gaps or duplicates"
        )
    return pd.DatetimeIndex(starts)


def _numbers(path: Path, column: pd.Series) -> NDArray[np.float64]:
    """Finite powers from 0 on, in MW."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    for wrong, reason in ((~np.isfinite(numbers), "is not a finite number"), (numbers < 0, "is negative")):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise UserError(f"{path}: row {row + 1}, column {column.name}: {column.iloc[row]} {reason}")
    return numbers


def _check_units(path: Path, values: NDArray[np.float64], fleet: FleetConfig) -> None:
    """Refuse power that looks like kW: against the grid connection, or a stretch of rows against the rest."""
    connection = max(fleet.import_limit + fleet.hydro + fleet.battery, fleet.export_limit)
    for name, column in zip(COLUMNS, values.T, strict=True):
        row = int(np.argmax(column))
        typical = float(np.median(column[column > 0])) if (column > 0).any() else 0.0
        if column[row] > SUSPICIOUS_RATIO * connection:
            reason = f"against a grid connection of {connection:g} MW (dispatch.fleet)"
        elif column[row] > 5 * SUSPICIOUS_RATIO * typical > 0:
            reason = f"against a typical {typical:g} MW in the same column"
        else:
            continue
        raise UserError(
            f"{path}: row {row + 1}, column {name}: {column[row]:g} MW is suspiciously much {reason}; kW instead of MW?"
        )
