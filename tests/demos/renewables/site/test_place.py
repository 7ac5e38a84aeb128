from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from demos.renewables.site.checks import check_power
from demos.renewables.site.finding import Refusal
from tests.demos.renewables.site.plants import CAPACITY, PLACES, synthetic

Year = Callable[[str], pd.Series]
FAR_FROM_THE_EQUATOR = ["berlin", "denver", "sydney", "santiago", "fiji", "tromso"]


@pytest.mark.parametrize("place", FAR_FROM_THE_EQUATOR)
def test_the_wrong_hemisphere_is_refused_with_the_right_one(year: Year, place: str) -> None:
    where = PLACES[place]
    message = rf"the plant works .* h a day, .* fit as {where.latitude}, {where.longitude} \(sign of latitude\)"
    with pytest.raises(Refusal, match=message):
        check_power(year(place), -where.latitude, where.longitude, CAPACITY)


@pytest.mark.parametrize("month", ["2013-01", "2013-06", "2013-12"])
def test_one_month_far_from_the_equinox_tells_the_hemisphere(year: Year, month: str) -> None:
    with pytest.raises(Refusal, match="sign of latitude"):
        check_power(year("berlin")[month], -52.5, 13.4, CAPACITY)


@pytest.mark.parametrize("place", ["quito", "nairobi"])
def test_near_the_equator_the_hemisphere_cannot_be_told(year: Year, place: str) -> None:
    """A limit, held here so that it is not forgotten: the days are as long on either side."""
    assert check_power(year(place), -PLACES[place].latitude, PLACES[place].longitude, CAPACITY)[1] == []


@pytest.mark.parametrize("place", ["berlin", "denver", "sydney", "santiago", "tromso", "quito", "nairobi"])
def test_the_wrong_sign_of_longitude_is_refused_with_the_right_one(year: Year, place: str) -> None:
    where = PLACES[place]
    with pytest.raises(Refusal, match=rf"right at .*{where.latitude}, {where.longitude} \(sign of longitude\)"):
        check_power(year(place), where.latitude, -where.longitude, CAPACITY)


@pytest.mark.parametrize("place", ["berlin", "santiago", "tromso", "quito", "nairobi"])
def test_swapped_coordinates_are_refused(year: Year, place: str) -> None:
    where = PLACES[place]
    with pytest.raises(Refusal, match=rf"fit as .*{where.latitude}, {where.longitude} \(swapped\)"):
        check_power(year(place), where.longitude, where.latitude, CAPACITY)


def test_a_place_that_no_slip_explains(year: Year) -> None:
    with pytest.raises(Refusal, match="check latitude and longitude, and that this is PV power"):
        check_power(year("berlin"), 5.0, 13.4, CAPACITY)


def test_both_sides_of_the_date_line() -> None:
    for longitude in (179.9, -179.9):
        where = type(PLACES["fiji"])(-17.0, longitude, 0)
        assert check_power(synthetic(where, days=60), -17.0, longitude, CAPACITY)[1] == []


@pytest.mark.parametrize("first", ["2013-05-25", "2013-11-20"])
def test_midnight_sun_and_polar_night_are_no_faults(first: str) -> None:
    power = synthetic(PLACES["tromso"], first=first, days=75)
    findings = check_power(power, 69.6, 18.9, CAPACITY)[1]
    assert {finding.kind for finding in findings} <= {"clock not checked"}
