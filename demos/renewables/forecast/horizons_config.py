"""Settings of the two short-term forecasts: intraday PV, and wind a few hours ahead."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from demos.renewables.forecast.models_config import NetworkConfig, TreesConfig
from shared.config import Section

Minutes = Annotated[int, Field(ge=1, le=1440)]
Hours = Annotated[int, Field(ge=1, le=24)]
Learner = Literal["LightGBM", "torch network", "NGBoost, normal", "AutoETS"]
LEARNERS: tuple[Learner, ...] = ("LightGBM", "torch network", "NGBoost, normal", "AutoETS")
LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)

TREES = TreesConfig(rounds=160, leaves=15, min_leaf=100, feature_fraction=0.4, bagging_fraction=0.6, levels=LEVELS)
NETWORK = NetworkConfig(
    members=2, hidden=96, layers=2, dropout=0.2, epochs=12, batch=512, learning_rate=0.004, weight_decay=0.01
)


class NgboostConfig(Section):
    """NGBoost with a normal distribution: a peer."""

    rounds: int = Field(120, ge=1, le=10000, description="boosting rounds, 1 to 10000")
    learning_rate: float = Field(0.05, gt=0, le=1, description="shrinkage of a round, above 0 to 1")
    depth: int = Field(3, ge=1, le=20, description="depth of a tree, 1 to 20")
    min_leaf: int = Field(40, ge=1, le=100000, description="least rows in a leaf, 1 to 100000")
    row_share: float = Field(0.15, gt=0, le=1, description="share of rows a round sees, above 0 to 1")
    column_share: float = Field(0.4, gt=0, le=1, description="share of features a round sees, above 0 to 1")


class EtsConfig(Section):
    """AutoETS with additive errors, rolling: a peer. Its state follows every value, its parameters change at times."""

    window: int = Field(
        1000, ge=100, le=100000, description="values that parameters are chosen on, the latest, 100 to 100000"
    )
    refit_every: int = Field(1000, ge=1, le=100000, description="values between two choices of parameters, 1 to 100000")


class IntradayConfig(Section):
    """Intraday PV: from the plant's own power and the sun, and at one's own plant the weather measured there."""

    horizons: tuple[Minutes, ...] = Field(
        (15, 30, 60, 120, 180, 240),
        min_length=1,
        description="from the issue to the end of the interval forecast [min], whole multiples of the data's step,"
        " increasing, each 1 to 1440",
    )
    test_from: date | None = Field(
        None,
        description="first test day, UTC; all power before it may be learned from;"
        " null = 2013-01-01 of the embedded plant, the last third of one's own",
    )
    test_until: date | None = Field(None, description="day after the last test day, UTC; null = to the end")
    issue_every: Minutes | None = Field(
        None, description="from one issue time of the test to the next [min], 1 to 1440; null = every interval"
    )
    train_every: Minutes | None = Field(
        None, description="learned from as if issued every n minutes [min], 1 to 1440; null = every interval"
    )
    daylight: float = Field(
        5.0,
        ge=0,
        le=30,
        description="daylight: the sun's apparent elevation at issue and at valid time is above this [deg], 0 to 30",
    )
    learners: tuple[Learner, ...] = Field(LEARNERS, description="learned methods, besides those that always run")
    trees: TreesConfig = Field(TREES, description="LightGBM")
    network: NetworkConfig = Field(NETWORK, description="the torch model")
    ngboost: NgboostConfig = Field(NgboostConfig(), description="NGBoost")
    ets: EtsConfig = Field(EtsConfig(window=2000, refit_every=1300), description="AutoETS on the clear-sky index")

    @model_validator(mode="after")
    def _in_order(self) -> IntradayConfig:
        return _checked(self)


class WindConfig(Section):
    """Wind power of a farm, hourly means, from the farm's own SCADA alone."""

    horizons: tuple[Hours, ...] = Field(
        (1, 3, 6),
        min_length=1,
        description="from the issue to the end of the hour forecast [h], increasing, each 1 to 24",
    )
    test_from: date = Field(date(2015, 7, 1), description="first test day, UTC; all before it may be learned from")
    test_until: date = Field(date(2016, 1, 1), description="day after the last test day, UTC; after test_from")
    issue_every: int = Field(1, ge=1, le=168, description="every n-th full hour of the test is an issue time, 1 to 168")
    train_every: int = Field(
        30, ge=10, le=1440, multiple_of=10, description="learned from as if issued every n minutes [min], 10 to 1440"
    )
    block_days: int = Field(3, ge=1, le=31, description="days that the bootstrap draws together [days], 1 to 31")
    ceiling: bool = Field(True, description="also run LightGBM with reanalysis weather at valid time; not a forecast")
    learners: tuple[Learner, ...] = Field(LEARNERS, description="learned methods, besides those that always run")
    trees: TreesConfig = Field(
        TREES.model_copy(update={"rounds": 120, "min_leaf": 200, "feature_fraction": 0.3}), description="LightGBM"
    )
    network: NetworkConfig = Field(
        NETWORK.model_copy(update={"epochs": 10, "learning_rate": 0.003}), description="the torch model"
    )
    ngboost: NgboostConfig = Field(NgboostConfig(), description="NGBoost")
    ets: EtsConfig = Field(EtsConfig(window=2000, refit_every=4320), description="AutoETS on 10-minute power")

    @model_validator(mode="after")
    def _in_order(self) -> WindConfig:
        return _checked(self)


C = TypeVar("C", IntradayConfig, WindConfig)


def _checked(config: C) -> C:
    """Horizons increase, learners are named once, the test has days."""
    if list(config.horizons) != sorted(set(config.horizons)):
        raise ValueError("horizons must increase")
    if len(set(config.learners)) != len(config.learners):
        raise ValueError("learners must each be named once")
    if not {"LightGBM", "torch network"} & set(config.learners):
        raise ValueError("learners must hold LightGBM or torch network: one of them is judged, the others are peers")
    if config.test_from and config.test_until and config.test_from >= config.test_until:
        raise ValueError("test_until must lie after test_from")
    return config
