from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demos.renewables.faults.config import FaultsConfig, PvConfig, WindConfig
from demos.renewables.faults.own import own_farm, own_pv
from demos.renewables.faults.own_checks import check_farm, check_pv
from demos.renewables.faults.prepare import prepare
from demos.renewables.faults.pv_fit import fit_site
from demos.renewables.faults.wind import fit_turbines
from shared.errors import UserError
from tests.demos.renewables.faults.conftest import changed, clear_days, farm_samples, noon

Write = Callable[[pd.DataFrame], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(table: pd.DataFrame) -> Path:
        table.to_csv(tmp_path / "mine.csv", index=False)
        return tmp_path / "mine.csv"

    return to


def pv_table(days: int = 12) -> pd.DataFrame:
    samples = changed(clear_days(days), noon(days - 2), lambda power, late: 0.0)
    times = pd.to_datetime([one.seconds for one in samples], unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%SZ")
    return pd.DataFrame({"time": times, "power": [one.power for one in samples], "ghi": [one.ghi for one in samples],
                         "temp_air": 20.0})  # fmt: skip


def farm_table() -> pd.DataFrame:
    rows = [
        {"time": pd.Timestamp(one.seconds, unit="s", tz="UTC").isoformat(), "turbine": name, "power": one.power,
         "wind_speed": one.wind_speed, "temp_air": one.temp_air, "wind_direction": one.wind_direction}
        for row in farm_samples(600) for name, one in row.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_good_file_is_read_in_order_of_time(write: Write) -> None:
    table = pv_table()
    stream, used = own_pv(write(table.sample(frac=1, random_state=1)), 15.0)
    assert stream.seconds.is_monotonic_increasing
    assert stream.power.tolist() == pytest.approx(table.power.tolist())
    assert used.rows == len(table)
    assert len(used.sha256) == 64


def test_dni_may_be_given_in_part_or_not_at_all(write: Write) -> None:
    table = pv_table()
    without, _ = own_pv(write(table), 15.0)
    assert without.dni.isna().all()
    given, _ = own_pv(write(table.assign(dni=np.where(table.index % 2 == 0, 700.0, math.nan))), 15.0)
    assert given.dni.dropna().eq(700.0).all()
    assert given.dni.isna().mean() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(UserError, match="row 3, column 'dni'"):
        own_pv(write(table.assign(dni=np.where(table.index == 2, 9999.0, 0.0))), 15.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="ghi"), "column 'ghi' is missing"),
        (lambda t: t.assign(ghi=t.ghi.astype(object).where(t.index != 4, "sunny")), "row 5, column 'ghi': got 'sunny'"),
        (lambda t: t.assign(ghi=t.ghi.where(t.index != 9, 99999)), "row 10, column 'ghi'"),
        (lambda t: t.assign(time=t.time.where(t.index != 2, "tomorrow")), "row 3, column 'time': got 'tomorrow'"),
        (lambda t: t.assign(time=t.time.str[:-1]), "row 1, column 'time'.*no UTC offset"),
        (lambda t: t.assign(time=t.time.where(t.index != 7, t.time[6])), "row 8, column 'time'.*same time"),
        (lambda t: t.assign(time=t.time.str.replace("T05:15:00Z", "T05:16:00Z")), "off the 15-minute grid"),
        (lambda t: t.head(100), "100 rows; at least 1000"),
    ],
)
def test_a_bad_file_is_one_line_with_row_and_column(
    write: Write, change: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        own_pv(write(change(pv_table())), 15.0)
    assert "\n" not in str(error.value)


def test_a_missing_file_names_the_field(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"faults\.data\.pv: .*no such file"):
        own_pv(tmp_path / "none.csv", 15.0)


def test_a_farm_is_split_by_turbine_and_needs_two(write: Write) -> None:
    table = farm_table()
    farm, _ = own_farm(write(table), 10.0)
    assert list(farm) == ["A", "B", "C", "D"]
    assert {len(one) for one in farm.values()} == {600}
    with pytest.raises(UserError, match="one turbine only"):
        own_farm(write(pd.concat([table[table.turbine == "A"], farm_long()])), 10.0)


def farm_long() -> pd.DataFrame:
    """More rows of turbine A, after the others."""
    table = farm_table()
    late = table[table.turbine == "A"].copy()
    late["time"] = (pd.to_datetime(late.time) + pd.Timedelta(days=30)).map(lambda at: at.isoformat())
    return late


def test_a_users_system_is_watched_and_its_trip_found(write: Write) -> None:
    path = write(pv_table())
    config = FaultsConfig.model_validate({"data": {"pv": path}, "split": {"pv_from": "2013-06-23"}})
    prepared = prepare(config)
    assert prepared.farm is None
    assert prepared.mast is None
    assert prepared.events == []
    assert prepared.pv is not None
    assert "trip" in [alarm.kind for alarm in prepared.pv.replay.alarms]
    assert prepared.pv.site.surface_tilt == pytest.approx(35, abs=3)


def checked(write: Write, table: pd.DataFrame, **place: float) -> None:
    config = PvConfig.model_validate(place)
    path = write(table)
    check_pv(path, own_pv(path, config.minutes)[0], config)


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        (lambda t: t.assign(power=t.power / 1000), {}, r"peaks at .* W with faults\.pv\.nameplate=3400"),
        (lambda t: t.assign(power=t.power * 1000), {}, r"peaks at .* W with faults\.pv\.nameplate=3400"),
        (lambda t: t.assign(power=-t.power), {}, "check its unit, its sign"),
        (lambda t: t.assign(ghi=t.ghi / 1000), {}, "column 'ghi': peaks at .* is it global irradiance in W/m2"),
        (lambda t: t.assign(temp_air=math.nan), {}, "0 rows with power, ghi, temp_air all there"),
        (lambda t: t, {"latitude": -39.742}, "sign of latitude.*faults.pv.latitude and longitude"),
        (lambda t: t, {"longitude": 105.173}, "sign of longitude.*faults.pv.latitude and longitude"),
        (lambda t: t.assign(time=t.time.str.replace("Z", "-07:00")), {}, "min late against the sun"),
    ],
)
def test_a_stream_that_cannot_be_what_it_is_said_to_be_is_refused(
    write: Write, change: Callable[[pd.DataFrame], pd.DataFrame], place: dict[str, float], says: str
) -> None:
    checked(write, pv_table())
    with pytest.raises(UserError, match=says) as error:
        checked(write, change(pv_table()), **place)
    assert "\n" not in str(error.value)
    assert "mend_offset" not in str(error.value)


