"""The pictures: the day as a Gantt chart, conflicts against contact share, and how far the forecasts can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot
from matplotlib.patches import Rectangle

from demos.stands.airport import Airport
from demos.stands.learning.forecast import Forecasts
from demos.stands.plan import (
    CLIMATOLOGY,
    CLIMATOLOGY_GREEDY,
    DAY_AHEAD,
    HINDSIGHT,
    ON_THE_DAY,
    DayPlans,
    buffer_name,
)
from demos.stands.replay import Conflict, conflicts
from demos.stands.report.gantt import CONFLICT, PLANNED, REAL, hour_axis, stand_axis
from demos.stands.report.peers import OURS, best_buffer, contact_share, minutes
from demos.stands.turns import real_occupation
from shared.evaluation.metrics import reliability
from shared.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from shared.demo import Run
    from shared.result import Figure

SHORT = {CLIMATOLOGY: "search, climatology", DAY_AHEAD: "search, learned, T-24 h", ON_THE_DAY: "mended to T-2 h"}


def draw_all(
    days: Sequence[DayPlans], forecasts: Forecasts, airport: Airport, config: StandsConfig, run: Run
) -> list[Figure]:
    """All figures of a run, saved in its folder. The Gantt charts show the day on which most went wrong."""
    best = best_buffer(days, config)
    day = days[int(np.argmax(minutes(days, best)))]
    found = []
    for method, name in ((OURS, "gantt"), (best, "gantt-peer")):
        found.append(_gantt(day, method, name, airport, config, run))
    found.append(_front(days, config, run))
    if forecasts.judged(airport.iata).any():
        found.append(_calibration(forecasts, config, airport.iata, run))
    return found


def _gantt(day: DayPlans, method: str, name: str, airport: Airport, config: StandsConfig, run: Run) -> Figure:
    on_block, off_block = real_occupation(day.turns, config.turn)
    met = conflicts(day.turns, airport, day.plans[method], on_block, off_block)
    total = sum(conflict.end - conflict.start for conflict in met)
    figure, axes = pyplot.subplots(figsize=(12, 0.19 * len(airport.stands) + 1.6))
    _occupation_bars(axes, day, day.plans[method], on_block, off_block)
    _conflict_bars(axes, day, day.plans[method], met)
    stand_axis(axes, airport)
    hour_axis(axes, day.turns, float(np.fmax(off_block, day.turns.sobt).max()))
    axes.set_title(
        f"{airport.iata}, {day.turns.day:%A %d %B %Y}: {method}\n"
        f"{len(day.turns)} turns, {len(met)} conflicts, {total:,.0f} conflict minutes"
    )
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in (PLANNED, REAL, CONFLICT)]
    labels = ["planned", "real (on-block reconstructed)", "conflict"]
    axes.legend(handles, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=9)
    what = "our plan" if method == OURS else "the first-come peer with its best buffer"
    return run.figure(
        figure,
        name,
        title=f"The day on the stands: {method}",
        caption=f"{day.turns.day}, {what}. One row a stand, grouped by terminal, remote stands at the bottom. Grey:"
        " planned. Blue: what happened; off-block is real, on-block is reconstructed. Red: two aircraft were there at"
        f" once, on the stand or in its shadow; labels name the late one. {len(met)} conflicts, {total:,.0f} minutes.",
        alt=f"Gantt chart of {len(airport.stands)} stands with {len(met)} conflicts in red",
    )


def _occupation_bars(
    axes: Axes,
    day: DayPlans,
    plan: NDArray[np.int64],
    on_block: NDArray[np.float64],
    off_block: NDArray[np.float64],
) -> None:
    on = plan >= 0
    sibt, sobt = day.turns.sibt[on], day.turns.sobt[on]
    axes.barh(plan[on], sobt - sibt, left=sibt, height=0.86, color=PLANNED, linewidth=0)
    here = on & ~np.isnan(off_block)
    stay = off_block[here] - on_block[here]
    axes.barh(plan[here], stay, left=on_block[here], height=0.42, color=REAL, edgecolor="white", linewidth=0.4)


def _conflict_bars(axes: Axes, day: DayPlans, plan: NDArray[np.int64], met: list[Conflict]) -> None:
    flights = day.turns.table["flight"].tolist()
    labelled = {id(conflict) for conflict in sorted(met, key=lambda conflict: conflict.start - conflict.end)[:12]}
    for conflict in met:
        stand = plan[conflict.second]
        axes.barh(stand, conflict.end - conflict.start, left=conflict.start, height=0.86, color=CONFLICT, linewidth=0)
        if id(conflict) in labelled:
            late = min(conflict.first, conflict.second, key=lambda turn: day.turns.sobt[turn])
            axes.annotate(
                flights[late],
                (conflict.end, stand),
                xytext=(2, 0),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
                color=CONFLICT,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.75},
            )


def _front(days: Sequence[DayPlans], config: StandsConfig, run: Run) -> Figure:
    figure, axes = pyplot.subplots(figsize=(8, 5))
    peers = [buffer_name(buffer) for buffer in config.evaluation.buffers]
    points = [_point(days, method) for method in peers]
    axes.plot(*zip(*points, strict=True), "o-", color="#8a8f98", markersize=5, label="first come, buffer in min")
    for (x, y), buffer in zip(points, config.evaluation.buffers, strict=True):
        axes.annotate(f"{buffer}", (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8, color="#555b66")
    axes.plot(*_point(days, CLIMATOLOGY_GREEDY), "s", color=COLOURS[4], label="greedy, climatology")
    for index, method in enumerate((CLIMATOLOGY, DAY_AHEAD, ON_THE_DAY)):
        keys = sorted(weight for family, weight in days[0].front if family == method)
        curve = [_front_point(days, method, weight) for weight in keys]
        line = sorted([*curve, _point(days, method)])
        axes.plot(*zip(*line, strict=True), "D-", color=COLOURS[index], markersize=5, label=SHORT[method])
    x, y = _point(days, HINDSIGHT)
    axes.plot(x, y, "*", color="black", markersize=11, label="hindsight")
    axes.set_xlabel("passengers at contact stands [%]")
    axes.set_ylabel("conflict minutes a day [min]")
    axes.set_ylim(bottom=0)
    axes.set_title("Robustness against contact: down and to the right is better")
    axes.legend(fontsize=9)
    weights = ", ".join(f"{weight:g}" for weight in sorted((1.0, *config.evaluation.front_weights)))
    return run.figure(
        figure,
        "front",
        title="Conflicts against contact stands",
        caption=f"Mean of {len(days)} day(s). A plan that sends aircraft to remote stands has fewer conflicts and"
        f" more bus passengers; each method is shown over its own knob: the buffer, or the price of a remote stand"
        f" ({weights} times the configured one).",
        alt="Scatter of conflict minutes against share of passengers at contact stands",
    )


def _point(days: Sequence[DayPlans], method: str) -> tuple[float, float]:
    share = contact_share([day.replays[method] for day in days])
    return 100 * share, float(minutes(days, method).mean())


def _front_point(days: Sequence[DayPlans], method: str, weight: float) -> tuple[float, float]:
    replays = [day.front[method, weight] for day in days]
    return 100 * contact_share(replays), float(np.mean([replay.minutes[0] for replay in replays]))


def _calibration(forecasts: Forecasts, config: StandsConfig, origin: str, run: Run) -> Figure:
    here = forecasts.judged(origin)
    levels, delay = np.array(config.delay.levels), forecasts.delay[here]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.6))
    left.plot([0, 100], [0, 100], color="#8a8f98", linewidth=1)
    for index, (lead, forecast) in enumerate(forecasts.leads.items()):
        for quantiles, style, label in (
            (forecast.recalibrated, "o-", "recalibrated daily"),
            (forecast.one_month, "x:", "once"),
        ):
            observed = 100 * reliability(delay, quantiles[here], config.delay.levels)
            left.plot(100 * levels, observed, style, color=COLOURS[index], markersize=4, label=f"{lead}, {label}")
    left.set(
        xlabel="predicted quantile [%]",
        ylabel="departures at or below it [%]",
        title="On average",
    )
    left.legend(fontsize=8)
    day = forecasts.departures["std"][here].dt.floor("D").to_numpy()
    top = int(np.argmin(np.abs(levels - 0.9)))
    groups = [day == one for one in np.unique(day)]
    mean = [delay[group].mean() for group in groups]
    for index, (lead, forecast) in enumerate(forecasts.leads.items()):
        beyond = delay > forecast.recalibrated[here, top]
        right.plot(mean, [100 * beyond[group].mean() for group in groups], "o", color=COLOURS[index], alpha=0.7,
                   markersize=4.5, label=lead)  # fmt: skip
    right.axhline(100 - 100 * levels[top], color="#8a8f98", linewidth=1)
    right.set(xlabel="mean delay of the day [min]", ylabel=f"departures later than P{100 * levels[top]:g} [%]",
              title="Day by day")  # fmt: skip
    right.legend(fontsize=8)
    return run.figure(
        figure,
        "calibration",
        title="How far the delay forecasts can be trusted",
        caption=f"{here.sum():,} unseen departures of {origin}. Left: share of departures at or below each predicted"
        " quantile. Right: one point a day; a calibrated forecast that knew the day would lie on the line. Points"
        " above it on the right: on disrupted days delays rise together, and more departures are late than predicted.",
        alt="Reliability diagram, and share of departures beyond P90 by mean delay of the day",
    )
