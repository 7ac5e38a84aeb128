"""The embedded year has an aircraft for every departure; a user's file is read, or refused with row and column."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from demos.stands import data
from demos.stands.data import HERE, OPTIONAL, REQUIRED, TYPICAL_SEATS, WEATHER, Flights, load_flights
from shared.data import fetch_member, manifest_file, read_manifest
from shared.errors import UserError
from tests.demos.stands.conftest import MANY

# ICAO Annex 14, table 1-1: wingspan from the first bound up to, not including, the second [m].
WINGSPANS = {"A": (0, 15), "B": (15, 24), "C": (24, 36), "D": (36, 52), "E": (52, 65), "F": (65, 80)}
GOOD = {
    "flight": ["XX1", "XX2", "YY3"],
    "carrier": ["XX", "XX", "YY"],
    "origin": ["TST", "TST", "TST"],
    "dest": ["DST", "DST", "OTH"],
    "std": ["2013-10-02 08:00", "2013-10-02 09:00", "2013-10-02 09:30"],
    "atd": ["2013-10-02 08:10", "", "2013-10-02 09:25"],
    "code": ["C", "d", " E "],
}


@pytest.fixture(scope="session")
def planes() -> pd.DataFrame:
    return pd.read_csv(fetch_member(read_manifest(manifest_file("stands")), "planes.csv"))


@pytest.fixture(scope="session")
def models() -> pd.DataFrame:
    return pd.read_csv(HERE / "aircraft_types.csv", dtype={"model": str})


@pytest.fixture(scope="session")
def fleet() -> pd.DataFrame:
    return pd.read_csv(HERE / "carrier_fleet.csv")


def one_null(table: pd.DataFrame) -> pd.DataFrame:
    """The table with None for all that is missing: pandas 2 tells None from NaN, pandas 3 does not."""
    return table.astype(object).where(table.notna(), None)


def test_the_aircraft_table_covers_every_model_once(planes: pd.DataFrame, models: pd.DataFrame) -> None:
    assert planes["model"].nunique() == 127
    assert sorted(models["model"]) == sorted(planes["model"].unique())


def test_code_letters_follow_from_the_wingspan(models: pd.DataFrame) -> None:
    known = models.dropna(subset=["wingspan_m"])
    assert len(known) > 100
    for row in known.itertuples():
        low, high = WINGSPANS[row.icao_code]
        assert low <= row.wingspan_m < high, f"{row.model}: {row.wingspan_m} m is not code {row.icao_code}"


def test_a_model_without_wingspan_is_no_airliner(models: pd.DataFrame) -> None:
    assert not models.loc[models["wingspan_m"].isna(), "airliner"].any()
    assert models["airliner"].dtype == bool
    assert models.loc[models["airliner"], "seats"].ge(9).all()


def test_every_carrier_has_one_rule_without_a_limit(flights: Flights, fleet: pd.DataFrame) -> None:
    rest = fleet[fleet["max_distance_mi"].isna()]["carrier"]
    assert rest.is_unique
    assert set(rest) == set(flights.departures["carrier"])
    assert len(rest) == 16
    assert not fleet.duplicated(["carrier", "max_distance_mi"]).any()


def test_the_year_is_whole(flights: Flights) -> None:
    table = flights.departures
    assert len(table) == 336_776
    assert round(100 * table["atd"].isna().mean(), 2) == 2.45
    assert set(table["origin"]) == {"EWR", "JFK", "LGA"}
    assert table["std"].is_monotonic_increasing
    assert table["code"].isin(list("ABCDEF")).all()
    assert table["seats"].gt(0).all()
    assert [use.rows for use in flights.used] == [336_776, 3322, 26115]


def test_departures_are_the_published_schedule_plus_the_delay(flights: Flights) -> None:
    raw = pd.read_csv(fetch_member(read_manifest(manifest_file("stands")), "flights.csv.zip"))
    table = flights.departures
    delay = (table["atd"] - table["std"]) / pd.Timedelta(minutes=1)
    assert delay.sum() == raw["dep_delay"].sum()
    first = table.iloc[0]
    assert (first["flight"], first["std"]) == ("UA1545", pd.Timestamp("2013-01-01 05:15"))
    # 848 min late: the actual time lies on the next calendar day.
    latest = table[delay == raw["dep_delay"].max()].iloc[0]
    assert latest["atd"] - latest["std"] == pd.Timedelta(minutes=1301)
    assert latest["atd"].day == latest["std"].day + 1


def test_a_tail_gives_the_aircraft_and_an_unknown_one_the_carrier_and_distance(
    flights: Flights, planes: pd.DataFrame, models: pd.DataFrame, fleet: pd.DataFrame
) -> None:
    """A tail that was registered anew for a homebuilt or a helicopter counts as unknown."""
    table = flights.departures.assign(model=flights.departures["tail"].map(planes.set_index("tailnum")["model"]))
    types = models.set_index("model")
    airliner = table["model"].map(types["airliner"]).eq(True)
    known, odd = table[airliner], table[~airliner & table["model"].notna()]
    assert (known["code"] == known["model"].map(types["icao_code"])).all()
    assert (known["seats"] == known["model"].map(types["seats"])).all()
    assert len(odd) > 100, "no tail in the data is registered as something else"
    for frame in (odd, table[table["model"].isna()].iloc[::499]):
        for row in frame.itertuples():
            rules = fleet[fleet["carrier"] == row.carrier].sort_values("max_distance_mi", na_position="last")
            fits = rules["max_distance_mi"].isna() | (rules["max_distance_mi"] >= row.distance_mi)
            rule = rules[fits].iloc[0]
            assert (row.code, row.seats) == (rule["icao_code"], rule["seats"]), row


def test_weather_counts_as_known_when_its_hour_is_over(flights: Flights) -> None:
    first = flights.weather[flights.weather["origin"] == "EWR"].iloc[0]
    assert (first["known_at"], first["temp"]) == (pd.Timestamp("2013-01-01 02:00"), 39.02)
    assert flights.weather["known_at"].is_monotonic_increasing


def write(folder: Path, name: str = "own.csv", drop: tuple[str, ...] = (), **columns: object) -> Path:
    table = pd.DataFrame({**GOOD, **columns}).drop(columns=list(drop))
    path = folder / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        for column in set(table) & set(data.TIMES):
            table[column] = pd.to_datetime(table[column].replace("", None))
        table.to_parquet(path)
    return path


def test_own_departures_are_the_same_from_csv_and_parquet(tmp_path: Path) -> None:
    more = {"tail": ["N1", None, "N3"], "distance_mi": [100.5, None, 300], "seats": [100, 200, None]}
    times = {"sibt": ["2013-10-02 07:00", "", ""], "aibt": ["2013-10-02 07:20", "", ""]}
    tables = [
        load_flights(write(tmp_path, f"own.{kind}", **more, **times)).departures for kind in ("csv", "parquet", "pq")
    ]
    assert_frame_equal(one_null(tables[0]), one_null(tables[1]))
    assert_frame_equal(one_null(tables[0]), one_null(tables[2]))
    table = tables[0]
    assert list(table) == [*REQUIRED, *OPTIONAL]
    assert table["code"].tolist() == ["C", "D", "E"]
    assert table["seats"].tolist() == [100, 200, TYPICAL_SEATS["E"]]
    assert table["atd"].isna().tolist() == [False, True, False]
    assert table.loc[0, "sibt"] == pd.Timestamp("2013-10-02 07:00")
    assert table.loc[0, "aibt"] == pd.Timestamp("2013-10-02 07:20")


def test_block_times_may_be_called_so(tmp_path: Path) -> None:
    path = write(tmp_path)
    plain = load_flights(path).departures
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header.replace("std", "sobt").replace("atd", "aobt"), *rows]) + "\n")
    assert_frame_equal(load_flights(path).departures, plain)


def test_optional_columns_may_be_left_out_and_rows_may_come_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    own = load_flights(path)
    assert own.departures["flight"].tolist() == ["XX1", "XX2", "YY3"]
    assert own.departures["seats"].tolist() == [TYPICAL_SEATS[code] for code in "CDE"]
    assert own.departures[["tail", "distance_mi", "sibt", "aibt"]].isna().all(axis=None)
    assert own.weather.empty
    assert list(own.weather) == ["origin", "known_at", *WEATHER]
    assert (own.used[0].name, own.used[0].rows, own.used[0].licence) == ("own.csv", 3, "user's own")


def test_the_embedded_year_goes_out_and_comes_in_again(flights: Flights, tmp_path: Path) -> None:
    part = flights.departures.iloc[5000:5400].reset_index(drop=True)
    for name, save in (("part.csv", part.to_csv), ("part.parquet", part.to_parquet)):
        save(tmp_path / name, index=False)
        assert_frame_equal(one_null(load_flights(tmp_path / name).departures), one_null(part), check_dtype=False)


BAD_CELLS = [
    ("flight", 2, " ", "must not be empty"),
    ("carrier", 1, None, "must not be empty"),
    ("origin", 3, "", "must not be empty"),
    ("dest", 2, None, "must not be empty"),
    ("std", 2, "", "must not be empty"),
    ("std", 3, "half past nine", "must be a time"),
    ("std", 3, "2013-10-02 25:00", "must be a time"),
    ("atd", 1, "cancelled", "must be a time"),
    ("atd", 2, "2013-10-06 09:00", "within 3 days of std"),
    ("atd", 1, "2013-09-20 08:00", "within 3 days of std"),
    ("code", 2, "G", "A to F"),
    ("code", 1, None, "A to F"),
    ("seats", 3, -1, "from 0 to 1000"),
    ("seats", 3, "many", "from 0 to 1000"),
    ("distance_mi", 2, 20000, "from 0 to 13000"),
    ("sibt", 1, "2013-10-02 08:00", "must be before std"),
    ("aibt", 3, "2013-10-02 09:26", "must be before atd"),
    ("aibt", 3, "nine", "must be a time"),
]


@pytest.mark.parametrize(("column", "row", "value", "rule"), BAD_CELLS)
def test_a_bad_cell_is_one_line_with_file_row_and_column(
    tmp_path: Path, column: str, row: int, value: object, rule: str
) -> None:
    cells = list(GOOD.get(column, [None] * 3))
    cells[row - 1] = value
    path = write(tmp_path, **{column: cells})
    with pytest.raises(UserError) as error:
        load_flights(path)
    text = str(error.value)
    assert text.startswith(f"{path}: row {row}, column {column!r}: got ")
    assert rule in text
    assert "\n" not in text


def test_the_first_of_several_bad_rows_is_named_and_the_others_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row 2, column 'code': got 'x'.*\(rows with this fault: 2"):
        load_flights(write(tmp_path, code=["C", "x", "y"]))


def test_a_flight_listed_twice_is_refused(tmp_path: Path) -> None:
    twice = {"flight": ["XX1", "XX2", "XX1"], "std": [GOOD["std"][0], GOOD["std"][1], GOOD["std"][0]]}
    with pytest.raises(UserError, match=r"own\.csv: row 3, column 'flight': got 'XX1', is the same flight"):
        load_flights(write(tmp_path, **twice, atd=[""] * 3))


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_a_missing_column_comes_with_the_nearest_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, drop=("std",), stdd=["2013-10-02 08:00"] * 3)
    with pytest.raises(UserError, match=re.escape(f"{path}: column 'std' is missing") + '.*did you mean "stdd"'):
        load_flights(path)


@pytest.mark.parametrize("name", ["own.csv", "own.parquet"])
def test_a_time_zone_is_refused_with_the_column(tmp_path: Path, name: str) -> None:
    times = ["2013-10-02T08:00+02:00", "2013-10-02T09:00+02:00", "2013-10-02T09:30+02:00"]
    with pytest.raises(UserError, match=r"column 'std' has a time zone"):
        load_flights(write(tmp_path, name, std=times))


@pytest.mark.parametrize(
    "times",
    [
        ["2013-10-02T08:00+02:00", "2013-10-02T09:00", "2013-10-02T09:30"],
        ["2013-10-02T08:00+02:00", "2013-10-02T09:00+01:00", "2013-10-02T09:30+02:00"],
    ],
)
def test_mixed_time_zones_are_refused_too(tmp_path: Path, times: list[str]) -> None:
    with pytest.raises(UserError, match="column 'std'"):
        load_flights(write(tmp_path, std=times, atd=[""] * 3))


def test_an_airline_may_be_called_na(tmp_path: Path) -> None:
    own = load_flights(write(tmp_path, carrier=["XX", "NA", "YY"]))
    assert own.departures["carrier"].tolist() == ["XX", "NA", "YY"]


WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=6)


@pytest.mark.parametrize(("column", "value"), [("sibt", "2012-10-02 07:00"), ("sibt", "-1"), ("std", "-1")])
def test_a_time_far_from_all_others_is_refused(tmp_path: Path, column: str, value: str) -> None:
    cells = [value, *GOOD.get(column, [None] * 3)[1:]]
    with pytest.raises(UserError, match=f"row 1, column '{column}'"):
        load_flights(write(tmp_path, **{"atd": [None] * 3, column: cells}))


# What real files hold where a time, a number or a name should be.
ODD_CELLS = ["-1", "inf", "nan", "1e400", "1,5", "0001-01-01", "9999-12-31", "20131002", "2013-10-02T08:00Z", "True",
             "now", "2013-10-02 24:00", "0x10", "99999999999999999999", "=A1", '"', "\n"]  # fmt: skip


@MANY
@given(st.sampled_from([*REQUIRED, *OPTIONAL]), st.sampled_from(ODD_CELLS) | WORDS, st.integers(0, 2))
def test_whatever_a_cell_holds_it_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, column: str, text: str, row: int
) -> None:
    cells = list(GOOD.get(column, [None] * 3))
    cells[row] = text
    path = write(tmp_path_factory.getbasetemp(), **{column: cells})
    try:
        load_flights(path)
    except UserError as error:
        said = str(error)
    else:
        return
    # A wrong time is found by its distance to the other one, so the column named may be that.
    assert f"row {row + 1}, column " in said or "has a time zone" in said
    assert "\n" not in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.flights: .*none\.csv: no such file"):
        load_flights(tmp_path / "none.csv")
    with pytest.raises(UserError, match="no such file"):
        load_flights(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.csv", b""),
        ("own.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"),
        ("own.csv", b'flight,carrier\n"XX1,XX\nXX2,XX\n'),
        ("own.csv", b"flight,carrier\nXX1,XX\nXX2,XX,1,2,3\n"),
        ("own.parquet", b"flight,carrier\nXX1,XX\n"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_flights(path)
    assert str(error.value).startswith(f"{path}: cannot be read as")
    assert "\n" not in str(error.value)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(",".join(REQUIRED) + "\n")
    with pytest.raises(UserError, match=r"own\.csv: no rows"):
        load_flights(path)