def test_faults_in_the_stream_are_left_to_the_detector(write: Write) -> None:
    """A reading that stands through days and nights, and a stretch in kW, are what it is there for."""
    table = pv_table(14)
    checked(write, table.assign(power=table.power.where((table.index < 480) | (table.index > 700), 1500.0)))
    checked(write, table.assign(power=table.power.where(table.index > 300, table.power / 1000)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.assign(power=t.power * 1000), r"power of A peaks at .* kW with faults\.wind\.rated=2050"),
        (lambda t: t.assign(power=0.0), "power of A peaks at 0 kW"),
        (lambda t: t.assign(wind_speed=t.wind_speed.where(t.turbine != "B")), "turbine B has 0 rows"),
    ],
)
def test_a_farm_that_can_teach_nothing_is_refused(
    write: Write, change: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    path = write(change(farm_table()))
    with pytest.raises(UserError, match=says):
        check_farm(path, own_farm(path, 10.0)[0], WindConfig())


def test_turbines_on_grids_of_their_own_are_refused(write: Write) -> None:
    """Brought to one grid, those of the second would silently be nothing but gaps."""
    table = farm_table()
    late = (pd.to_datetime(table.time) + pd.Timedelta(minutes=5)).map(lambda at: at.isoformat())
    with pytest.raises(UserError, match="off the 10-minute grid of the earliest row"):
        own_farm(write(table.assign(time=table.time.where(table.turbine != "B", late))), 10.0)


def test_too_little_to_learn_from_is_said(write: Write) -> None:
    stream, _ = own_pv(write(pv_table()), 15.0)
    with pytest.raises(UserError, match="0 samples under a clear sky"):
        fit_site(stream.assign(power=0.0), PvConfig())
    with pytest.raises(UserError, match="no row before it"):
        fit_site(stream.assign(ghi=math.nan), PvConfig())
    farm, _ = own_farm(write(farm_table()), 10.0)
    still = {name: table.assign(wind_speed=2.0) for name, table in farm.items()}
    with pytest.raises(UserError, match="turbine A ran in too few winds"):
        fit_turbines(still, 2050.0)


def test_a_split_outside_the_stream_is_refused(write: Write) -> None:
    path = write(pv_table())
    config = FaultsConfig.model_validate({"data": {"pv": path}, "split": {"pv_from": "2020-01-01"}})
    with pytest.raises(UserError, match=r"faults\.split\.pv_from=2020-01-01: the stream runs from"):
        prepare(config)


def test_events_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="for your own streams"):
        FaultsConfig.model_validate({"data": {"events": "mine.yaml"}})
