"""The user's own streams: CSV or Parquet, checked, with the row and the column in the error."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from demos.renewables.faults.streams import seconds_of
from shared.errors import UserError
from shared.names import did_you_mean
from shared.result import DataUse

PV_COLUMNS = {"power": (-1e12, 1e12), "ghi": (-50.0, 2000.0), "temp_air": (-60.0, 70.0)}
WIND_COLUMNS = {
    "power": (-1e9, 1e9),
    "wind_speed": (-1e4, 1e4),
    "temp_air": (-1e3, 1e3),
    "wind_direction": (-360.0, 720.0),
}
PV_OPTIONAL = {"dni": (-50.0, 2000.0)}
LEAST_ROWS = 1000


def own_pv(path: Path, minutes: float) -> tuple[pd.DataFrame, DataUse]:
    """A PV stream: seconds, power [W], ghi, dni [W/m2], temp_air [deg C] on a time index in UTC, in the order of time.

    dni may be missing, in part or as a whole; it is NaN then.
    Raises UserError, one line with row and column. Values of `power` are left to the detector: it is what it judges.
    """
    table = _read(path, "faults.data.pv", ("time", *PV_COLUMNS))
    index = _times(path, table)
    for name, (low, high) in {**PV_COLUMNS, **PV_OPTIONAL}.items():
        table[name] = _numbers(path, table, name, low, high) if name in table else np.nan
    _refuse(path, table, "time", index.duplicated(), "is the same time as an earlier row")
    stream = table[[*PV_COLUMNS, *PV_OPTIONAL]].set_axis(index).sort_index()
    stream.insert(0, "seconds", seconds_of(pd.DatetimeIndex(stream.index)))
    _on_grid(path, stream, minutes, index.min())
    return stream, _use(path, len(stream))


def own_farm(path: Path, minutes: float) -> tuple[dict[str, pd.DataFrame], DataUse]:
    """A wind farm by turbine on one grid: seconds, power [kW], wind_speed [m/s], temp_air [deg C], direction.

    Raises UserError, one line with row and column; a farm needs two turbines at least.
    """
    table = _read(path, "faults.data.wind", ("time", "turbine", *WIND_COLUMNS))
    index = _times(path, table)
    for name, (low, high) in WIND_COLUMNS.items():
        table[name] = _numbers(path, table, name, low, high)
    _refuse(path, table, "turbine", table.turbine.isna(), "must not be empty")
    twice = pd.DataFrame({"time": index, "turbine": table.turbine.astype(str)}).duplicated()
    _refuse(path, table, "time", twice, "is the same time as an earlier row of this turbine")
    names = sorted(table.turbine.astype(str).unique())
    if len(names) < 2:
        raise UserError(f"{path}: one turbine only; neighbours are what it is judged by, give two or more")
    grid = pd.date_range(index.min(), index.max(), freq=pd.Timedelta(minutes=minutes))
    farm = {}
    for name in names:
        here = (table.turbine.astype(str) == name).to_numpy()
        one = table.loc[here, list(WIND_COLUMNS)].set_axis(index[here]).sort_index()
        one.insert(0, "seconds", seconds_of(pd.DatetimeIndex(one.index)))
        _on_grid(path, one, minutes, index.min())
        one = one.reindex(grid)
        one["seconds"] = seconds_of(grid)
        farm[name] = one
    return farm, _use(path, len(table))


def _read(path: Path, field: str, columns: tuple[str, ...]) -> pd.DataFrame:
    path = path.expanduser()
    if not path.is_file():
        raise UserError(f"{field}: {path}: no such file")
    try:
        table = pd.read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read as {path.suffix or 'CSV'}: {' '.join(str(error).split())}") from None
    for name in columns:
        if name not in table:
            near = did_you_mean(name, [str(column) for column in table.columns])
            raise UserError(f"{path}: column {name!r} is missing; needed: {', '.join(columns)}{near}")
    if len(table) < LEAST_ROWS:
        raise UserError(f"{path}: {len(table)} rows; at least {LEAST_ROWS} are needed to learn and to hold out")
    return table


def _times(path: Path, table: pd.DataFrame) -> pd.DatetimeIndex:
    given = table["time"].astype(str)
    times = pd.to_datetime(given, errors="coerce", utc=True, format="ISO8601")
    _refuse(path, table, "time", times.isna(), 'must be a time like "2013-06-01T12:00:00Z"')
    zoned = given.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True)
    _refuse(path, table, "time", ~zoned, "has no UTC offset; write it with Z or +01:00")
    return pd.DatetimeIndex(times)


def _numbers(path: Path, table: pd.DataFrame, name: str, low: float, high: float) -> pd.Series:
    numbers = pd.to_numeric(table[name], errors="coerce")
    wrong = (numbers.isna() & table[name].notna()) | (numbers < low) | (numbers > high)
    _refuse(path, table, name, wrong, f"must be a number from {low:g} to {high:g}, or empty")
    return numbers.astype(float)


def _on_grid(path: Path, stream: pd.DataFrame, minutes: float, start: pd.Timestamp) -> None:
    """start: the time of the table's earliest row; all rows, those of every turbine, lie on one grid from it on."""
    off = np.asarray((stream.index - start) % pd.Timedelta(minutes=minutes) != pd.Timedelta(0))
    if off.any():
        at = stream.index[int(off.argmax())]
        raise UserError(
            f"{path}: column 'time': {at.isoformat()} is off the {minutes:g}-minute grid of the earliest row,"
            f" {start.isoformat()}"
        )


def _refuse(path: Path, table: pd.DataFrame, column: str, wrong: pd.Series, rule: str) -> None:
    """Raise on the first row where `wrong`; rows count from 1 after the header."""
    bad = pd.Series(wrong).to_numpy(bool)
    if bad.any():
        at = int(bad.argmax())
        more = f" (rows with this fault: {int(bad.sum())})" if bad.sum() > 1 else ""
        raise UserError(f"{path}: row {at + 1}, column {column!r}: got {str(table[column].iloc[at])!r}, {rule}{more}")


def _use(path: Path, rows: int) -> DataUse:
    digest = hashlib.sha256(path.expanduser().read_bytes()).hexdigest()
    return DataUse(name=path.name, version="user's file", sha256=digest, licence="user's own", rows=rows)
