"""`trendlab run stands mode=live`: the test days event by event, beside their peers, and what a report says of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport, load_airport
from demos.stands.data import load_flights
from demos.stands.evaluate import ratio_bounds
from demos.stands.jobs import day_jobs, planned_days, write_forecasts, write_plans
from demos.stands.learning.forecast import make_forecasts
from demos.stands.live import figures
from demos.stands.live.measure import AFRESH, KEPT, LIVE, MENDED, USUAL, WAYS, Followed, Lived, LiveJob, live_day, lived
from demos.stands.live.stream import check_closures
from demos.stands.plan import DAY_AHEAD, ON_THE_DAY
from demos.stands.report import broken
from demos.stands.turns import Turns, real_occupation
from shared.errors import UserError
from shared.evaluation.intervals import bootstrap
from shared.result import Column, Headline, Interval, Metric, Result, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from shared.demo import Run

CHANGING = (LIVE, USUAL, AFRESH)
# What is asked of re-planning: seconds at P95, share of stands [%], times fewer changes than solving afresh.
MOST_SECONDS, MOST_SHARE, TIMES_FEWER = 1.0, 1.0, 5.0


def _require_over(turns: Turns, config: StandsConfig) -> None:
    if np.isnan(real_occupation(turns, config.turn)[1]).all():
        raise UserError(
            f"nothing has left on {turns.day}; mode=live plays a day that is over; mode=days plans one to come"
        )


def run_live(config: StandsConfig, run: Run) -> Result:
    """Forecast delays, live each test day in every way, tell what became of it."""
    if config.live.journal and config.days.first != config.days.last:
        raise UserError("live.journal is of one day; set days.first and days.last to the same day")
    airport = load_airport(config.data.airport)
    check_closures(airport, config)
    flights = load_flights(config.data.flights)
    for turns in planned_days(flights.departures, airport, config):
        _require_over(turns, config)
    jobs = day_jobs(make_forecasts(flights, config, airport.iata, run), airport, config)
    todo = [
        LiveJob(job, way, config.live.journal or run.folder / f"journal-{job.turns.day}.jsonl")
        for job in jobs
        for way in WAYS
    ]
    found = run.map("living days", live_day, todo)
    days = [
        lived(job, dict(zip(WAYS, found[at : at + len(WAYS)], strict=True)))
        for job, at in zip(jobs, range(0, len(found), len(WAYS)), strict=True)
    ]
    if config.live.journal:
        shutil.copyfile(config.live.journal, run.folder / f"journal-{jobs[0].turns.day}.jsonl")
    write_plans(run.folder / "plans.csv", ((day.turns, _plans(day)) for day in days), airport)
    write_forecasts(run.folder / "forecasts.csv", jobs)
    return Result(
        headlines=headlines(days, config),
        metrics=metrics(days),
        tables=[stands_table(days), price_table(days, config), lead_table(days, config), *_broken(days)],
        figures=figures.draw(max(days, key=lambda day: day.ways[KEPT].minutes), airport, config, run),
        data=flights.used,
        notes=notes(days, airport, config),
    )


def _plans(day: Lived) -> dict[str, NDArray[np.int64]]:
    ways = day.ways
    return {DAY_AHEAD: ways[KEPT].before, ON_THE_DAY: ways[MENDED].before, LIVE: ways[LIVE].used}


def each(days: Sequence[Lived], way: str, what: Callable[[Followed], float]) -> list[float]:
    """One number a day."""
    return [what(day.ways[way]) for day in days]


def seconds(days: Sequence[Lived], way: str) -> list[float]:
    """Of every decision."""
    return [value for day in days for value in day.ways[way].seconds]


def shares(days: Sequence[Lived], way: str, of_open: bool = False) -> list[float]:
    """Stands changed at each decision, in % of the day's turns, or of those that could still move."""
    return [
        100 * len(moved) / max(still if of_open else len(day.turns), 1)
        for day in days
        for moved, still in zip(day.ways[way].moved, day.ways[way].open, strict=True)
    ]


def waited(way: Followed) -> float:
    """Minutes that aircraft stood before a stand that was taken."""
    return float(sum(wait.until - wait.since for wait in way.waits))


