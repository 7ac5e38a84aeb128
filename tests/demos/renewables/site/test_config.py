from __future__ import annotations

import pytest
from pydantic import ValidationError

from demos.renewables.site.config import SiteConfig


def test_the_default_is_the_embedded_plant() -> None:
    assert SiteConfig().power is None


def test_power_needs_its_place_and_capacity() -> None:
    with pytest.raises(ValidationError, match="power is given, so longitude and capacity must be given too"):
        SiteConfig(power="mine.csv", latitude=50.0)
    with pytest.raises(ValidationError, match="weather is given without power"):
        SiteConfig(weather="mine.csv")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "-07:00", "+05:45", "UTC"])
def test_zones_by_name_or_offset(zone: str) -> None:
    assert SiteConfig(timezone=zone).timezone == zone


@pytest.mark.parametrize("zone", ["Mars/Base", "-7", "+25:00", "../etc", ""])
def test_other_zones_are_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="neither an IANA zone nor a fixed offset"):
        SiteConfig(timezone=zone)
