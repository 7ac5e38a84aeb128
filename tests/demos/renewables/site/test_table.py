from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demos.renewables.site.table import read_power, read_weather
from shared.errors import UserError


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.csv"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("time,power_kw\n", "no rows"),
        ("time,power\n2013-01-01 00:00Z,1\n", "column 'power_kw' is missing; did you mean \"power\"\\?"),
        ("stamp,power_kw\n2013-01-01 00:00Z,1\n", "column 'time' is missing"),
        ("time,power_kw\n2013-01-01 00:00Z,1\n2013-01-01 00:15Z,one\n", "row 2, column 'power_kw': got 'one'"),
        ("time,power_kw\n2013-01-01 00:00Z,1\n2013-01-01 00:15Z,inf\n", "row 2, column 'power_kw': got 'inf'"),
        ("time,power_kw\n2013-01-01 00:00Z,1\n01/02/2013 00:15,1\n", "row 2, column 'time': got '01/02/2013 00:15'"),
        ("time,power_kw\n2013-01-01 00:00Z,1\n2013-13-01 00:15Z,1\n", "row 2, column 'time': got '2013-13-01 00:15Z'"),
        ("time,power_kw\n2013-01-01 00:00Z,1\n,1\n", "row 2, column 'time'.*must not be empty"),
        ("time,power_kw\n2013-01-01 00:00Z,1\n2013-01-01 00:15,1\n", "row 2: '2013-01-01 00:15' lacks an offset"),
        ("time,power_kw\n2013-01-01 00:00,1\n2013-01-01 00:15,1\n", "stamps have no time zone .row 1: 2013-01-01"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_power(written(tmp_path, text), None)
    assert "\n" not in str(caught.value)
    assert "mine.csv" in str(caught.value)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_power(tmp_path / "none.csv", None)
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(UserError, match=r"cannot be read as \.parquet"):
        read_power(tmp_path / "bad.parquet", None)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder, not a file"):
        read_power(tmp_path, None)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_semicolons_with_decimal_commas_are_read_and_said(tmp_path: Path, mark: str) -> None:
    text = (
        mark
        + "time;power_kw;ghi;dni\n2013-01-01 00:00Z;0,5;1;\n2013-01-01 00:15Z;;2,25;\n2013-01-01 00:30Z;1.5;-3,0;\n"
    )
    table, (finding,) = read_power(written(tmp_path, text), None)
    np.testing.assert_array_equal(table["power_kw"], [0.5, np.nan, 1.5])
    assert (finding.kind, finding.action) == ("semicolons", "mended")
    assert "decimal commas read as points: 3" in finding.message
    assert read_weather(written(tmp_path, text), None)[0]["ghi"].tolist() == [1.0, 2.25, -3.0]


def test_numbers_that_have_two_readings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row 1, column 'power_kw': got '1.234,5', .*a decimal point, not a comma"):
        read_power(written(tmp_path, "time;power_kw\n2013-01-01 00:00Z;1.234,5\n"), None)
    with pytest.raises(UserError, match=r"row 1, column 'power_kw': got '1,234', .*a decimal point, not a comma"):
        read_power(written(tmp_path, 'time,power_kw\n2013-01-01 00:00Z,"1,234"\n'), None)


def test_names_may_be_padded_and_the_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    table, findings = read_power(written(tmp_path, "\ufefftime , power_kw \n2013-01-01 00:00Z, 1\n"), None)
    assert table["power_kw"].tolist() == [1.0]
    assert findings == []


def test_offsets_may_differ_from_row_to_row(tmp_path: Path) -> None:
    text = "time,power_kw\n2013-11-03T01:30:00-06:00,1\n2013-11-03T01:30:00-07:00,\n"
    table, findings = read_power(written(tmp_path, text), None)
    assert list(table.index.strftime("%H:%M")) == ["07:30", "08:30"]
    assert table["power_kw"].isna().tolist() == [False, True]
    assert findings == []


@pytest.mark.parametrize("zone", ["America/Denver", None])
def test_parquet_is_read_with_and_without_zones(tmp_path: Path, zone: str | None) -> None:
    index = pd.date_range("2013-06-01", periods=4, freq="15min", tz=zone)
    pd.DataFrame({"time": index, "power_kw": 1.0}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"power_kw": 1.0}, index=index.rename("time")).to_parquet(tmp_path / "b.parquet")
    for name in ("a.parquet", "b.parquet"):
        table, _ = read_power(tmp_path / name, "America/Denver")
        assert table.index[0] == pd.Timestamp("2013-06-01 06:00", tz="UTC")


def test_weather_takes_the_columns_there_are(tmp_path: Path) -> None:
    table, _ = read_weather(written(tmp_path, "time,ghi,temp_air,note\n2013-01-01 00:00Z,1,2,dull\n"), None)
    assert list(table) == ["ghi", "temp_air"]
    with pytest.raises(UserError, match="no column of ghi"):
        read_weather(written(tmp_path, "time,GHI\n2013-01-01 00:00Z,1\n"), None)
