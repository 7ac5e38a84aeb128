"""The clock of the composite, and the user's own file with everything that may be wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demos.renewables.data import simbench
from demos.renewables.dispatch.composite import (
    COLUMNS,
    LOAD,
    PV,
    PV_PROFILES,
    STEPS,
    Composite,
    dark_share,
    load_composite,
    wall_clock_to_utc,
)
from demos.renewables.dispatch.config import FleetConfig
from shared.errors import UserError
from tests.demos.renewables.dispatch.conftest import made_up


@pytest.fixture(scope="module")
def composite() -> Composite:
    return load_composite(None, FleetConfig())


def test_the_wall_clock_becomes_a_whole_year_of_utc() -> None:
    text = simbench("RESProfile.csv")["time"]
    assert text.duplicated().sum() == 4
    starts = wall_clock_to_utc(text)
    assert (starts[1:] - starts[:-1] == pd.Timedelta("15min")).all()
    assert str(starts[0]) == "2015-12-31 23:00:00+00:00"


def test_days_are_whole_utc_days_scaled_to_the_fleet(composite: Composite) -> None:
    assert composite.values.shape == (365, STEPS, 4)
    assert str(composite.first) == "2016-01-01 00:00:00+00:00"
    assert np.isfinite(composite.values).all()
    assert composite.values.min() >= 0
    assert composite.values[..., LOAD].max() == pytest.approx(80.0, rel=0.01)
    half = load_composite(None, FleetConfig(pv=20.5, wind=25, load=40, inflow=3))
    assert half.values == pytest.approx(composite.values / 2)
    assert "COMPOSITE" in composite.notes[0]


def test_pv_follows_the_sun_and_not_the_clock_of_the_file(composite: Composite) -> None:
    published = wall_clock_to_utc(simbench("RESProfile.csv")["time"])
    power = simbench("RESProfile.csv")[list(PV_PROFILES)].mean(axis=1).to_numpy()
    starts = pd.date_range(composite.first, periods=365 * STEPS, freq="15min")
    mended = dark_share(composite.values[..., PV].ravel(), starts)
    others = [dark_share(power, published + pd.Timedelta(hours=shift)) for shift in (-1, 0, 2)]
    assert 5 * mended < min(others)
    assert mended < 0.0005


def test_loads_follow_the_wall_clock(composite: Composite) -> None:
    """Trades start an hour earlier in UTC after 27 March."""
    load = composite.values[..., LOAD]
    before, after = (load[[composite.number(day) for day in days]].mean(axis=0) for days in (
        ("2016-03-15", "2016-03-16", "2016-03-17"), ("2016-04-12", "2016-04-13", "2016-04-14")))  # fmt: skip
    steps = range(-8, 9)
    best = max(steps, key=lambda shift: np.corrcoef(before[16:44], np.roll(after, shift)[16:44])[0, 1])
    assert 2 <= best <= 6


def own_file(folder: Path, days: int = 3, **changes: object) -> Path:
    """A good file of three days from 22:00 UTC, with cells changed: column_row="text"."""
    starts = pd.date_range("2019-12-31T22:00Z", periods=days * STEPS + 8, freq="15min")
    table = pd.DataFrame(made_up(days + 1).reshape(-1, 4)[: len(starts)], columns=list(COLUMNS)).astype(object)
    table.insert(0, "time", starts.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for key, value in changes.items():
        column, _, row = key.rpartition("__")
        table.loc[int(row) - 1, column] = value
    path = folder / "own.csv"
    table.to_csv(path, index=False)
    return path


def test_the_users_own_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = own_file(tmp_path)
    own = load_composite(path, FleetConfig())
    assert own.own
    assert len(own.used[0].sha256) == 64
    assert own.values.shape == (3, STEPS, 4)
    assert str(own.first) == "2020-01-01 00:00:00+00:00"
    assert own.values.reshape(-1, 4) == pytest.approx(made_up(4).reshape(-1, 4)[8 : 8 + 3 * STEPS])
    parquet = tmp_path / "own.parquet"
    pd.read_csv(path).to_parquet(parquet)
    assert np.array_equal(load_composite(parquet, FleetConfig()).values, own.values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time__5": "2019-12-31T23:00:00"}, "row 5, column time: .* has no UTC offset"),
        ({"time__5": "yesterday Z"}, "row 5, column time: .* is not an ISO 8601 time"),
        ({"time__7": "2019-12-31T23:15:00Z"}, "row 7, column time: .* rows must be 15 min apart"),
        ({"time__9": "2020-01-01T01:00:00+01:30"}, "row 9, column time"),
        ({"load_mw__12": ""}, "row 12, column load_mw: nan is not a finite number"),
        ({"wind_mw__3": "calm"}, "row 3, column wind_mw: calm is not a finite number"),
        ({"pv_mw__40": -0.5}, "row 40, column pv_mw: .*-0.5.* is negative"),
        ({"load_mw__20": 45000.0}, "row 20, column load_mw: 45000 MW is suspiciously much .*kW instead of MW"),
        ({"inflow_mw__6": 900.0}, "row 6, column inflow_mw: 900 MW is suspiciously much against a typical"),
    ],
)
def test_what_is_wrong_is_said_with_row_and_column(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_composite(own_file(tmp_path, **changes), FleetConfig())
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_composite(tmp_path / "none.csv", FleetConfig())
    short = own_file(tmp_path, days=0)
    with pytest.raises(UserError, match="no full UTC day"):
        load_composite(short, FleetConfig())
    short.write_text("time,pv_mw,wind_mw,load_mw\n")
    with pytest.raises(UserError, match="lacks column 'inflow_mw'"):
        load_composite(short, FleetConfig())
    short.write_text("time,pv_mw,wind_mw,load_mw,inflow_mw\n")
    with pytest.raises(UserError, match="no rows"):
        load_composite(short, FleetConfig())
    short.write_text("Time,pv_mw,wind_mw,load_mw,inflow_mw\n")
    with pytest.raises(UserError, match=r"lacks column 'time'.*did you mean \"Time\""):
        load_composite(short, FleetConfig())
    bad = tmp_path / "bad.parquet"
    bad.write_text("not parquet")
    with pytest.raises(UserError, match=r"cannot be read as \.parquet"):
        load_composite(bad, FleetConfig())
