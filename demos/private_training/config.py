"""The typed config of `private_training`. Shown by `trendlab config private_training`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different

MethodName = Literal[
    "small CNN, Opacus",
    "small CNN, ours",
    "deep CNN, ours",
    "EfficientNet on public axes, linear",
    "scattering, linear",
    "scattering on public axes, linear",
]
PEER: MethodName = "small CNN, Opacus"
EFFICIENTNET: MethodName = "EfficientNet on public axes, linear"
OURS: MethodName = "scattering on public axes, linear"
ChapterName = Literal["learn", "audit", "trust"]
Tuning = Literal["public", "charged"]
Batch = Annotated[int, Field(ge=1, le=100_000)]
Epsilon = Annotated[float, Field(gt=0, le=100)]


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
        default=[PEER, "small CNN, ours", EFFICIENTNET, "scattering, linear", OURS],
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
        default=[0.3, 1.0, 3.0], min_length=1, description="Budgets that are compared. Each above 0, at most 100."
    )
    delta: float = Field(default=1e-5, gt=0, lt=1, description="Of all budgets; below 1 / aircraft. Between 0 and 1.")
    seeds: int = Field(
        default=5, ge=2, le=100, description="Repeats, each with its own unseen aircraft and noise. From 2 to 100."
    )
    aircraft: int = Field(default=4037, ge=100, le=4037, description="Units, of 4,037 by lot. From 100 to 4037.")
    rows: int = Field(
        default=16, ge=1, le=100, description="Departures of an aircraft that an owner trains on, at most. 1 to 100."
    )
    steps: int = Field(default=40, ge=1, le=1000, description="Rounds of a training. From 1 to 1000.")
    grant: Epsilon = Field(default=4.0, description="What each owner grants, in the chapter's ledger. 0 to 100.")
    query: Epsilon = Field(default=0.1, description="What a question to one owner costs it. Above 0, at most 100.")
    trial: Epsilon = Field(default=0.3, description="What a short training first costs. Above 0, at most 100.")
    backend: Literal["process", "ray"] = Field(
        default="process",
        description="Who carries the messages of the training that the ledger shows: this process, or Ray by Flower.",
    )

    @model_validator(mode="after")
    def _private(self) -> TrustSection:
        if self.delta >= 1 / self.aircraft:
            raise ValueError(f"delta must be below 1/N = {1 / self.aircraft:g} for {self.aircraft} aircraft")
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
        default=["learn", "audit", "trust"], min_length=1, description="Chapters of the report, in order."
    )
    learn: LearnSection = Field(default=LearnSection(), description="Training under a budget.")
    audit: AuditSection = Field(default=AuditSection(), description="Attacks.")
    trust: TrustSection = Field(default=TrustSection(), description="Owners who train one model together.")
    bench: BenchSection = Field(default=BenchSection(), description="Timing of steps.")
