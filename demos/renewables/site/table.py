"""Reads a user's table of power or weather, CSV or Parquet; every error names the row and the column.

Fields are separated by commas; a file with semicolons and decimal commas is read too, and that is said.

| table   | column      | meaning                                                                               |
|---------|-------------|---------------------------------------------------------------------------------------|
| both    | time        | ISO 8601, with an offset (`2013-06-01T12:00:00-07:00`, `...Z`) or without one (then    |
|         |             | `timezone` must be set); a mark of the start, middle or end of the interval as set    |
| power   | power_kw    | mean AC power over the interval [kW]; empty = unknown                                 |
| weather | ghi         | global horizontal irradiance [W/m2]                                                   |
| weather | dni, dhi    | direct normal and diffuse horizontal irradiance [W/m2]                                |
| weather | poa_global  | irradiance in the plane of the modules [W/m2]                                         |
| weather | temp_air    | air temperature [C]                                                                   |
| weather | wind_speed  | wind speed [m/s]                                                                      |
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from demos.renewables.site.finding import Finding, refuse
from demos.renewables.site.stamps import to_utc
from shared.errors import UserError
from shared.names import did_you_mean

POWER = ("power_kw",)
WEATHER = ("ghi", "dni", "dhi", "poa_global", "temp_air", "wind_speed")
OFFSET = r"(?:[zZ]|[+-]\d{2}:?\d{2})\s*$"


def read_power(path: Path, timezone: str | None) -> tuple[pd.DataFrame, list[Finding]]:
    """Column power_kw, index UTC, in the order of the file. Raises UserError with row and column."""
    return _table(path, POWER, 1, timezone)


def read_weather(path: Path, timezone: str | None) -> tuple[pd.DataFrame, list[Finding]]:
    """Those of WEATHER that there are, at least one; index UTC, in the order of the file. Raises as `read_power`."""
    return _table(path, WEATHER, 0, timezone)


def _table(
    path: Path, names: tuple[str, ...], required: int, timezone: str | None
) -> tuple[pd.DataFrame, list[Finding]]:
    raw, findings = _read(path.expanduser())
    have = [name for name in names if name in raw]
    for name in ("time", *names[:required]):
        if name not in raw:
            raise UserError(f"{path}: column {name!r} is missing{did_you_mean(name, map(str, raw.columns))}")
    if not have:
        raise UserError(f"{path}: no column of {', '.join(names)}{did_you_mean(names[0], map(str, raw.columns))}")
    if raw.empty:
        raise UserError(f"{path}: no rows")
    values = pd.DataFrame({name: _numbers(path, raw, name) for name in have})
    utc, more = to_utc(_times(path, raw["time"]), values, timezone, str(path))
    values.index = utc.rename("time")
    return values[utc.notna()], findings + more


def _read(path: Path) -> tuple[pd.DataFrame, list[Finding]]:
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
            return table if "time" in table or table.index.name != "time" else table.reset_index(), []
        table = pd.read_csv(path, dtype=str, skipinitialspace=True, encoding="utf-8-sig")
        if len(table.columns) > 1 or ";" not in str(table.columns[0]):
            return table.rename(columns=str.strip), []
        return _by_semicolons(path)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: no rows") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read as {path.suffix or 'CSV'}: {' '.join(str(error).split())}") from None


def _by_semicolons(path: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """A table as spreadsheets write it where the comma is the decimal sign; a number with both signs stays text."""
    table = pd.read_csv(path, dtype=str, sep=";", skipinitialspace=True, encoding="utf-8-sig").rename(columns=str.strip)
    count = 0
    for name in table.columns.intersection([*POWER, *WEATHER]):
        decimal = table[name].str.fullmatch(r"\s*[+-]?\d+,\d+\s*", na=False)
        table[name] = table[name].mask(decimal, table[name].str.replace(",", "."))
        count += int(decimal.sum())
    text = f"fields are separated by semicolons; decimal commas read as points: {count}"
    return table, [Finding("semicolons", text, "mended", len(table))]


def _numbers(path: Path, raw: pd.DataFrame, name: str) -> pd.Series:
    numbers = pd.to_numeric(raw[name], errors="coerce").astype(float)
    wrong = numbers.isna() & raw[name].notna()
    comma = wrong.any() and "," in str(raw[name][wrong].iloc[0])
    rule = "must be a number with a decimal point, not a comma" if comma else "must be a number, or empty"
    _check_rows(path, raw, name, wrong, rule)
    _check_rows(path, raw, name, pd.Series(np.isinf(numbers), index=raw.index), "must be finite")
    return numbers


def _times(path: Path, column: pd.Series) -> pd.DatetimeIndex:
    """Stamps as read, with a zone if all have one. Refuses a mixture, an empty stamp and anything but ISO 8601."""
    raw = column.to_frame()
    _check_rows(path, raw, "time", column.isna(), "must not be empty")
    rule = 'must be a time like "2013-06-01 12:00" or "2013-06-01T12:00:00-07:00"'
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.DatetimeIndex(column)
    text = column.astype(str).str.strip()
    _check_rows(path, raw, "time", ~text.str.match(r"\d{4}-?\d{2}-?\d{2}(?:[T ]|$)"), rule)
    zoned = text.str.contains(r":\d{2}.*" + OFFSET, regex=True) | text.str.match(r".*T\d{4,6}" + OFFSET)
    parsed = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
    _check_rows(path, raw, "time", parsed.isna(), rule)
    if zoned.any() and not zoned.all():
        at = int((zoned != zoned.iloc[0]).to_numpy().argmax())
        refuse(
            str(path),
            "mixed time zones",
            f"row {at + 1}: {text.iloc[at]!r} {'has' if zoned.iloc[at] else 'lacks'} an offset, unlike row 1;"
            " write all stamps with one, or none",
            int(min(zoned.sum(), (~zoned).sum())),
            f"row {at + 1}",
        )
    return pd.DatetimeIndex(parsed if zoned.all() else parsed.dt.tz_localize(None))


def _check_rows(path: Path, raw: pd.DataFrame, column: str, wrong: pd.Series, rule: str) -> None:
    """Raise on the first row where `wrong`; rows count from 1 after the header."""
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        more = f" (rows with this fault: {int(wrong.sum())})" if wrong.sum() > 1 else ""
        raise UserError(f"{path}: row {at + 1}, column {column!r}: got {str(raw[column].iloc[at])!r}, {rule}{more}")
