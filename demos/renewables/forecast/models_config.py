"""Settings of the two kinds of model that all forecasts share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from shared.config import Section

Level = Annotated[float, Field(gt=0, lt=1)]


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
