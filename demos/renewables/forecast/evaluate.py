"""How good the day-ahead forecasts are: the competition's loss, its winners, daylight and all hours, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.chapter import Target
from demos.renewables.data import gefcom_scores
from demos.renewables.forecast.day_ahead import DayAhead
from demos.renewables.forecast.gefcom import LEVELS
from shared.evaluation.compare import comparison
from shared.evaluation.compare import headline as headline_of
from shared.evaluation.intervals import bootstrap, paired_ratio
from shared.evaluation.metrics import coverage, pinball_losses
from shared.result import Column, Headline, Interval, Metric, Table

LOW, MIDDLE, HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)
BENCHMARK = "Benchmark - Solar"
ASKED_LOSS, ASKED_COVERAGE, ASKED_SECONDS = 0.0116, (0.78, 0.82), 300.0
COUNTED_TASKS = tuple(range(4, 16))
DAYS = "days of issue, all plants together"


def losses(found: DayAhead, method: str) -> NDArray[np.float64]:
    """(n,) mean pinball loss over the 99 levels of each row, in shares of capacity."""
    return pinball_losses(found.rows["power"], found.quantiles[method], LEVELS).mean(axis=1)


def by_day(found: DayAhead, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(days,) mean of a row-wise measure over each day of issue: what the intervals resample."""
    return np.asarray(pd.Series(values).groupby(found.rows["issue_time"].to_numpy()).mean())


def headline(found: DayAhead) -> Headline:
    """Ours beside the best peer of the run, which is no part of ours; the note has the ratio and the contest."""
    each = {name: by_day(found, losses(found, name)) for name in (found.ours, *found.peers)}
    best = min(found.peers, key=lambda name: each[name].mean())
    ratio = paired_ratio(each[found.ours], each[best], unit=DAYS)
    first = gefcom_scores().loc[sorted(set(found.rows["task"]))].mean(skipna=False)[_ranking()[0]]
    return headline_of(
        "day-ahead PV, mean pinball loss, all hours",
        each,
        ours=found.ours,
        peer=best,
        unit="of capacity",
        direction="lower",
        resampled=DAYS,
        note=f"ratio {each[found.ours].mean() / each[best].mean():.3f} ({ratio.low:.3f} to {ratio.high:.3f}, paired);"
        f" tasks {_tasks(found)}, retrospective; the first of the contest had {first:.5f}",
    )


def _ranking() -> list[str]:
    """Contestants, the best first, over the tasks that counted."""
    published = gefcom_scores().drop(columns=BENCHMARK)
    return list(published.loc[list(COUNTED_TASKS)].mean(skipna=False).sort_values().index)


def methods_table(found: DayAhead) -> Table:
    """Every method: loss in all hours and in daylight, error of the median, coverage, crossings."""
    light, power = found.rows["daylight"].to_numpy(), found.rows["power"].to_numpy()
    rows: list[list[str | float | None]] = []
    for name, table in found.quantiles.items():
        loss, absolute = losses(found, name), np.abs(power - table[:, MIDDLE])
        rows.append(
            [
                name,
                float(loss.mean()),
                float(loss[light].mean()),
                100 * float(absolute[light].mean()),
                100 * coverage(power[light], table[light, LOW], table[light, HIGH]),
                float((np.diff(table, axis=1) < 0).any(axis=1).sum()),
                found.cpu_seconds.get(name),
            ]
        )
    return Table(
        title=f"Day-ahead PV, GEFCom2014 solar, tasks {_tasks(found)} (retrospective)",
        columns=[
            Column(name="method"),
            Column(name="pinball, all hours", direction="lower", digits=5),
            Column(name="pinball, daylight", direction="lower", digits=5),
            Column(name="MAE of P50, daylight", unit="% of capacity", direction="lower", digits=2),
            Column(name="P10 to P90 holds, daylight", unit="%", digits=1),
            Column(name="rows with crossing quantiles", digits=0),
            Column(name="processor time", unit="s", digits=0),
        ],
        rows=rows,
        caption="Three plants, hourly; 99 quantiles; each month forecast by models trained on what came before it."
        " Daylight: the sun's centre above the horizon in the middle of the hour. Pinball: the loss that a quantile"
        " minimises, averaged over levels; half of the CRPS. P10 to P90 should hold 80 %. No method knows power of the"
        " month, so there is no persistence.",
    )


def ratios_table(found: DayAhead) -> Table:
    """Each method beside the first, paired over days."""
    each = {name: by_day(found, losses(found, name)) for name in found.quantiles}
    return comparison(
        "Day-ahead PV: each method beside ours",
        each,
        peer=found.ours,
        unit="of capacity",
        direction="lower",
        resampled="days of issue, all plants together",
        measure="pinball, all hours",
        digits=5,
    )


