from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from demos.renewables.site.config import SiteConfig
from demos.renewables.site.load import load_site
from shared.errors import UserError
from tests.demos.renewables.site.plants import CAPACITY, PLACES, synthetic

Year = Callable[[str], pd.Series]


def config(file: Path, **more: object) -> SiteConfig:
    where = PLACES["sydney"]
    base = {"power": file, "latitude": where.latitude, "longitude": where.longitude, "capacity": CAPACITY}
    return SiteConfig.model_validate({**base, **more})


def saved(series: pd.Series | pd.DataFrame, file: Path) -> Path:
    frame = series.to_frame() if isinstance(series, pd.Series) else series
    frame.rename_axis("time").to_csv(file)
    return file


def test_a_site_from_csv_with_weather(year: Year, tmp_path: Path) -> None:
    power = year("sydney")["2013-01":"2013-04"]  # type: ignore[misc]
    weather = pd.DataFrame({"ghi": power * 100, "temp_air": 20.0}).resample("30min").mean()
    site = load_site(
        config(
            saved(power.tz_convert("Australia/Sydney"), tmp_path / "p.csv"),
            weather=saved(weather, tmp_path / "w.csv"),
            tilt=30.0,
            azimuth=0.0,
        )
    )
    assert site.findings == []
    pd.testing.assert_series_equal(site.power, power, check_freq=False, check_index_type=False)
    assert site.weather is not None
    assert list(site.weather) == ["ghi", "temp_air"]
    assert site.to_middle == pd.Timedelta("7.5min")


def test_right_labels_become_left_ones(tmp_path: Path) -> None:
    power = synthetic(PLACES["sydney"], days=40)
    ends = power.set_axis(power.index + pd.Timedelta("15min"))
    site = load_site(config(saved(ends, tmp_path / "p.csv"), interval_label="right", tilt=1.0, azimuth=0.0))
    assert site.interval_label == "left"
    pd.testing.assert_series_equal(site.power, power, check_freq=False, check_index_type=False)


def test_an_orientation_that_is_not_given_is_assumed_and_said(tmp_path: Path) -> None:
    site = load_site(config(saved(synthetic(PLACES["sydney"], days=30), tmp_path / "p.csv"), tilt=12.0))
    assert (site.surface_tilt, site.surface_azimuth) == (12.0, 0.0)
    assert site.findings[-1].message == "azimuth not given; assumed tilt 12, azimuth 0 deg"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("temp_air", 293.0, "temp_air is 293 .* C, not K"),
        ("ghi", 5000.0, "ghi is 5000 at 2013-01-01 00:00 UTC"),
        ("ghi", 0.9, "ghi never exceeds 0.9; its unit is W/m2, not kW/m2"),
        ("dni", float("nan"), "every value of dni is empty; leave the column out"),
    ],
)
def test_implausible_weather_is_refused(tmp_path: Path, column: str, value: float, message: str) -> None:
    power = saved(synthetic(PLACES["sydney"], days=30), tmp_path / "p.csv")
    index = pd.date_range("2013-01-01", periods=48, freq="h", tz="UTC")
    weather = saved(pd.DataFrame({column: value}, index=index), tmp_path / "w.csv")
    with pytest.raises(UserError, match=message):
        load_site(config(power, weather=weather))


def test_weather_whose_clock_is_off_is_refused(tmp_path: Path) -> None:
    power = synthetic(PLACES["sydney"], days=60)
    late = (power * 100).rename("ghi").set_axis(power.index + pd.Timedelta(hours=2))
    files = {"power": saved(power, tmp_path / "p.csv"), "weather": saved(late, tmp_path / "w.csv")}
    with pytest.raises(UserError, match=r"w.csv: the clock is 1\d\d min late"):
        load_site(config(files["power"], weather=files["weather"]))
    site = load_site(config(files["power"], weather=files["weather"], mend_offset=True, tilt=1.0, azimuth=0.0))
    assert [finding.message[:21] for finding in site.findings] == ["weather: the clock is"]
    assert site.weather is not None
    np.testing.assert_allclose(site.weather["ghi"], power * 100)
    assert site.weather.index[0] == power.index[0]


def test_power_and_weather_may_be_one_file_whose_clock_is_mended_once(year: Year, tmp_path: Path) -> None:
    """A logger that says +10:00 all year and follows daylight saving: what power shows puts all columns right."""
    power = year("sydney")
    table = pd.DataFrame({"power_kw": power, "temp_air": np.arange(len(power)) % 96 / 4.0})
    wall = table.index.tz_convert("Australia/Sydney").tz_localize(None)
    broken = table.assign(time=[f"{stamp:%Y-%m-%dT%H:%M}+10:00" for stamp in wall]).set_index("time")
    file = saved(broken, tmp_path / "both.csv")
    site = load_site(config(file, weather=file, tilt=30.0, azimuth=0.0))
    assert [finding.kind for finding in site.findings if finding.action == "mended"].count("daylight saving") == 1
    assert site.weather is not None
    assert site.weather.index.equals(site.power.index)
    both = pd.DataFrame({"power_kw": site.power, "temp_air": site.weather["temp_air"]}).dropna()
    pd.testing.assert_frame_equal(both, table.loc[both.index], check_freq=False)
    assert len(both) > len(table) - 20


def test_weather_rows_that_contradict_each_other_are_left_empty_when_they_are_few(tmp_path: Path) -> None:
    power = synthetic(PLACES["sydney"], days=30)
    weather = pd.DataFrame({"temp_air": np.arange(720) % 24.0}, pd.date_range("2013-01-01", periods=720, freq="h"))
    weather.index = weather.index.tz_localize("UTC")
    for doubled, rows in ((4, slice(100, 104)), (0, slice(0, 700))):
        file = saved(pd.concat([weather, weather.iloc[rows] + 5]), tmp_path / "w.csv")
        mine = config(saved(power, tmp_path / "p.csv"), weather=file, tilt=30.0, azimuth=0.0)
        if not doubled:
            with pytest.raises(UserError, match="700 stamps have rows that contradict each other"):
                load_site(mine)
            continue
        site = load_site(mine)
        assert site.weather is not None
        assert site.weather["temp_air"].isna().sum() == doubled
        assert any("weather: 4 stamps have rows that contradict" in finding.message for finding in site.findings)
        assert any("weather: not known: temp_air 0.6% of the time" in finding.message for finding in site.findings)


def test_errors_name_the_file_and_are_one_line(tmp_path: Path) -> None:
    file = saved(synthetic(PLACES["berlin"], days=60), tmp_path / "p.csv")
    with pytest.raises(UserError, match=r"p\.csv: ") as caught:
        load_site(config(file))
    assert "\n" not in str(caught.value)


def test_the_embedded_plant_has_no_weather_that_is_known_in_time() -> None:
    site = load_site(SiteConfig())
    assert site.capacity_kw > 0
    assert site.to_middle == pd.Timedelta(0)
    assert site.weather is None
