"""Settings of the forecast chapter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from demos.renewables.forecast.horizons_config import IntradayConfig, NgboostConfig, WindConfig
from demos.renewables.forecast.models_config import FITTED_LEVELS, Level, NetworkConfig, TreesConfig
from shared.config import Section

Task = Annotated[int, Field(ge=1, le=15)]
DayAheadMethod = Literal[
    "network and trees",
    "torch network",
    "LightGBM",
    "NGBoost, normal",
    "pvlib physics, dressed",
    "climatology",
]
Part = Literal["day_ahead", "intraday", "wind"]


class DayAheadConfig(Section):
    """Day-ahead PV on GEFCom2014."""

    tasks: tuple[Task, ...] = Field(
        tuple(range(4, 16)),
        min_length=1,
        description="official tasks (months) to forecast, each 1 to 15; 4 to 15 counted",
    )
    methods: tuple[DayAheadMethod, ...] = Field(
        ("network and trees", "torch network", "LightGBM", "NGBoost, normal", "pvlib physics, dressed", "climatology"),
        min_length=1,
        description="methods in the order of the table; the first is ours",
    )
    network_levels: tuple[Level, ...] = Field(
        FITTED_LEVELS,
        min_length=3,
        description="quantile levels that the network fits, increasing, each in (0, 1); the others are interpolated",
    )
    network_weight: float = Field(
        0.6, ge=0, le=1, description="weight of the network where network and trees are averaged, 0 to 1"
    )
    train_days: int | None = Field(
        None, ge=60, le=2000, description="train on the last n days before a task, 60 to 2000; null = on all"
    )
    normal: NgboostConfig = Field(
        NgboostConfig(rounds=300, depth=5, min_leaf=20, row_share=0.5, column_share=0.5), description="NGBoost"
    )
    network: NetworkConfig = Field(
        NetworkConfig(members=2, hidden=192, dropout=0.2, epochs=60, learning_rate=0.002), description="the torch model"
    )
    trees: TreesConfig = Field(
        TreesConfig(levels=(0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)),
        description="LightGBM",
    )

    @model_validator(mode="after")
    def _tasks_once(self) -> DayAheadConfig:
        if len(set(self.tasks)) != len(self.tasks) or len(set(self.methods)) != len(self.methods):
            raise ValueError("tasks and methods must each be named once")
        if list(self.network_levels) != sorted(set(self.network_levels)):
            raise ValueError("network_levels must increase")
        return self


class ForecastConfig(Section):
    """All of the forecast chapter."""

    parts: tuple[Part, ...] = Field(
        ("day_ahead", "intraday", "wind"), min_length=1, description="parts to run, at least one"
    )
    day_ahead: DayAheadConfig = Field(DayAheadConfig(), description="day-ahead PV, GEFCom2014 solar track")
    intraday: IntradayConfig = Field(IntradayConfig(), description="PV, 15 minutes to hours ahead")
    wind: WindConfig = Field(WindConfig(), description="wind, hours ahead")