def contest_table(found: DayAhead) -> Table:
    """Task by task beside the published scores: first, second, the median contestant, the organisers' benchmark."""
    published = gefcom_scores()
    benchmark, ranking = published.pop(BENCHMARK), _ranking()
    score = pd.Series(losses(found, found.ours)).groupby(found.rows["task"].to_numpy()).mean()
    rows: list[list[str | float | None]] = []
    columns = [
        score,
        published[ranking[0]],
        published[ranking[1]],
        published.median(axis=1),
        benchmark,
    ]
    for task in score.index:
        scores = [column.loc[task] for column in columns]
        rows.append([str(task), *(None if np.isnan(one) else float(one) for one in scores)])
    means = [column.loc[score.index].mean(skipna=False) for column in columns]
    rows.append(["mean", *(None if np.isnan(mean) else float(mean) for mean in means)])
    return Table(
        title="Beside the contest of 2014",
        columns=[
            Column(name="task"),
            Column(name=f"{found.ours}, today", digits=5),
            Column(name=f"{ranking[0]} (1st)", digits=5),
            Column(name=f"{ranking[1]} (2nd)", digits=5),
            Column(name="median contestant", digits=5),
            Column(name="organisers' benchmark", digits=5),
        ],
        rows=rows,
        caption="Contestants forecast without knowing the answers; we come ten years later and know which ideas won,"
        " so a lower loss would show a sound method, not a better forecaster. First and second: over tasks 4 to 15.",
    )


def _held(found: DayAhead) -> tuple[float, Interval]:
    """Share of daylight rows inside P10 to P90 of ours, with its interval over days."""
    light, power, table = found.rows["daylight"].to_numpy(), found.rows["power"].to_numpy(), found.quantiles[found.ours]
    inside = (table[:, LOW] <= power) & (power <= table[:, HIGH]) & light
    days = found.rows["issue_time"].to_numpy()
    each, all_ = (np.asarray(pd.Series(one.astype(float)).groupby(days).sum()) for one in (inside, light))
    return float(each.sum() / all_.sum()), paired_ratio(each[all_ > 0], all_[all_ > 0], unit=DAYS)


def metrics(found: DayAhead) -> list[Metric]:
    """Loss and coverage of ours, by number, for `trendlab compare`."""
    light = found.rows["daylight"].to_numpy()
    share, interval = _held(found)
    lit = (
        found.rows[light]
        .assign(loss=losses(found, found.ours)[light])
        .groupby("issue_time")["loss"]
        .agg(["sum", "size"])
    )
    tasks = f"{len(set(found.rows['task']))} tasks"
    return [
        Metric(
            name="day-ahead P10 to P90 coverage, daylight",
            value=100 * share,
            unit="%",
            interval=interval.model_copy(update={"low": 100 * interval.low, "high": 100 * interval.high}),
            note="nominal 80 %",
        ),
        Metric(
            name="day-ahead pinball loss, daylight",
            value=float(lit["sum"].sum() / lit["size"].sum()),
            unit="of capacity",
            direction="lower",
            interval=paired_ratio(lit["sum"], lit["size"], unit=DAYS),
        ),
        Metric(
            name="day-ahead training and forecasting of ours, processor time",
            value=found.cpu_seconds[found.ours],
            unit="s",
            direction="lower",
            note=f"{tasks}, all cores together",
        ),
        Metric(
            name="day-ahead training and forecasting of ours, wall time",
            value=found.wall_seconds,
            unit="s",
            direction="lower",
            note=f"{tasks}, on the cores of this run; no peers",
        ),
    ]


def targets(found: DayAhead) -> list[Target]:
    """What was asked of the day-ahead forecasts."""
    table = found.quantiles[found.ours]
    each, (held, interval) = by_day(found, losses(found, found.ours)), _held(found)
    loss, around = float(each.mean()), bootstrap(each, unit=DAYS)
    crossing = int((np.diff(table, axis=1) < 0).any(axis=1).sum())
    complete = set(found.rows["task"]) == set(COUNTED_TASKS)
    note = "" if complete else f"tasks {_tasks(found)} only; the target is for 4 to 15"
    return [
        Target(
            asked=f"day-ahead pinball at most {ASKED_LOSS}",
            reached=f"{loss:.5f} ({around.low:.5f} to {around.high:.5f})",
            met=loss <= ASKED_LOSS,
            note=note,
        ),
        Target(
            asked="P10 to P90 holds 78 to 82 % in daylight",
            reached=f"{100 * held:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})",
            met=ASKED_COVERAGE[0] <= held <= ASKED_COVERAGE[1],
            note=note,
        ),
        Target(asked="no crossing quantiles", reached=f"{crossing} rows", met=crossing == 0),
        Target(
            asked="day-ahead in under 5 minutes on 2 cores",
            reached=f"{found.wall_seconds:.0f} s ({found.cpu_seconds[found.ours]:.0f} s of processor time)",
            met=found.wall_seconds < ASKED_SECONDS,
            note=f"wall time on the cores of this run, peers not counted. {note}".strip(),
        ),
    ]


def _tasks(found: DayAhead) -> str:
    tasks = sorted(set(found.rows["task"]))
    whole = len(tasks) > 2 and tasks == list(range(tasks[0], tasks[-1] + 1))
    return f"{tasks[0]} to {tasks[-1]}" if whole else ", ".join(map(str, tasks))
