"""The typed config of `renewables`, one section a chapter. Shown by `trendlab config renewables`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from demos.renewables.dispatch.config import DispatchConfig
from demos.renewables.faults.config import FaultsConfig
from demos.renewables.forecast.config import ForecastConfig
from demos.renewables.site.config import SiteConfig
from shared.config import DemoConfig

ChapterName = Literal["forecast", "dispatch", "faults"]


class RenewablesConfig(DemoConfig):
    """All of `renewables`."""

    chapters: tuple[ChapterName, ...] = Field(
        ("forecast", "dispatch", "faults"), min_length=1, description="chapters to run, at least one, in this order"
    )
    site: SiteConfig = Field(SiteConfig(), description="your own PV plant; all null = the embedded one")
    forecast: ForecastConfig = Field(ForecastConfig(), description="probabilistic power forecasts")
    dispatch: DispatchConfig = Field(DispatchConfig(), description="dispatch of wind, PV, hydro and storage together")
    faults: FaultsConfig = Field(FaultsConfig(), description="streaming fault detection")
