"""Settings of the dispatch chapter: the fleet, the market, the forecasts, the days and the solver."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.config import Section

Level = Annotated[float, Field(gt=0, lt=1)]
Premium = Annotated[float, Field(ge=0, le=10000)]
# Corpus Christi (26 May) and All Saints (1 November) are holidays in six and five of the sixteen states, with more than
# half of all people.
GERMAN_HOLIDAYS = tuple(
    date(2016, month, day)
    for month, day in (
        (1, 1), (3, 25), (3, 28), (5, 1), (5, 5), (5, 16), (5, 26), (10, 3), (11, 1), (12, 25), (12, 26)
    )
)  # fmt: skip


class DispatchDataConfig(Section):
    """Where the profiles come from."""

    profiles: Path | None = Field(
        None, description="your quarter-hour profiles, CSV or Parquet (columns: README); null = the SimBench composite"
    )


class FleetConfig(Section):
    """What is dispatched. The default is Germany at the end of 2016, a thousandth of it."""

    pv: float = Field(41.0, ge=0, le=1e6, description="installed PV [MW], 0 to 1e6; scales the composite alone")
    wind: float = Field(50.0, ge=0, le=1e6, description="installed wind [MW], 0 to 1e6; scales the composite alone")
    load: float = Field(80.0, ge=0, le=1e6, description="peak load [MW], 0 to 1e6; scales the composite alone")
    inflow: float = Field(6.0, ge=0, le=1e6, description="greatest natural inflow [MW], 0 to 1e6; composite alone")
    hydro: float = Field(9.0, ge=0, le=1e6, description="turbine of the reservoir [MW], 0 to 1e6")
    reservoir: float = Field(400.0, gt=0, le=1e9, description="size of the reservoir [MWh], above 0 to 1e9")
    reservoir_start: float = Field(0.5, ge=0, le=1, description="reservoir level at the start of each day, 0 to 1")
    battery: float = Field(10.0, ge=0, le=1e6, description="battery power, both ways [MW], 0 to 1e6")
    battery_energy: float = Field(20.0, gt=0, le=1e9, description="usable battery energy [MWh], above 0 to 1e9")
    charge_efficiency: float = Field(0.95, gt=0, le=1, description="AC to store, above 0 to 1")
    discharge_efficiency: float = Field(0.95, gt=0, le=1, description="store to AC, above 0 to 1")
    soc_start: float = Field(0.5, ge=0, le=1, description="state of charge at the start of each day, 0 to 1")
    wear: float = Field(
        4.0, gt=0, le=1000, description="battery wear [EUR/MWh charged or discharged], above 0 to 1000 (0 has ties)"
    )
    export_limit: float = Field(40.0, ge=0, le=1e6, description="grid connection, outward [MW], 0 to 1e6")
    import_limit: float = Field(150.0, ge=0, le=1e6, description="grid connection, inward [MW], 0 to 1e6")


class MarketConfig(Section):
    """Prices. All of them are assumptions of ours; none is a market's record."""

    price: float = Field(29.0, ge=-500, le=5000, description="mean day-ahead price [EUR/MWh], -500 to 5000")
    slope: float = Field(
        0.5, ge=0, le=100, description="day-ahead price per MW of net load forecast above its mean [EUR/MWh/MW], 0-100"
    )
    floor: float = Field(0.0, ge=-500, le=5000, description="least day-ahead price [EUR/MWh], -500 to 5000")
    cap: float = Field(200.0, ge=-500, le=5000, description="greatest day-ahead price [EUR/MWh], above floor to 5000")
    short_premium: Premium = Field(
        50.0, description="short pays the day-ahead price plus this [EUR/MWh], 0 to 10000: a gas turbine starts for it"
    )
    long_discount: Premium = Field(
        15.0, description="long gets the day-ahead price less this [EUR/MWh], 0 to 10000: fuel that others save"
    )
    long_floor: float = Field(
        0.0, ge=-500, le=5000, description="least price that long gets [EUR/MWh], -500 to 5000; at most floor"
    )
    water_value: float = Field(29.0, ge=0, le=5000, description="of water left at midnight [EUR/MWh], 0 to 5000")
    lost_load: float = Field(
        3000.0, gt=0, le=1e6, description="load not served [EUR/MWh], above 0 to 1e6; 3000 was the cap of the market"
    )
    battery_value: float = Field(
        29.0, ge=0, le=5000, description="of energy left in the battery at midnight [EUR/MWh stored], 0 to 5000"
    )

    @model_validator(mode="after")
    def _in_order(self) -> MarketConfig:
        if not self.long_floor <= self.floor < self.cap:
            raise ValueError("market must satisfy long_floor <= floor < cap (else being long pays more than selling)")
        return self


