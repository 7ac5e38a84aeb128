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
OURS: tuple[DayAheadMethod, ...] = ("network and trees", "torch network", "LightGBM")


class DayAheadConfig(Section):
    """Day-ahead PV on GEFCom2014."""

    tasks: tuple[Task, ...] = Field(
        tuple(range(4, 16)),
        min_length=1,
        description="official tasks (months) to forecast, each 1 to 15; 4 to 15 counted",
    )
    methods: tuple[DayAheadMethod, ...] = Field(
        ("network and trees", "torch network", "LightGBM", "NGBoost, normal", "pvlib physics, dressed", "climatology"),
        min_length=2,
        description="methods in the order of the table: at least one of the first three, the first of which is"
        " judged, and a peer",
    )
    network_levels: tuple[Level, ...] = Field(
        FITTED_LEVELS,
        min_length=3,
        description="quantile levels that the network fits, increasing, each in (0, 1); the others are interpolated",
    )
    network_weight: float = Field(
        0.65, ge=0, le=1, description="weight of the network where network and trees are averaged, 0 to 1"
    )
    train_days: int | None = Field(
        None, ge=60, le=2000, description="train on the last n days before a task, 60 to 2000; null = on all"
    )
    normal: NgboostConfig = Field(
        NgboostConfig(rounds=300, depth=5, min_leaf=20, row_share=0.5, column_share=0.5), description="NGBoost"
    )
    network: NetworkConfig = Field(
        NetworkConfig(members=2, hidden=192, dropout=0.2, epochs=40, learning_rate=0.003),
        description="the torch model",
    )
    trees: TreesConfig = Field(
        TreesConfig(rounds=300, learning_rate=0.1, levels=(0.02, 0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92, 0.98)),
        description="LightGBM",
    )

    @model_validator(mode="after")
    def _tasks_once(self) -> DayAheadConfig:
        if len(set(self.tasks)) != len(self.tasks) or len(set(self.methods)) != len(self.methods):
            raise ValueError("tasks and methods must each be named once")
        if list(self.network_levels) != sorted(set(self.network_levels)):
            raise ValueError("network_levels must increase")
        if not set(OURS) & set(self.methods):
            raise ValueError(f"methods must hold one of: {', '.join(OURS)}")
        if not set(self.methods) - set(OURS):
            raise ValueError("methods must hold a peer: what is judged never stands alone")
        return self


class ForecastConfig(Section):
    """All of the forecast chapter."""

    parts: tuple[Part, ...] = Field(
        ("day_ahead", "intraday", "wind"), min_length=1, description="parts to run, at least one"
    )
    day_ahead: DayAheadConfig = Field(DayAheadConfig(), description="day-ahead PV, GEFCom2014 solar track")
    intraday: IntradayConfig = Field(IntradayConfig(), description="PV, 15 minutes to hours ahead")
    wind: WindConfig = Field(WindConfig(), description="wind, hours ahead")

    @model_validator(mode="after")
    def _parts_once(self) -> ForecastConfig:
        if len(set(self.parts)) != len(self.parts):
            raise ValueError("parts must each be named once")
        return self
