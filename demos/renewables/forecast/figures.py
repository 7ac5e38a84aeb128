"""The pictures of the day-ahead part: a fan chart, a reliability diagram, and the loss task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import pyplot

from demos.renewables.data import gefcom_scores
from demos.renewables.forecast.config import OURS
from demos.renewables.forecast.day_ahead import DayAhead
from demos.renewables.forecast.evaluate import BENCHMARK, losses
from demos.renewables.forecast.gefcom import LEVELS
from shared.evaluation.metrics import reliability
from shared.style import COLOURS

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Figure

NOON_UTC = 2
BANDS = ((0.01, 0.99), (0.1, 0.9), (0.25, 0.75))
FAN_DAYS = 5


def draw_all(found: DayAhead, run: Run) -> list[Figure]:
    """All figures of the day-ahead part, saved in the run's folder."""
    return [_fan(found, run), _reliability(found, run), _tasks(found, run)]


def _fan(found: DayAhead, run: Run) -> Figure:
    """The days of the first plant on which the forecast changes most from one to the next."""
    site = found.rows["site"].iloc[0]
    first = _restless_day(found, str(site))
    # Local days, from midnight to midnight by the sun: an issue ends at ten in the morning there.
    midnight = first.floor("D") + pd.Timedelta(hours=NOON_UTC - 12)
    chosen = (found.rows["site"] == site) & found.rows["valid_time"].between(
        midnight, midnight + pd.Timedelta(days=FAN_DAYS), inclusive="right"
    )
    rows, table = found.rows[chosen], found.quantiles[found.ours][chosen.to_numpy()] * 100
    times = rows["valid_time"].dt.tz_localize(None) - pd.Timedelta(minutes=30)
    figure, axes = pyplot.subplots(figsize=(10, 4.2))
    for (low, high), shade in zip(BANDS, (0.15, 0.3, 0.45), strict=True):
        axes.fill_between(
            times,
            table[:, LEVELS.index(low)],
            table[:, LEVELS.index(high)],
            color=COLOURS[0],
            alpha=shade,
            linewidth=0,
            label=f"P{100 * low:.0f} to P{100 * high:.0f}",
        )
    axes.plot(times, table[:, LEVELS.index(0.5)], color=COLOURS[0], label="P50")
    axes.plot(times, 100 * rows["power"], color=COLOURS[6], marker=".", markersize=4, linewidth=1, label="measured")
    axes.set(
        ylabel="power [% of capacity]",
        xlabel=f"UTC, middle of the hour; noon there is about {NOON_UTC:02d}:00",
        ylim=(0, None),
    )
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return run.figure(
        figure,
        "fan",
        title=f"Fan chart: day-ahead forecasts of {FAN_DAYS} days at {site}",
        caption=f"{found.ours}; each hour forecast from the weather forecast issued 1 to 24 h before, at 00 UTC,"
        " mid-morning there. The stretch with the largest day-to-day changes of P50 in the tested months, so both sure"
        " and unsure days show.",
        alt=f"PV power over {FAN_DAYS} days from {first:%Y-%m-%d}: bands of quantiles, P50 and the measured line.",
    )


def _restless_day(found: DayAhead, site: str) -> pd.Timestamp:
    """First day of the FAN_DAYS days on which the forecast energy changes most from day to day."""
    chosen = (found.rows["site"] == site).to_numpy()
    middle = pd.Series(found.quantiles[found.ours][chosen, LEVELS.index(0.5)])
    energy = middle.groupby(found.rows.loc[chosen, "issue_time"].to_numpy()).sum()
    steps = energy.diff().abs().fillna(0).rolling(FAN_DAYS - 1).sum().shift(-(FAN_DAYS - 1))
    whole = (energy.index.to_series().shift(-(FAN_DAYS - 1)) - energy.index) == pd.Timedelta(days=FAN_DAYS - 1)
    return pd.Timestamp(steps.where(whole.to_numpy()).idxmax())


def _reliability(found: DayAhead, run: Run) -> Figure:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.6))
    light = found.rows["daylight"].to_numpy()
    power = found.rows["power"].to_numpy()[light]
    nominal = 100 * np.asarray(LEVELS)
    for axes, base in ((left, 0.0), (right, 1.0)):
        axes.plot([0, 100], [0, 100 * (1 - base)], color="#8a8f98", linewidth=1, linestyle="--")
        for colour, (name, table) in zip(COLOURS, found.quantiles.items(), strict=False):
            observed = 100 * reliability(power, table[light], LEVELS)
            axes.plot(nominal, observed - base * nominal, color=colour, label=name)
        axes.set(xlabel="nominal level [%]")
    left.set(ylabel="measured at or below [%]", title="Reliability")
    right.set(ylabel="difference from nominal [points]", title="The same, enlarged")
    left.legend(fontsize=8)
    return run.figure(
        figure,
        "reliability",
        title="Reliability diagram, daylight",
        caption="How often the power stayed at or below each forecast quantile; on the dashed line a forecast means"
        " what it says. Many hours of exactly zero power at dawn and dusk lift all curves at the lowest levels.",
        alt="Reliability curves of all methods beside the diagonal, and their differences from it.",
    )


def _tasks(found: DayAhead, run: Run) -> Figure:
    figure, axes = pyplot.subplots(figsize=(10, 4.2))
    published = gefcom_scores().drop(columns=BENCHMARK)
    for colour, name in zip(COLOURS, [name for name in OURS if name in found.quantiles], strict=False):
        score = 100 * pd.Series(losses(found, name)).groupby(found.rows["task"].to_numpy()).mean()
        axes.plot(score.index, score, marker="o", color=colour, label=name, zorder=3)
    tasks = sorted(set(found.rows["task"]))
    for name in published.columns:
        axes.plot(tasks, 100 * published.loc[tasks, name], ".", color="#b6bcc6", markersize=5, zorder=1)
    best = 100 * published.loc[tasks].min(axis=1)
    axes.plot(tasks, best, "_", color=COLOURS[6], markersize=16, label="best contestant of the task")
    axes.plot([], [], ".", color="#b6bcc6", label="all contestants of 2014")
    axes.set(xlabel="task (4 = July 2013, 15 = June 2014)", ylabel="pinball loss [% of capacity]", xticks=tasks)
    axes.set_ylim(0.6, 2.4)
    axes.legend(ncols=5, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return run.figure(
        figure,
        "tasks",
        title="Task by task beside the contestants of 2014",
        caption="Scores above 2.4 % are cut off. Retrospective: we knew which methods had done well.",
        alt="Loss of network, trees and both in each task, with a dot for each contestant.",
    )
