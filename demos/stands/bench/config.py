"""The typed config of the bench. Imports nothing of the demo: its config imports this."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from shared.config import Section


class BenchSize(Section):
    """A size of problem, how many of it, how long each contender has, and which take part."""

    name: str = Field("one airport's day", description="its name in the tables")
    problems: int = Field(10, ge=0, le=366, description="problems of this size, 0 to 366; 0: none")
    airports: tuple[str, ...] = Field((), description="airport models made into one; [] for data.airport alone")
    days: int = Field(1, ge=1, le=7, description="days in a row that are one problem, 1 to 7")
    stands: int = Field(60, ge=1, le=2000, description="stands that the model is widened or narrowed to, 1 to 2000")
    seconds: float = Field(10.0, gt=0, le=86400, description="each contender's time [s], above 0 to 86400")
    contenders: tuple[str, ...] = Field((), description="names from demos/stands/bench/contenders.py; [] for all")
    longer: dict[str, float] = Field({}, description="contenders that have so many times the seconds")

    def time_of(self, contender: str) -> float:
        """How long a contender has [s]."""
        return self.seconds * self.longer.get(contender, 1.0)


LARGE = (
    "prices and search",
    "search and kicks",
    "search and kicks, 8 h at a time",
    "random large neighbourhoods",
    "greedy",
)
POOLED = BenchSize(
    name="three airports in one",
    problems=0,
    airports=("ewr", "jfk", "lga"),
    stands=150,
    seconds=60.0,
    contenders=(*LARGE, "CP-SAT, hinted", "time-space flow, HiGHS"),
)
THREE_DAYS = BenchSize(
    name="three days of three airports",
    problems=0,
    airports=("ewr", "jfk", "lga"),
    days=3,
    stands=300,
    seconds=60.0,
    contenders=LARGE,
)


class YearConfig(Section):
    """A year of days, planned side by side."""

    days: int = Field(0, ge=0, le=364, description="days from 2 January 2013 on, of each airport, 0 to 364; 0: none")
    airports: tuple[str, ...] = Field(("ewr", "jfk", "lga"), min_length=1, description="airport models")
    sample: int = Field(60, ge=1, le=10_000, description="days that every number of workers plans, 1 to 10000")
    kicks: int = Field(200, ge=0, le=1_000_000, description="kicks a day after the search, 0 to 1000000")


class BenchConfig(Section):
    """The problems of the bench, and from which days on."""

    first: date = Field(date(2013, 10, 1), description="first day")
    step: int = Field(9, ge=1, le=100, description="days from one problem to the next, 1 to 100")
    one_day: BenchSize = Field(BenchSize(), description="one airport's day")
    pooled: BenchSize = Field(POOLED, description="a day of three airports as if they were one")
    three_days: BenchSize = Field(THREE_DAYS, description="three such days at once")
    year: YearConfig = Field(YearConfig(), description="a year of days, and what more workers bring")
    bound_seconds: float = Field(
        900.0, gt=0, le=86400, description="safety stop of each part of a bound [s], above 0 to 86400"
    )

    @property
    def sizes(self) -> list[BenchSize]:
        """Those of which there are problems."""
        return [size for size in (self.one_day, self.pooled, self.three_days) if size.problems]
