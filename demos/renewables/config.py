"""The typed config of `renewables`, one section a chapter. Shown by `trendlab config renewables`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

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
    site: SiteConfig = Field(SiteConfig(), description="your own PV plant; nothing set = the embedded one")
    forecast: ForecastConfig = Field(ForecastConfig(), description="probabilistic power forecasts")
    dispatch: DispatchConfig = Field(DispatchConfig(), description="dispatch of wind, PV, hydro and storage together")
    faults: FaultsConfig = Field(FaultsConfig(), description="streaming fault detection")

    @model_validator(mode="after")
    def _chapters_and_site(self) -> RenewablesConfig:
        if len(set(self.chapters)) != len(self.chapters):
            raise ValueError("chapters must each be named once")
        if self.site.power is not None:
            unused = "site.power is given, but only the intraday forecasts use it; add"
            if "forecast" not in self.chapters:
                raise ValueError(f"{unused} forecast to chapters")
            if "intraday" not in self.forecast.parts:
                raise ValueError(f"{unused} intraday to forecast.parts")
        return self
