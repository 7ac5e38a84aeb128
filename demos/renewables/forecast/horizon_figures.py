"""Pictures of the short-term forecasts: skill against horizon, and a day on which clouds came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import pyplot
from numpy.typing import NDArray

from demos.renewables.forecast.horizons import Case, Scheme, ours, skill
from demos.renewables.forecast.lagged import P10, P90
from shared.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from demos.renewables.site.load import Site
    from shared.demo import Run
    from shared.result import Figure

SPARSE = 60  # points of a day below which each is marked
GREY = "#8a8f98"
LOWEST = -30.0  # %: what is worse is not drawn; methods worse than that at every horizon are named


def skills(cases: list[Case], scheme: Scheme, run: Run, name: str, source: str) -> Figure:
    """Skill over the reference at every horizon, with intervals, one line a method."""
    figure, axes = pyplot.subplots(figsize=(9, 5))
    places = np.arange(len(cases), dtype=float)
    methods = [method for method in cases[0].predictions if method != scheme.reference]
    found = {
        method: [skill(case, method, scheme.reference, scheme.measure, scheme.mask, scheme.unit) for case in cases]
        for method in methods
    }
    drawn = [method for method in methods if max(100 * one.value for one in found[method]) > LOWEST]
    for number, method in enumerate(drawn):
        values = 100 * np.array([one.value for one in found[method]])
        values = np.where(values > LOWEST, values, np.nan)
        low = values - 100 * np.array([one.interval.low for one in found[method]])
        high = 100 * np.array([one.interval.high for one in found[method]]) - values
        lead, ceiling = method == ours(cases[0]), method in scheme.not_forecasts
        axes.errorbar(
            places + 0.008 * len(cases) * (number - len(drawn) / 2),
            values,
            yerr=[low, high],
            fmt="--" if ceiling else "o-" if number < len(COLOURS) else "s:",
            color=GREY if ceiling else COLOURS[number % len(COLOURS)],
            linewidth=2.4 if lead else 1.2,
            markersize=5 if lead else 3.5,
            capsize=2,
            zorder=5 if lead else 3,
            label=method,
        )
    axes.axhline(0, color="black", linewidth=1)
    axes.plot([], [], color="black", linewidth=1, label=f"{scheme.reference} (0)")
    for case, place in zip(cases, places, strict=True):
        if case.minutes in scheme.asked:
            axes.plot(place, 100 * scheme.asked[case.minutes], "_", color="black", markersize=34, markeredgewidth=1.6)
    if scheme.asked:
        axes.plot([], [], "_", color="black", markersize=12, markeredgewidth=1.6, label="asked for")
    axes.set_xticks(places, [case.horizon for case in cases])
    top = max(100 * one.interval.high for method in drawn for one in found[method])
    axes.set_ylim(LOWEST, top + 4)
    axes.set(xlabel="horizon", ylabel=f"{scheme.measure} skill [%], {scheme.mask}")
    axes.set_title(source)
    axes.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    left_out = [method for method in methods if method not in drawn]
    ticks = " Black ticks: asked for." if scheme.asked else ""
    worse = f" Below {LOWEST:.0f} % everywhere and not drawn: {', '.join(left_out)}." if left_out else ""
    return run.figure(
        figure,
        name,
        title=f"{scheme.part}: skill against horizon",
        caption=f"1 - {scheme.measure} / {scheme.measure} of {scheme.reference}, same rows; bars are 95 % intervals,"
        f" paired bootstrap over {scheme.unit}. Thick: ours, named before the test.{ticks}{worse}",
        alt=f"Lines of skill at {', '.join(case.horizon for case in cases)} for {len(drawn)} methods",
    )


def cloudy_day(cases: list[Case], scheme: Scheme, run: Run, site: Site) -> Figure:
    """The test day on which power changed most from interval to interval, forecast at two horizons."""
    shown = [cases[0], cases[-1]] if len(cases) > 1 else cases
    asked = [case for case in cases if case.minutes in scheme.asked]
    shown = asked if len(asked) == 2 else shown
    day = _restless_day(shown, scheme.mask)
    figure, panels = pyplot.subplots(1, len(shown), figsize=(11, 4.6), sharey=True, squeeze=False)
    for axes, case in zip(panels[0], shown, strict=True):
        _draw_day(axes, case, day, scheme, site)
    # The shortest horizon sees the most of the day; the other is drawn on the same hours.
    for axes in panels[0]:
        axes.set_xlim(panels[0][0].get_xlim())
    panels[0][0].set_ylabel("power [kW]")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    date = pd.Timestamp(0) + pd.Timedelta(days=day)
    return run.figure(
        figure,
        "intraday-day",
        title="A day of passing clouds",
        caption=f"{site.name}, {date:%Y-%m-%d}: of the test days, the one on which power jumped most. Each point was"
        f" forecast the horizon before, each from its own issue time. Method: {ours(shown[0])}.",
        alt="Measured power of one day with its forecasts and their P10 to P90 band",
    )


def _restless_day(cases: list[Case], mask: str) -> int:
    """The day that has nearly all its rows of the mask in every case and the greatest sum of squared changes."""
    sums = []
    for case in cases:
        light = case.masks[mask]
        frame = pd.DataFrame({"y": case.y[light], "block": case.block[light], "time": case.valid_time[light]})
        groups = frame.sort_values("time").groupby("block")["y"]
        size = groups.size()
        sums.append(groups.apply(lambda y: float((y.diff() ** 2).sum()))[size >= 0.8 * size.max()])
    both = pd.concat(sums, axis=1, join="inner").sum(axis=1)
    return int((both if len(both) else sums[0]).idxmax())


def _draw_day(axes: Axes, case: Case, day: int, scheme: Scheme, site: Site) -> None:
    # By valid time, dark hours too: the morning was forecast in the night.
    capacity, local = site.capacity_kw, site.longitude / 15 - 24 * day
    hours = _hours(case.valid_time) + local
    chosen = np.flatnonzero((hours >= 0) & (hours < 24))
    chosen = chosen[np.argsort(hours[chosen])]
    hours = hours[chosen]
    method = ours(case)
    prediction = case.predictions[method]
    if prediction.quantiles is not None:
        low, high = (capacity * prediction.quantiles[chosen, column] for column in (P10, P90))
        axes.fill_between(hours, low, high, color=COLOURS[0], alpha=0.2, linewidth=0, label="P10 to P90")
    dotted = "." if len(hours) < SPARSE else None
    axes.plot(hours, capacity * prediction.mean[chosen], color=COLOURS[0], marker=dotted, label=f"{method}, mean")
    held = capacity * case.predictions[scheme.reference].mean[chosen]
    axes.plot(hours, held, color=COLOURS[1], marker=dotted, linewidth=1, label=scheme.reference)
    # Every interval that was measured, though not each was an issue time; at its end, as the forecasts are.
    ends = _hours(site.power.index + site.to_middle + site.step / 2) + local
    known = (ends >= 0) & (ends < 24)
    axes.plot(ends[known], site.power.to_numpy()[known], color="black", linewidth=1.4, zorder=1.5, label="measured")
    lit = hours[case.masks[scheme.mask][chosen]]
    axes.set_xlim(lit.min() - 1, lit.max() + 1)
    axes.set_xlabel("local solar time [h]")
    axes.set_title(f"{case.horizon} ahead")


def _hours(times: pd.DatetimeIndex) -> NDArray[np.float64]:
    return np.asarray((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(hours=1), dtype=float)