def headlines(days: Sequence[Lived], config: StandsConfig) -> list[Headline]:
    """The three targets beside solving afresh, and what re-planning is for beside not re-planning."""
    p95, theirs = (float(np.quantile(seconds(days, way), 0.95)) for way in (LIVE, AFRESH))
    found = [
        _headline(
            "Time to re-plan after an event, P95", p95, "s", AFRESH, theirs,
            f"target below {MOST_SECONDS:g} s: {_met(p95 < MOST_SECONDS)}; at most {max(seconds(days, LIVE)):.2f} s",
        )
    ]  # fmt: skip
    mean, theirs, most = *(float(np.mean(shares(days, way))) for way in (LIVE, AFRESH)), max(shares(days, LIVE))
    found.append(
        _headline(
            "Stands changed at an event, mean", mean, "% of turns", AFRESH, theirs,
            f"target at most {MOST_SHARE:g} %: {_met(mean <= MOST_SHARE)} in the mean, {_met(most <= MOST_SHARE)} at"
            f" the worst event, {most:.2f} %; the peer at each decision",
        )
    )  # fmt: skip
    ours, peers = (each(days, way, lambda one: one.changes) for way in (LIVE, AFRESH))
    times = sum(peers) / max(sum(ours), 1)
    found.append(
        _headline(
            "Stands changed a day", float(np.mean(ours)), "stands", AFRESH, float(np.mean(peers)),
            f"target {TIMES_FEWER:g} times fewer: {_met(times >= TIMES_FEWER)}, {times:.0f} times; the peer solves only"
            f" every {config.live.afresh_every} events, so it is spared changes",
            _interval(ours),
        )
    )  # fmt: skip
    ours, peers = (each(days, way, lambda one: one.minutes) for way in (LIVE, KEPT))
    found.append(
        _headline(
            "Conflict minutes a day, stands as used", float(np.mean(ours)), "min", KEPT, float(np.mean(peers)),
            "on the same events; what estimates tell on the day, the day before cannot know", _interval(ours),
        )
    )  # fmt: skip
    return [*found, _learning(days)]


def _learning(days: Sequence[Lived]) -> Headline:
    """What forecasts that were learned are worth to re-planning, beside climatology and what happens."""
    ours, usual = (each(days, way, lambda one: one.minutes) for way in (LIVE, USUAL))
    ratio = ratio_bounds(np.array(ours), np.array(usual))
    return _headline(
        "Conflict minutes a day, stands as used, learned", float(np.mean(ours)), "min", USUAL, float(np.mean(usual)),
        "both re-planned" + (f"; ratio by day {ratio} (95 %)" if ratio else ""), _interval(ours),
    )  # fmt: skip


def _headline(
    name: str, value: float, unit: str, peer: str, theirs: float, note: str, interval: Interval | None = None
) -> Headline:
    return Headline(
        name=name, value=value, unit=unit, direction="lower", peer=peer, peer_value=theirs, note=note, interval=interval
    )


def _met(holds: bool) -> str:
    return "met" if holds else "missed"


def _interval(values: Sequence[float]) -> Interval | None:
    return bootstrap(values, unit="days") if len(values) > 1 else None


def _bounds(values: Sequence[float]) -> str | None:
    found = _interval(values)
    return f"{found.low:,.0f} to {found.high:,.0f}" if found else None


def stands_table(days: Sequence[Lived]) -> Table:
    """What happened on the stands."""
    columns = [
        Column(name="stands"),
        Column(name="conflict minutes a day", unit="min", direction="lower", digits=0),
        Column(name="95 % interval"),
        Column(name="aircraft that waited a day", direction="lower", digits=1),
        Column(name="waits a day", unit="min", direction="lower", digits=0),
        Column(name="never had a stand a day", unit="turns", direction="lower", digits=2),
        Column(name="passengers at contact stands", unit="%", direction="higher", digits=1),
    ]
    passengers = sum(day.passengers for day in days)
    rows: list[list[str | float | None]] = []
    for way in WAYS:
        minutes = each(days, way, lambda one: one.minutes)
        rows.append(
            [
                way,
                float(np.mean(minutes)),
                _bounds(minutes),
                float(np.mean(each(days, way, lambda one: len(one.waits)))),
                float(np.mean(each(days, way, waited))),
                float(np.mean(each(days, way, lambda one: one.stranded))),
                100 * (1 - sum(each(days, way, lambda one: one.remote)) / passengers),
            ]
        )
    return Table(
        title="What happened on the stands",
        columns=columns,
        rows=rows,
        caption=f"{_span(days)}, the same events for all. Conflict minutes as in the table of plans: two aircraft on"
        " one stand or in a shadow, by the stands they used. A wait: an aircraft comes and its stand is taken. Seats of"
        " the flights that flew.",
    )


