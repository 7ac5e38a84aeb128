from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
    [("temp_air", 293.0, "temp_air is 293 .* C, not K"), ("ghi", 5000.0, "ghi is 5000 at 2013-01-01 00:00 UTC")],
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
        load_site(config(files["power"], weather=files["weather"], mend_offset=True))


def test_errors_name_the_file_and_are_one_line(tmp_path: Path) -> None:
    file = saved(synthetic(PLACES["berlin"], days=60), tmp_path / "p.csv")
    with pytest.raises(UserError, match=r"p\.csv: ") as caught:
        load_site(config(file))
    assert "\n" not in str(caught.value)


def test_the_embedded_plant() -> None:
    site = load_site(SiteConfig())
    assert site.capacity_kw > 0
    assert site.to_middle == pd.Timedelta(0)
    assert site.weather is not None
    assert site.weather.index.equals(site.power.index)