class DispatchForecastConfig(Section):
    """Statistical as-of forecasts and the scenarios around them. There is no weather forecast for 2016 here."""

    gate: int = Field(12, ge=1, le=23, description="gate closure on the day before [hour UTC], 1 to 23")
    climatology_days: int = Field(
        28, ge=7, le=90, description="days behind the shape of PV and the mean of wind and inflow [days], 7 to 90"
    )
    ridge: float = Field(3.0, gt=0, le=1e6, description="ridge penalty on standardised features, above 0 to 1e6")
    holidays: tuple[date, ...] = Field(
        GERMAN_HOLIDAYS,
        description="public holidays, forecast as Sundays (load), [] = none; the default: those of 2016 that more than"
        " half of Germany has",
    )
    burn_in: int = Field(90, ge=40, le=300, description="days of history before the first usable day [days], 40 to 300")
    templates: int = Field(
        90, ge=20, le=366, description="latest past days that lend scenarios their shape [days], 20 to 366"
    )
    neighbours: int = Field(
        200, ge=20, le=5000, description="past errors at the nearest forecast levels, per hour, 20 to 5000"
    )
    stretch: float = Field(
        1.1,
        gt=0,
        le=5,
        description="factor on the scenarios' deviations from their mean, above 0 to 5; past errors alone are too"
        " narrow, and 1.1 covers 79 % of the validation hours",
    )
    scenarios: int = Field(
        20, ge=1, le=366, description="scenarios after reduction, 1 to 366; at most forecast.templates"
    )


class DispatchDaysConfig(Section):
    """Which days tune and which days test; each is one UTC day, alone."""

    tune_first: date = Field(date(2016, 4, 15), description="first validation day")
    tune_last: date = Field(date(2016, 6, 28), description="last validation day")
    tune_step: int = Field(5, ge=1, le=366, description="every n-th validation day [days], 1 to 366")
    first: date = Field(date(2016, 7, 1), description="first test day; at least 2 days after tune_last")
    last: date = Field(date(2016, 12, 30), description="last test day")
    step: int = Field(1, ge=1, le=366, description="every n-th test day [days], 1 to 366")
    spread_step: int = Field(
        4, ge=1, le=366, description="of the test days, every n-th is planned under the other spreads too, 1 to 366"
    )

    @model_validator(mode="after")
    def _in_order(self) -> DispatchDaysConfig:
        if not (self.tune_first <= self.tune_last and self.first <= self.last):
            raise ValueError("dispatch.days must satisfy tune_first <= tune_last and first <= last")
        if (self.first - self.tune_last).days < 2:
            raise ValueError("dispatch.days.first must lie 2 days or more after tune_last (else tuning sees test days)")
        return self


class DispatchSolverConfig(Section):
    """Who solves the day-ahead plan."""

    name: Literal["cbc", "highs"] = Field(
        "cbc", description="cbc: PuLP's own; highs: the HiGHS inside OR-Tools, in a process of its own"
    )
    seconds: float = Field(60.0, gt=0, le=86400, description="limit of one solve [s], above 0 to 86400")


class DispatchEvaluationConfig(Section):
    """What is compared beside the policies."""

    margins: tuple[Level, ...] = Field(
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        min_length=1,
        description="quantiles of net generation that the hedged deterministic plan may take, each in (0, 1); tuned",
    )
    spreads: tuple[tuple[Premium, Premium], ...] = Field(
        ((15.0, 15.0), (30.0, 15.0), (50.0, 15.0), (50.0, 50.0), (100.0, 15.0)),
        description="(short_premium, long_discount) pairs of the sensitivity table [EUR/MWh]; [] for none",
    )
    block: int = Field(7, ge=1, le=60, description="test days in a block of the bootstrap [days], 1 to 60")
    bench_days: int = Field(24, ge=2, le=366, description="days in a row that the fan-out is timed on [days], 2 to 366")


class DispatchConfig(Section):
    """All of the dispatch chapter."""

    data: DispatchDataConfig = Field(DispatchDataConfig(), description="where the profiles come from")
    fleet: FleetConfig = Field(FleetConfig(), description="what is dispatched")
    market: MarketConfig = Field(MarketConfig(), description="prices, all assumed")
    forecast: DispatchForecastConfig = Field(DispatchForecastConfig(), description="as-of forecasts and scenarios")
    days: DispatchDaysConfig = Field(DispatchDaysConfig(), description="validation days and test days")
    solver: DispatchSolverConfig = Field(DispatchSolverConfig(), description="who solves the day-ahead plan")
    evaluation: DispatchEvaluationConfig = Field(DispatchEvaluationConfig(), description="what is compared beside")

    @model_validator(mode="after")
    def _scenarios_fit(self) -> DispatchConfig:
        if self.forecast.scenarios > self.forecast.templates:
            raise ValueError("dispatch.forecast.scenarios must be at most dispatch.forecast.templates")
        return self

    @model_validator(mode="after")
    def _load_is_lost_last(self) -> DispatchConfig:
        """A model would else shed load for money, which the settlement of real time does not offer."""
        premium = max([self.market.short_premium, *(short for short, _ in self.evaluation.spreads)])
        if self.market.lost_load <= self.market.cap + premium:
            raise ValueError(
                "dispatch.market.lost_load must be above cap plus the largest short_premium, those of"
                f" dispatch.evaluation.spreads included ({self.market.cap + premium:g})"
            )
        return self
