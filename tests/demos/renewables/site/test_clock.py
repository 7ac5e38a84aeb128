from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from demos.renewables.site.checks import check_power
from demos.renewables.site.clock import matching_zone, standard_hours, transitions
from demos.renewables.site.finding import Refusal
from tests.demos.renewables.site.plants import CAPACITY, PLACES, synthetic

Year = Callable[[str], pd.Series]
WITH_SUMMER_TIME = ["berlin", "denver", "sydney", "santiago", "tromso"]


def check(power: pd.Series, place: str, **settings: object) -> tuple[pd.Series, list]:
    where = PLACES[place]
    return check_power(power, where.latitude, where.longitude, CAPACITY, **settings)  # type: ignore[arg-type]


def wall(power: pd.Series, zone: str) -> pd.Series:
    """The same power under the wall clock of a zone, as many loggers write it: no zone, one hour twice, one not."""
    return power.set_axis(power.index.tz_convert(zone).tz_localize(None))


def under_fixed_offset(power: pd.Series, zone: str) -> pd.Series:
    """A clock that follows daylight saving under stamps that claim standard time; of a repeated hour one is lost."""
    local = wall(power, zone)
    local = local[~local.index.duplicated()]
    return local.set_axis((local.index - pd.Timedelta(hours=standard_hours(zone))).tz_localize("UTC"))


@pytest.mark.parametrize("place", WITH_SUMMER_TIME)
@pytest.mark.parametrize("minutes", [15, 60])
def test_daylight_saving_under_a_fixed_offset_is_undone(place: str, minutes: int) -> None:
    truth = synthetic(PLACES[place], minutes=minutes)
    broken = under_fixed_offset(truth, PLACES[place].zone)
    mended, findings = check(broken, place)
    assert findings[0].kind == "daylight saving"
    assert "although its stamps do not" in findings[0].message
    both = mended.dropna().index.intersection(truth.index)
    assert len(both) >= len(truth) - 2 * 60 // minutes - 60
    np.testing.assert_array_equal(mended[both], truth[both])


def test_the_dates_of_the_steps_are_said(year: Year) -> None:
    _, findings = check(under_fixed_offset(year("denver"), "America/Denver"), "denver")
    assert "America/Denver" in findings[0].message
    assert "2013-03-10 (+60 min), 2013-11-03 (-60 min)" in findings[0].message


@pytest.mark.parametrize("place", PLACES)
def test_a_wall_clock_is_read_with_its_zone(year: Year, place: str) -> None:
    truth = year(place)
    mended, findings = check(wall(truth, PLACES[place].zone), place, timezone=PLACES[place].zone)
    pd.testing.assert_series_equal(mended, truth, check_freq=False, check_index_type=False)
    assert {finding.kind for finding in findings} <= {"hour that occurs twice"}


def test_a_repeated_hour_that_is_there_once_is_left_empty(year: Year) -> None:
    local = wall(year("berlin"), "Europe/Berlin")
    mended, findings = check(local[~local.index.duplicated()], "berlin", timezone="Europe/Berlin")
    assert "there only once and left empty" in findings[0].message
    gone = mended[mended.isna()].index
    assert list(gone.strftime("%m-%d %H:%M")[[0, -1]]) == ["10-27 00:00", "10-27 01:45"]
    assert mended.notna().sum() == len(mended) - 8


def test_a_repeated_hour_without_order_is_refused_only_when_it_matters(year: Year) -> None:
    power = year("berlin")
    local = wall(power, "Europe/Berlin").iloc[::-1]
    mended, _ = check(local, "berlin", timezone="Europe/Berlin")
    pd.testing.assert_series_equal(mended, power, check_freq=False)
    power[pd.Timestamp("2013-10-27 00:15", tz="UTC")] = 0.1
    with pytest.raises(Refusal, match=r"2013-10-27 02:15:00 occurs twice in Europe/Berlin .* order of the 2 rows"):
        check(wall(power, "Europe/Berlin").iloc[::-1], "berlin", timezone="Europe/Berlin")


