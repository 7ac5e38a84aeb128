"""Airport stands: plan a real day's aircraft so that the plan survives the real day.

trendlab run stands --profile smoke      one day at Newark, under a minute on 2 cores
trendlab run stands --profile cpu        92 days, the table of the card
trendlab run stands mode=live            one day event by event, re-planned after each
trendlab bench stands                    search against its peers on the same clock
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.stands.config import StandsConfig
from shared.demo import Demo

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result


def run(config: StandsConfig, run: Run) -> Result:
    """Forecast delays, plan each test day in every way, replay the plans on what really happened; or live the days."""
    if config.mode == "live":
        from demos.stands.live.report import run_live

        return run_live(config, run)
    from demos.stands import evaluate
    from demos.stands.airport import load_airport
    from demos.stands.data import load_flights
    from demos.stands.jobs import day_jobs, planned_days, write_forecasts, write_plans
    from demos.stands.learning.forecast import make_forecasts
    from demos.stands.plan import plan_day
    from demos.stands.report import broken, figures, sweep
    from shared.result import Result

    airport = load_airport(config.data.airport)
    flights = load_flights(config.data.flights)
    planned_days(flights.departures, airport, config)
    forecasts = make_forecasts(flights, config, airport.iata, run)
    jobs = day_jobs(forecasts, airport, config)
    days = run.map("planning and replaying days", plan_day, jobs)
    write_plans(run.folder / "plans.csv", ((day.turns, day.plans) for day in days), airport)
    write_forecasts(run.folder / "forecasts.csv", jobs)
    swept = sweep.sweep(jobs, config, run)
    return Result(
        headlines=evaluate.headlines(days, config),
        metrics=[*evaluate.metrics(days, forecasts, config, airport.iata), broken.metric(days)],
        tables=[
            evaluate.methods_table(days, config),
            evaluate.ratios_table(days, config),
            evaluate.ablation_table(days),
            evaluate.rules_table(days, config),
            *evaluate.forecast_tables(forecasts, config, airport.iata),
            *broken.of_plans(days),
            *([sweep.sweep_table(swept, config)] if swept else []),
        ],
        figures=[
            *figures.draw_all(days, forecasts, airport, config, run),
            *([sweep.sweep_figure(swept, config, run)] if swept else []),
        ],
        data=flights.used,
        notes=evaluate.notes(days, config, airport),
    )


def bench(config: StandsConfig, run: Run) -> Result:
    """Contenders on the same problems and the same clock, beside a bound for all."""
    from demos.stands.bench.measure import measure

    return measure(config, run)


DEMO = Demo(
    slug="stands",
    title="Airport stands that survive the day",
    trend="Dual-engine decision intelligence (2022)",
    question="Which stand should each of tomorrow's aircraft get, so that late departures block few arrivals?",
    config=StandsConfig,
    run=run,
    bench=bench,
    extra="stands",
)
