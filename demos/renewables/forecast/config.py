"""Settings of the forecast chapter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.config import Section

Task = Annotated[int, Field(ge=1, le=15)]
Level = Annotated[float, Field(gt=0, lt=1)]
DayAheadMethod = Literal[
    "network and trees",
    "torch network",
    "LightGBM",
    "NGBoost, normal",
    "pvlib physics, dressed",
    "climatology",
]
Part = Literal["day_ahead", "intraday", "wind"]


class NetworkConfig(Section):
    """The torch model: a multilayer perceptron that gives all quantiles at once."""

    members: int = Field(3, ge=1, le=50, description="networks that differ in their seed, averaged, 1 to 50")
    hidden: int = Field(256, ge=8, le=8192, description="units of a hidden layer, 8 to 8192")
    layers: int = Field(3, ge=1, le=20, description="hidden layers, 1 to 20")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of hidden units dropped in training, 0 to below 1")
    epochs: int = Field(20, ge=1, le=10000, description="passes over the training rows, 1 to 10000")
    batch: int = Field(512, ge=8, le=65536, description="rows of a batch, 8 to 65536")
    learning_rate: float = Field(0.005, gt=0, le=1, description="peak of the one-cycle schedule, above 0 to 1")
    weight_decay: float = Field(0.001, ge=0, le=10, description="decoupled weight decay of AdamW, 0 to 10")


# Levels that are fitted where 99 are asked for; closer together where the loss bends most.
FITTED_LEVELS = (
    *(0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88, 0.92, 0.95, 0.97, 0.98, 0.99),
)


class TreesConfig(Section):
    """LightGBM, one model a quantile level."""

    rounds: int = Field(250, ge=1, le=20000, description="boosting rounds a level, 1 to 20000")
    leaves: int = Field(31, ge=2, le=4096, description="leaves of a tree, 2 to 4096")
    min_leaf: int = Field(40, ge=1, le=100000, description="least rows in a leaf, 1 to 100000")
    learning_rate: float = Field(0.05, gt=0, le=1, description="shrinkage of a round, above 0 to 1")
    feature_fraction: float = Field(0.5, gt=0, le=1, description="share of features a tree sees, above 0 to 1")
    bagging_fraction: float = Field(0.7, gt=0, le=1, description="share of rows a round sees, above 0 to 1")
    levels: tuple[Level, ...] = Field(
        (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.94, 0.97, 0.99),
        min_length=2,
        description="quantile levels that are fitted, increasing, each in (0, 1); the others are interpolated",
    )

    @model_validator(mode="after")
    def _levels_increase(self) -> TreesConfig:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError("levels must increase")
        return self


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
    normal_rounds: int = Field(100, ge=1, le=10000, description="boosting rounds of NGBoost, 1 to 10000")
    network: NetworkConfig = Field(NetworkConfig(), description="the torch model")
    trees: TreesConfig = Field(TreesConfig(), description="LightGBM")

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
