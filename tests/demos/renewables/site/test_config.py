from __future__ import annotations

import pytest
from pydantic import ValidationError

from demos.renewables.config import RenewablesConfig
from demos.renewables.site.config import SiteConfig


def test_the_default_is_the_embedded_plant() -> None:
    assert SiteConfig().power is None


FULL = {"power": "mine.csv", "latitude": 50.0, "longitude": 8.0, "capacity": 5.0}


def test_power_needs_its_place_and_capacity() -> None:
    with pytest.raises(ValidationError, match="power is given, so longitude and capacity must be given too"):
        SiteConfig(power="mine.csv", latitude=50.0)
    with pytest.raises(ValidationError, match="weather is given without power"):
        SiteConfig(weather="mine.csv")


@pytest.mark.parametrize(
    "alone",
    [
        {"latitude": 52.5},
        {"tilt": 30.0},
        {"capacity": 5.0},
        {"timezone": "UTC"},
        {"mend_offset": True},
        {"interval_label": "right"},
        {"name": "roof"},
    ],
)
def test_what_only_ones_own_plant_uses_is_refused_without_its_power(alone: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(alone))} is given without power; give site.power=FILE"):
        SiteConfig.model_validate(alone)
    assert SiteConfig.model_validate({**FULL, **alone}).power is not None


def test_a_plant_of_ones_own_that_nothing_uses_is_refused() -> None:
    site = {"site": FULL}
    assert RenewablesConfig.model_validate(site).site.power is not None
    with pytest.raises(ValidationError, match=r"only the intraday forecasts use it; add intraday to forecast\.parts"):
        RenewablesConfig.model_validate({**site, "forecast": {"parts": ["wind"]}})
    with pytest.raises(ValidationError, match="only the intraday forecasts use it; add forecast to chapters"):
        RenewablesConfig.model_validate({**site, "chapters": ["dispatch", "faults"]})


@pytest.mark.parametrize("zone", ["Europe/Berlin", "-07:00", "+05:45", "UTC"])
def test_zones_by_name_or_offset(zone: str) -> None:
    assert SiteConfig.model_validate({**FULL, "timezone": zone}).timezone == zone


@pytest.mark.parametrize("zone", ["Mars/Base", "-7", "+25:00", "../etc", ""])
def test_other_zones_are_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="neither an IANA zone nor a fixed offset"):
        SiteConfig(timezone=zone)
