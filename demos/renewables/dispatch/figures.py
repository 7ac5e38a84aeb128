"""The dispatch stack of one day, and the cost of each policy above perfect foresight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot

from demos.renewables.dispatch.composite import LOAD, PV, STEPS, WIND
from demos.renewables.dispatch.evaluate import POLICIES, Study, fleet_name
from demos.renewables.dispatch.policies import (
    FOLLOWED,
    HINDSIGHT,
    PERFECT,
    SCENARIO_MPC,
    STOCHASTIC,
    DayResult,
)
from shared.style import COLOURS

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Figure

PV_COLOUR, WIND_COLOUR, WATER_COLOUR = COLOURS[4], COLOURS[5], COLOURS[0]
BATTERY_COLOUR, BOUGHT_COLOUR, SHORT_COLOUR, LONG_COLOUR = COLOURS[2], "#b9bec7", COLOURS[1], COLOURS[3]


def draw_all(study: Study, run: Run) -> list[Figure]:
    """Both figures."""
    return [_stack(varied(study.results), run), _policies(study, run)]


def varied(results: list[DayResult]) -> DayResult:
    """The day to show: not a typical one, but the one with the most of everything (PV, water, short, long)."""

    def variety(result: DayResult) -> float:
        schedule, sun = result.schedule, result.inputs.actual[-STEPS:, PV]
        return float(sun.sum() * schedule.hydro.sum() * schedule.short.sum() * schedule.long.sum())

    return max(results, key=variety)


def _stack(result: DayResult, run: Run) -> Figure:
    schedule, actual = result.schedule, result.inputs.actual[-STEPS:]
    hours = np.arange(STEPS + 1) / 4
    figure, (top, middle, bottom) = pyplot.subplots(
        3, 1, figsize=(9.5, 8.2), sharex=True, height_ratios=(3.2, 1.2, 1.0)
    )
    sold = np.repeat(schedule.position, 4)
    curtailed = schedule.curtailed[0]
    used = actual[:, PV] + actual[:, WIND] - curtailed
    share = np.divide(used, used + curtailed, out=np.ones(STEPS), where=used + curtailed > 0)
    up = {
        "wind": (actual[:, WIND] * share, WIND_COLOUR),
        "PV": (actual[:, PV] * share, PV_COLOUR),
        "hydro": (schedule.hydro[0], WATER_COLOUR),
        "battery": (schedule.discharge[0], BATTERY_COLOUR),
        "day-ahead market": (np.maximum(-sold, 0), BOUGHT_COLOUR),
        "short (imbalance)": (schedule.short[0], SHORT_COLOUR),
        "curtailed": (curtailed, "none"),
    }
    down = {
        "battery": (schedule.charge[0], BATTERY_COLOUR),
        "day-ahead market": (np.maximum(sold, 0), BOUGHT_COLOUR),
        "long (imbalance)": (schedule.long[0], LONG_COLOUR),
    }
    _pile(top, hours, up, 1.0)
    _pile(top, hours, down, -1.0)
    top.stairs(actual[:, LOAD], hours, color="black", linewidth=1.6, baseline=None, label="load")
    top.axhline(0, color="#555b66", linewidth=0.8)
    top.set(
        ylabel="power [MW]", title=f"{result.day}, {fleet_name(result.inputs.config)}: stochastic plan, then causal MPC"
    )
    top.legend(fontsize=8, ncols=1, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    prices = result.inputs.prices
    clock = np.arange(25)
    middle.stairs(prices.day_ahead, clock, color="black", baseline=None, linewidth=1.4, label="day-ahead")
    middle.stairs(prices.short, clock, color=SHORT_COLOUR, baseline=None, label="short pays")
    middle.stairs(prices.long, clock, color=LONG_COLOUR, baseline=None, label="long gets")
    middle.set(ylabel="[EUR/MWh]", title="Prices (assumed)")
    middle.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _stores(bottom, result, hours)
    return run.figure(
        figure,
        "dispatch-stack",
        title="A day of dispatch",
        caption="Composite of real 2016 profiles and a made-up fleet; of the test days the one with the most"
        " of everything. Above zero what"
        " feeds the load (bought, discharged), below"
        " zero where surplus goes (sold, charged). Dashed outline: power that was available and curtailed.",
        alt=f"Stacked power by source over 24 hours of {result.day}, prices, state of charge and reservoir level",
    )


def _pile(axes: Any, hours: np.ndarray, parts: dict[str, tuple[np.ndarray, str]], sign: float) -> None:
    """Stacked steps away from zero; what never happens that day gets no entry in the legend."""
    base = np.zeros(STEPS)
    for name, (power, colour) in parts.items():
        if power.max() < 1e-3:
            continue
        named = axes.get_legend_handles_labels()[1]
        label = None if name in named else name
        outline = {"edgecolor": "#555b66", "linestyle": "--", "fill": False} if colour == "none" else {"fill": True}
        shade = {} if colour == "none" else {"color": colour}
        axes.stairs(sign * (base + power), hours, baseline=sign * base, linewidth=0.6, label=label, **shade, **outline)
        base = base + power


def _stores(axes: Any, result: DayResult, hours: np.ndarray) -> None:
    fleet, schedule = result.inputs.config.fleet, result.schedule
    soc = np.concatenate([[fleet.soc_start], schedule.soc[0] / fleet.battery_energy])
    level = np.concatenate([[fleet.reservoir_start], schedule.level[0] / fleet.reservoir])
    axes.plot(hours, 100 * soc, color=BATTERY_COLOUR, label="battery")
    axes.plot(hours, 100 * level, color=WATER_COLOUR, label="reservoir")
    axes.set(xlabel="hour of the day [UTC]", ylabel="filled [%]", ylim=(-4, 104), xlim=(0, 24), title="Stores")
    axes.set_xticks(range(0, 25, 3))
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _policies(study: Study, run: Run) -> Figure:
    names = [*(name for name in POLICIES if name != PERFECT), FOLLOWED, HINDSIGHT]
    found = {name: study.mean(study.cost(name) - study.cost(PERFECT)) for name in names}
    order = sorted(names, key=lambda name: found[name][0])
    figure, axes = pyplot.subplots(figsize=(9.5, 0.42 * len(order) + 1.4))
    for row, name in enumerate(order):
        mean, interval = found[name]
        ours = name in (SCENARIO_MPC, STOCHASTIC)
        colour = COLOURS[0] if ours else "#8a8f98" if name == HINDSIGHT else COLOURS[1]
        if interval:
            axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot(mean, row, "o", color=colour, markersize=7)
        axes.annotate(f"{mean:,.0f}", (mean, row), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(len(order)), order)
    axes.set(xlabel="cost above perfect foresight [EUR/day]", ylim=(len(order) - 0.4, -0.8))
    axes.set_xlim(left=0)
    axes.set_title(f"Cost of not knowing, {len(study.results)} test days")
    return run.figure(
        figure,
        "dispatch-policies",
        title="Cost above perfect foresight",
        caption="Mean and 95 % interval (bootstrap of blocks of days) of the difference to perfect foresight on the"
        " same days. Blue: ours; grey: knows the day in real time, so nobody can do it.",
        alt="Points with intervals: cost of each policy above perfect foresight",
    )
