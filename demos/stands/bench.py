"""The search against its own parts and against CP-SAT on the whole day, same problem, same clock, and a bound for all.

trendlab bench stands --profile smoke
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot

from demos.stands.airport import load_airport
from demos.stands.column_generation.lower import lower_bound
from demos.stands.data import load_flights
from demos.stands.delay import climatology, delays, require_past, split_by_time
from demos.stands.greedy import greedy_cost
from demos.stands.jobs import planned_days
from demos.stands.peers.flow import solve_flow
from demos.stands.problem import SCALE, Problem, build_problem, plan_cost
from demos.stands.risk import expected_overlap, sample_delays
from demos.stands.search import search, solve_part
from demos.stands.turns import occupation
from shared.evaluation.intervals import paired_ratio
from shared.result import Column, Headline, Metric, Result, Table
from shared.seed import generator
from shared.style import COLOURS

if TYPE_CHECKING:
    from datetime import date

    from demos.stands.column_generation.ascent import Bound
    from demos.stands.config import StandsConfig
    from shared.demo import Run
    from shared.result import Figure

Curve = list[tuple[float, int]]
Plan = np.ndarray
BOTH = "search: matching and CP-SAT parts"
PARTS = "search: CP-SAT parts alone"
WHOLE = "CP-SAT on the whole day, started from greedy"


def measure(config: StandsConfig, run: Run) -> Result:
    """Costs reached on each day of the config after `evaluation.bench_seconds` of search, side by side."""
    flights = load_flights(config.data.flights)
    curves: dict[str, list[Curve]] = {}
    bounds: dict[date, Bound] = {}
    flows: list[tuple[float | None, float]] = []
    for problem in run.track("days", _problems(flights.departures, config)):
        plans = []
        for method, plan_and_curve in _contenders(problem, config).items():
            plan, curve = plan_and_curve()
            plans.append(plan)
            curves.setdefault(method, []).append(curve)
        bounds[problem.turns.day] = lower_bound(problem, plans, config.prices)
        flows.append(_flow(problem, config.evaluation.flow_seconds))
    below = np.array([bound.value for bound in bounds.values()]) / SCALE
    final = {method: np.array([curve[-1][1] for curve in found]) / SCALE for method, found in curves.items()}
    return Result(
        headlines=[
            Headline(
                name=f"Plan cost after {config.evaluation.bench_seconds:g} s",
                value=float(final[BOTH].mean()),
                unit="min",
                direction="lower",
                peer=PARTS,
                peer_value=float(final[PARTS].mean()),
                note="objective in minutes of expected conflict",
            )
        ],
        metrics=[
            Metric(name=f"cost: {method}", value=float(values.mean()), unit="min", direction="lower")
            for method, values in final.items()
        ],
        tables=[_table(final, below, curves, config), _bounds_table(final, bounds, flows, config)],
        figures=[_figure(curves, config, run)],
        data=flights.used,
        notes=[
            "One after the other, on the same problem, from the same greedy plan; whole-day CP-SAT has all cores, the"
            " others one.",
            "The whole-day CP-SAT model is pairwise, and its relaxation is weak; it shows why the search works on"
            " parts, not how far from the optimum the result is.",
        ],
    )


def _problems(departures, config: StandsConfig) -> list[Problem]:  # type: ignore[no-untyped-def]
    """Each day's problem under climatology risk, which needs no training."""
    airport = load_airport(config.data.airport)
    split = split_by_time(departures, config.days)
    require_past(split)
    usual = climatology(departures, delays(departures), split.train, config.delay.levels)
    found = []
    for turns in planned_days(departures, airport, config):
        rows = turns.table.index.to_numpy()
        draws = generator(config.seed, "delays", turns.day.isoformat())
        samples = sample_delays(usual[rows], config.delay.levels, config.delay.scenarios, draws)
        overlap = expected_overlap(*occupation(turns, samples, config.turn), turns)
        found.append(build_problem(turns, airport, config.cost, overlap, config.rules, config.tow))
    return found