def test_the_hour_that_spring_skips(year: Year) -> None:
    standard = year("berlin").set_axis(year("berlin").index.tz_localize(None) + pd.Timedelta(hours=1))
    with pytest.raises(Refusal, match=r"row 8549: 2013-03-31 02:00:00 does not exist in Europe/Berlin.*fixed offset"):
        check(standard, "berlin", timezone="Europe/Berlin")
    mended, findings = check(standard, "berlin", timezone="+01:00")
    assert findings == []
    local = wall(year("berlin"), "Europe/Berlin")
    filler = pd.Series(np.nan, pd.date_range("2013-03-31 02:00", periods=4, freq="15min"))
    mended, findings = check(pd.concat([local, filler]).sort_index(kind="stable"), "berlin", timezone="Europe/Berlin")
    assert [finding.kind for finding in findings][:1] == ["hour that does not exist"]
    pd.testing.assert_series_equal(mended, year("berlin"), check_freq=False)


def test_a_clock_without_daylight_saving_read_with_it_is_refused(year: Year) -> None:
    power = year("denver")
    standard = power.set_axis(power.index.tz_localize(None) - pd.Timedelta(hours=7))
    skipped = (standard.index.floor("h") == pd.Timestamp("2013-03-10 02:00")) | (
        standard.index.floor("h") == pd.Timestamp("2013-11-03 01:00")
    )
    with pytest.raises(Refusal, match=r"read with the daylight saving of America/Denver, but .* clock without it"):
        check(standard[~skipped], "denver", timezone="America/Denver")


def test_stamps_without_a_zone_are_refused(year: Year) -> None:
    with pytest.raises(Refusal, match=r"stamps have no time zone \(row 1: 2013-01-01 01:00:00\).* set timezone"):
        check(wall(year("berlin"), "Europe/Berlin"), "berlin")


def test_steps_that_no_rule_explains_are_refused(year: Year) -> None:
    power = year("berlin")
    jump = pd.Timestamp("2013-07-15", tz="UTC")
    late = pd.concat(
        [power[:jump], power[jump:].iloc[1:].pipe(lambda part: part.set_axis(part.index + pd.Timedelta("1h")))]
    )
    with pytest.raises(
        Refusal, match=r"the clock jumps against the sun on 2013-07-1\d \(\+60 min\), which no daylight"
    ):
        check(late, "berlin")


def test_a_clock_that_stops_following_its_rule_is_refused(year: Year) -> None:
    """Spring is as the rule says and autumn is not: undoing the rule would break the winter."""
    power = year("denver")
    spring = pd.Timestamp("2013-03-10 09:00", tz="UTC")
    after = power[spring:]
    broken = pd.concat([power[:spring].iloc[:-1], after.set_axis(after.index + pd.Timedelta(hours=1))])
    with pytest.raises(Refusal, match=r"2013-(03-1|11-0)"):
        check(broken, "denver")


@pytest.mark.parametrize("place", ["berlin", "sydney", "fiji", "tromso", "quito"])
@pytest.mark.parametrize("hours", [-10, -1, 1, 5.5])
def test_a_constant_offset_is_refused_or_mended_when_asked(year: Year, place: str, hours: float) -> None:
    power = year(place)
    late = power.set_axis(power.index + pd.Timedelta(hours=hours))
    word = "late" if hours > 0 else "early"
    with pytest.raises(Refusal, match=rf"the clock is \d+ min {word} against the sun") as caught:
        check(late, place)
    assert f"{-hours * 60:+.0f} min" in str(caught.value)
    mended, findings = check(late, place, mend_offset=True)
    assert [(finding.kind, finding.action) for finding in findings] == [("wrong offset", "mended")]
    pd.testing.assert_series_equal(mended, power, check_freq=False)


def test_an_hourly_table_with_the_wrong_label_is_found() -> None:
    power = synthetic(PLACES["denver"], minutes=60)
    with pytest.raises(Refusal, match="interval_label"):
        check(power, "denver", interval_label="right")
    ends = power.set_axis(power.index + pd.Timedelta(hours=1))
    assert check(ends, "denver", interval_label="right")[1] == []


def test_rules_are_told_apart_by_their_dates() -> None:
    offset = pd.Series(0.0, pd.date_range("2012-01-01", "2013-12-31"))
    for zone in ("America/Denver", "Europe/Berlin", "Australia/Sydney", "America/Santiago", "Pacific/Auckland"):
        rule = transitions(zone, offset.index[0], offset.index[-1])
        assert len(rule) == 4
        found, sign = matching_zone(rule, offset, 15 * standard_hours(zone), 15)
        assert (found, sign) == (zone, 1)


def test_a_plant_that_fails_every_noon_has_a_good_clock(year: Year) -> None:
    power = year("berlin")
    broken = (power.index.day_of_year > 120) & (power.index.day_of_year < 170) & (power.index.hour >= 11)
    assert check(power.mask(broken, 0.0), "berlin")[1] == []