def price_table(days: Sequence[Lived], config: StandsConfig) -> Table:
    """What it took: decisions, seconds, changes."""
    columns = [
        Column(name="stands"),
        Column(name="decisions a day", digits=0),
        Column(name="a decision, P50", unit="s", digits=3),
        Column(name="P95", unit="s", digits=3),
        Column(name="at most", unit="s", digits=3),
        Column(name="stands changed a day", digits=1),
        Column(name="at a decision, mean", unit="% of the day's turns", digits=3),
        Column(name="at most ", unit="%", digits=2),
        Column(name="mean", unit="% of those to come", digits=3),
        Column(name="price of the changes a day", unit="min", digits=0),
    ]
    rows: list[list[str | float | None]] = [
        [
            way,
            float(np.mean(each(days, way, lambda one: len(one.moved)))),
            *(float(np.quantile(seconds(days, way), level)) for level in (0.5, 0.95, 1)),
            float(np.mean(each(days, way, lambda one: one.changes))),
            float(np.mean(shares(days, way))),
            max(shares(days, way)),
            float(np.mean(shares(days, way, of_open=True))),
            float(np.mean(each(days, way, lambda one: price(one, config)))),
        ]
        for way in CHANGING
    ]
    fixed = float(np.mean([(day.ways[MENDED].before != day.ways[KEPT].before).sum() for day in days]))
    return Table(
        title="What re-planning took",
        columns=columns,
        rows=[*rows, [MENDED, None, None, None, None, fixed, None, None, None, None]],
        caption=f"{_span(days)}. {AFRESH.capitalize()}: every {config.live.afresh_every} events, by the search of the"
        " day before, a change costs nothing. Mended: stands that differ from those of the day before, changes to and"
        " fro not counted. One core; without the time to write the journal. The price of a change grows as on-block"
        " comes near (live.change_cost).",
    )  # fmt: skip


def price(way: Followed, config: StandsConfig) -> float:
    """What a day's changes cost by their lead times [min]."""
    leads = [moved.lead for event in way.moved for moved in event]
    return float(np.interp(leads, config.live.change_lead, config.live.change_cost).sum()) if leads else 0.0


def lead_table(days: Sequence[Lived], config: StandsConfig) -> Table:
    """How long before on-block stands changed."""
    edges = sorted({0, config.live.frozen, *config.live.change_lead})
    spans = list(zip(edges, [*edges[1:], np.inf], strict=True))

    def count(way: str, low: float, high: float) -> float:
        leads = np.array([one.lead for day in days for event in day.ways[way].moved for one in event])
        return float(np.sum((leads >= low) & (leads < high))) / len(days)

    def name(low: float, high: float) -> str:
        return f"{low} to {high} min" if np.isfinite(high) else f"{low} min or more"

    return Table(
        title="How long before on-block stands changed",
        columns=[Column(name="lead time"), *(Column(name=way, unit="stands a day") for way in CHANGING)],
        rows=[[name(*span), *(count(way, *span) for way in CHANGING)] for span in spans],
        caption=f"{_span(days)}; lead times to the on-block time expected then; who waits before its stand has"
        " lead time 0.",
    )


def _broken(days: Sequence[Lived]) -> list[Table]:
    return broken.tables([(day.turns.day, day.ways[LIVE].broken) for day in days], f"{LIVE.capitalize()}, on the day")


def metrics(days: Sequence[Lived]) -> list[Metric]:
    """The numbers that other runs are compared by."""
    found = []
    for way in WAYS:
        for name, unit, what in (
            ("conflict minutes a day", "min", lambda one: one.minutes),
            ("waits a day", "min", waited),
            ("stands changed a day", "stands", lambda one: one.changes),
        ):
            if unit == "stands" and way not in CHANGING:
                continue
            values = each(days, way, what)
            found.append(
                Metric(name=f"{name}: {way}", value=float(np.mean(values)), unit=unit, direction="lower",
                       interval=_interval(values))
            )  # fmt: skip
    for way in CHANGING:
        found.append(
            Metric(name=f"P95 of a decision: {way}", value=float(np.quantile(seconds(days, way), 0.95)), unit="s",
                   direction="lower")
        )  # fmt: skip
    return found


def notes(days: Sequence[Lived], airport: Airport, config: StandsConfig) -> list[str]:
    """What a reader must know to judge the numbers."""
    found = [
        f"{airport.name}: {len(airport.stands)} stands. Source: {airport.source}.",
        "Off-block is real. On-block is reconstructed, and known when it happens; estimates are our own forecasts, at"
        " T-24 h, at T-2 h and while an aircraft waits, and what the clock tells of who is late. A cancellation is"
        f" known {config.live.cancelled_lead} min before scheduled off-block: when it really was is not in the data.",
        "An aircraft that waits leaves when it really left: a wait costs the flights after it nothing here.",
        f"{KEPT.capitalize()}, and {MENDED}: aircraft wait for their stand, whatever is free beside it.",
    ]
    if config.live.closures:
        found.append(
            "Closed unannounced: " + ", ".join(f"{one} {hours}" for one, hours in config.live.closures.items())
        )
    if resumed := sum(day.ways[LIVE].resumed for day in days):
        found.insert(0, f"Taken up again: {resumed:,} events had been decided in the journal before this run.")
    if len(days) == 1:
        found.insert(0, "One day is an anecdote: a single long delay moves it.")
    return found


def _span(days: Sequence[Lived]) -> str:
    first, last = days[0].turns.day, days[-1].turns.day
    return f"{len(days)} test day{'s' if len(days) > 1 else ''}, {first}" + (f" to {last}" if last > first else "")