def _contenders(problem: Problem, config: StandsConfig) -> dict[str, Callable[[], tuple[Plan, Curve]]]:
    start, seconds = greedy_cost(problem), config.evaluation.bench_seconds

    def by_search(matchings: int, parts: bool) -> tuple[Plan, Curve]:
        limits = config.search.model_copy(
            update={"rounds": 10**6, "seconds": seconds, "matchings": matchings, "parts": parts}
        )
        plan, log = search(problem, start, limits, generator(config.seed, "bench"))
        return plan, log.curve

    def whole_day() -> tuple[Plan, Curve]:
        began = time.perf_counter()
        blocks = [np.array([turn]) for turn in range(len(start))]
        plan, _ = solve_part(problem, start, blocks, np.arange(problem.n_stands), seconds, by_clock=True)
        return plan, [(0.0, plan_cost(problem, start)), (time.perf_counter() - began, plan_cost(problem, plan))]

    return {
        "greedy (where all start)": lambda: (start, [(0.0, plan_cost(problem, start))]),
        PARTS: lambda: by_search(0, True),
        "search: matching alone": lambda: by_search(config.search.matchings, False),
        BOTH: lambda: by_search(config.search.matchings, config.search.parts),
        WHOLE: whole_day,
    }


def _table(
    final: dict[str, np.ndarray], below: np.ndarray, curves: dict[str, list[Curve]], config: StandsConfig
) -> Table:
    rows: list[list[str | float | None]] = []
    for method, values in final.items():
        ratios = values / final[BOTH]
        low, high = np.quantile(ratios, [0.25, 0.75])
        interval = paired_ratio(values, final[BOTH], unit="days") if len(values) > 1 and method != BOTH else None
        rows.append(
            [
                method,
                float(values.mean()),
                100 * float((values / below - 1).mean()),
                float(np.median(ratios)),
                f"{low:.3f} to {high:.3f}",
                f"{interval.low:.3f} to {interval.high:.3f}" if interval else None,
                float(np.median([curve[-1][0] for curve in curves[method]])),
            ]
        )
    return Table(
        title="Cost reached on the same clock",
        columns=[
            Column(name="method"),
            Column(name="mean cost", unit="min", direction="lower", digits=0),
            Column(name="above the bound", unit="%", direction="lower"),
            Column(name="median ratio to the search", digits=3),
            Column(name="quartiles"),
            Column(name="95 % interval of the ratio"),
            Column(name="seconds used", unit="s", digits=1),
        ],
        rows=rows,
        caption=f"{len(final[BOTH])} day(s), {config.evaluation.bench_seconds:g} s, climatology risk."
        " The whole-day model is given the same seconds of solving beside the time it takes to build.",
    )


def _flow(problem: Problem, limit: float) -> tuple[float | None, float]:
    """Its bound [min], None if it was not found in time, and seconds, building included."""
    began = time.perf_counter()
    found = solve_flow(problem, limit, relaxed=True).bound / SCALE if limit else 0.0
    return found or None, time.perf_counter() - began


def _bounds_table(
    final: dict[str, np.ndarray],
    bounds: dict[date, Bound],
    flows: list[tuple[float | None, float]],
    config: StandsConfig,
) -> Table:
    return Table(
        title="What no plan can be cheaper than",
        columns=[
            Column(name="day"),
            Column(name="bound", unit="min"),
            Column(name="of that by subgradients", unit="min"),
            Column(name="in", unit="s"),
            Column(name="time-space flow, HiGHS", unit="min"),
            Column(name="that in", unit="s"),
            Column(name="the search above the bound", unit="%"),
        ],
        rows=[
            [
                str(day),
                bound.value / SCALE,
                bound.curve[min(config.prices.ascents, len(bound.curve)) - 1][1] / SCALE,
                bound.curve[-1][0],
                *flow,
                100 * (float(cost) * SCALE / bound.value - 1),
            ]
            for (day, bound), flow, cost in zip(bounds.items(), flows, final[BOTH], strict=True)
        ],
        caption="Lagrangian relaxation over stand-days: no plan costs less, whoever made it. Shadows, and overlaps of a"
        " turn with the third before it or earlier, are left out of the bound, not of the plans' costs. The flow is a"
        " linear programme of all stands at once, by interior points; it counts overlaps with the turn just before.",
    )


def _figure(curves: dict[str, list[Curve]], config: StandsConfig, run: Run) -> Figure:
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for index, (method, found) in enumerate(curves.items()):
        curve = found[0]
        axes.step(
            *zip(*[(x, y / SCALE) for x, y in curve], strict=True), where="post", color=COLOURS[index], label=method
        )
        axes.plot(curve[-1][0], curve[-1][1] / SCALE, "o", color=COLOURS[index], markersize=4)
    axes.set(xlabel="seconds", ylabel="plan cost [min]", title=f"{config.days.first}: cost against time")
    axes.legend(fontsize=8)
    return run.figure(
        figure,
        "search",
        title="Cost against time",
        caption=f"The first day of the bench, {config.days.first}; all contenders start from the greedy plan.",
        alt="Plan cost against seconds for each search",
    )
