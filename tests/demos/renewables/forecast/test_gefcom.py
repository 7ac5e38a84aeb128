"""The contest's rows: fluxes, features that stay inside their issue, the split, the place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pvlib import solarposition

from demos.renewables import data
from demos.renewables.forecast import gefcom
from demos.renewables.forecast.day_ahead import split


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return gefcom.load_rows()


def test_every_row_of_the_contest_is_there_once(rows: pd.DataFrame) -> None:
    assert len(rows) == 3 * 19704
    assert not rows.duplicated(["site", "valid_time"]).any()
    assert rows["power"].between(0, 1.01).all()
    lead = (rows["valid_time"] - rows["issue_time"]) / pd.Timedelta(hours=1)
    assert lead.between(0, 23).all()
    assert (rows["lead"] == lead + 1).all()
    # Looking back over the edge of an issue is right only where issues follow each other day by day.
    issues = rows.loc[rows["site"] == "Site1", "issue_time"].drop_duplicates()
    assert (issues.diff().dropna() == pd.Timedelta(days=1)).all()


def test_fluxes_are_differenced_within_their_issue(rows: pd.DataFrame) -> None:
    raw = data.gefcom_solar()["Site2"]["VAR169"].to_numpy().reshape(-1, 24)
    flux = rows.loc[rows["site"] == "Site2", "ghi"].to_numpy().reshape(-1, 24)
    assert flux[:, 0] == pytest.approx(raw[:, 0] / 3600)
    assert flux[:, 1:] == pytest.approx(np.diff(raw, axis=1) / 3600)
    assert flux.sum(axis=1) * 3600 == pytest.approx(raw[:, -1])


def test_no_feature_knows_the_weather_of_a_later_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = data.gefcom_solar().iloc[: 24 * 30]
    weather = [name for name in raw.columns if name[1] != "Power"]
    changed = raw.copy()
    later = np.arange(len(raw)) >= 24 * 12
    changed.loc[later, weather] = changed.loc[later, weather].to_numpy() * 1.7 + 3.0
    found = []
    for table in (raw, changed):
        monkeypatch.setattr(gefcom, "gefcom_solar", lambda table=table: table)
        found.append(gefcom.load_rows())
    names = gefcom.feature_names(found[0])
    early = (found[0]["issue_time"] <= raw.index[24 * 12 - 1][0]).to_numpy()
    pd.testing.assert_frame_equal(found[0].loc[early, names], found[1].loc[early, names])
    assert not found[0].loc[~early, names].equals(found[1].loc[~early, names])


def test_no_feature_knows_the_power(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = data.gefcom_solar().iloc[: 24 * 10]
    changed = raw.copy()
    changed.loc[:, [name for name in raw.columns if name[1] == "Power"]] = 0.123
    found = []
    for table in (raw, changed):
        monkeypatch.setattr(gefcom, "gefcom_solar", lambda table=table: table)
        found.append(gefcom.load_rows())
    names = [*gefcom.feature_names(found[0]), "scale", "daylight"]
    pd.testing.assert_frame_equal(found[0][names], found[1][names])


@pytest.mark.parametrize("task", range(1, 16))
def test_a_task_trains_on_what_was_issued_before_its_month(rows: pd.DataFrame, task: int) -> None:
    train, test = split(rows, task)
    start = pd.Timestamp("2013-04-01", tz="UTC") + pd.DateOffset(months=task - 1)
    assert gefcom.task_start(task) == start
    assert train["issue_time"].max() < start
    # The last issue before the month ends with the hour that ends at its first instant.
    assert train["valid_time"].max() == start
    assert test["valid_time"].min() == start + pd.Timedelta(hours=1)
    assert test["valid_time"].max() == start + pd.DateOffset(months=1)
    assert len(test) == 3 * 24 * start.days_in_month


def test_neighbouring_hours_are_neighbours() -> None:
    values = np.arange(48.0)
    after, before = gefcom._shifted(values, 1), gefcom._shifted(values, -2)
    assert after[:3].tolist() == [1, 2, 3]
    assert np.isnan(after[[23, 47]]).all()
    assert after[24] == 25
    assert np.isnan(before[:2]).all()
    assert before[[2, 24, 25, 26]].tolist() == [0, 22, 23, 24]


def test_clear_sky_is_the_sun_of_the_middle_of_the_hour(rows: pd.DataFrame) -> None:
    # At the equinox the sun culminates at about 02:10 UTC there: hours ending 02:00 and 03:00 are about equal.
    day = rows[(rows["site"] == "Site1") & (rows["issue_time"] == pd.Timestamp("2013-03-20 01:00", tz="UTC"))]
    by_hour = day.set_index(day["valid_time"].dt.hour)["ghi_clear"]
    assert by_hour[2] == pytest.approx(by_hour[3], rel=0.03)
    assert by_hour.idxmax() in (2, 3)
    assert (day.loc[~day["daylight"], "power"] < 0.05).all()


@pytest.mark.slow
def test_the_place_is_where_the_radiation_at_the_top_of_the_atmosphere_says(rows: pd.DataFrame) -> None:
    early = rows[(rows["site"] == "Site1") & (rows["issue_time"] < gefcom.task_start(1))]
    lit = early["top_net_solar"].to_numpy() > 2
    times = pd.DatetimeIndex(early["valid_time"])
    wrong = {}
    for latitude in range(-39, -32):
        for longitude in range(146, 153):
            sun = np.zeros(len(times))
            for minutes in gefcom.MIDPOINTS:
                moment = times - pd.Timedelta(minutes=minutes)
                zenith = solarposition.get_solarposition(moment, latitude, longitude, method="ephemeris")["zenith"]
                sun += np.cos(np.radians(zenith.to_numpy())).clip(0) / len(gefcom.MIDPOINTS)
            wrong[latitude, longitude] = np.mean(lit != (1361 * sun > 6))
    best = min(wrong, key=lambda place: wrong[place])
    assert abs(best[0] - gefcom.LATITUDE) <= 1
    assert abs(best[1] - gefcom.LONGITUDE) <= 1
