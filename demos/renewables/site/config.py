"""Settings of the bring-your-own-site layer: where a plant stands, and the files with its power and its weather."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from shared.config import Section

FIXED_OFFSET = re.compile(r"^[+-](0\d|1[0-4]):[0-5]\d$")


class SiteConfig(Section):
    """Your own PV plant, for the intraday forecasts; nothing is set where the embedded plant is to be used."""

    name: str = Field("your site", min_length=1, max_length=80, description="name in tables and figures")
    power: Path | None = Field(
        None, description="AC power, CSV or Parquet, columns time and power_kw [kW]; null = the embedded plant"
    )
    weather: Path | None = Field(
        None,
        description="weather measured at the plant, CSV or Parquet, may be the file of power: column time and any of"
        " ghi, dni, dhi, poa_global [W/m2], temp_air [C], wind_speed [m/s]; known up to the issue time; null = none",
    )
    latitude: float | None = Field(None, ge=-90, le=90, description="latitude [deg], -90 to 90, north positive")
    longitude: float | None = Field(None, ge=-180, le=180, description="longitude [deg], -180 to 180, east positive")
    tilt: float | None = Field(
        None,
        ge=0,
        le=90,
        description="surface_tilt [deg], 0 (flat) to 90 (upright); null = assumed: the latitude, at most 35",
    )
    azimuth: float | None = Field(
        None,
        ge=0,
        le=360,
        description="surface_azimuth [deg], 0 to 360, clockwise from north, 180 = south;"
        " null = assumed: towards the equator",
    )
    capacity: float | None = Field(None, gt=0, le=1e7, description="AC capacity [kW], more than 0, at most 1e7")
    timezone: str | None = Field(
        None,
        description='zone of stamps without one, an IANA name or a fixed offset such as "-07:00";'
        " null = stamps without a zone are refused",
    )
    interval_label: Literal["left", "right", "center"] = Field(
        "left", description="what a stamp marks: start (left), end (right) or middle (center) of its interval"
    )
    mend_offset: bool = Field(
        False, description="shift a clock that the sun shows to be wrong by a constant; false = refuse it"
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and not FIXED_OFFSET.match(value):
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                raise ValueError(f'{value!r} is neither an IANA zone nor a fixed offset such as "-07:00"') from None
        return value

    @model_validator(mode="after")
    def _complete(self) -> SiteConfig:
        missing = [name for name in ("latitude", "longitude", "capacity") if getattr(self, name) is None]
        if self.power is not None and missing:
            raise ValueError(f"power is given, so {' and '.join(missing)} must be given too")
        # base.yaml writes every default out, so what was set is what differs from them.
        alone = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if self.power is None and alone:
            verb = "is" if len(alone) == 1 else "are"
            raise ValueError(
                f"{' and '.join(alone)} {verb} given without power; give site.power=FILE too, or neither for the"
                " embedded plant"
            )
        return self
