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
from shared.evaluation.intervals import paired_ratio
from shared.evaluation.metrics import coverage, crps_from_quantiles
from shared.result import Column, Headline, Metric, Table

LOW, MIDDLE, HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)
ASKED_LOSS, ASKED_COVERAGE, ASKED_SECONDS = 0.0116, (0.78, 0.82), 300.0
COUNTED_TASKS = tuple(range(4, 16))
DAYS = "days of issue, all plants together"


def losses(found: DayAhead, method: str) -> NDArray[np.float64]:
    """(n,) mean pinball loss over the 99 levels of each row, in shares of capacity."""
    error = found.rows["power"].to_numpy()[:, None] - found.quantiles[method]
    levels = np.asarray(LEVELS)
    return np.asarray(np.maximum(levels * error, (levels - 1) * error).mean(axis=1))


def by_day(found: DayAhead, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(days,) mean of a row-wise measure over each day of issue: what the intervals resample."""
    return np.asarray(pd.Series(values).groupby(found.rows["issue_time"].to_numpy()).mean())


def headline(found: DayAhead) -> Headline:
    """Ours beside the best peer of the run, by the paired interval of their ratio."""
    ours, *peers = found.quantiles
    each = {name: by_day(found, losses(found, name)) for name in found.quantiles}
    best = min(peers, key=lambda name: each[name].mean())
    ratio = paired_ratio(each[ours], each[best], unit=DAYS)
    return Headline(
        name="day-ahead PV, mean pinball loss, all hours",
        value=float(each[ours].mean()),
        unit="of capacity",
        direction="lower",
        peer=best,
        peer_value=float(each[best].mean()),
        interval=None,
        note=f"ratio {each[ours].mean() / each[best].mean():.3f} ({ratio.low:.3f} to {ratio.high:.3f}, paired over"
        f" {each[ours].size} {DAYS}); tasks {_tasks(found)}; retrospective",
    )


def methods_table(found: DayAhead) -> Table:
    """Every method: loss in all hours and in daylight, CRPS, error of the median, coverage, crossings."""
    light, power = found.rows["daylight"].to_numpy(), found.rows["power"].to_numpy()
    rows: list[list[str | float | None]] = []
    for name, table in found.quantiles.items():
        loss, absolute = losses(found, name), np.abs(power - table[:, MIDDLE])
        rows.append(
            [
                name,
                float(loss.mean()),
                float(loss[light].mean()),
                100 * crps_from_quantiles(power[light], table[light], LEVELS),
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
            Column(name="CRPS, daylight", unit="% of capacity", direction="lower", digits=2),
            Column(name="MAE of P50, daylight", unit="% of capacity", direction="lower", digits=2),
            Column(name="P10 to P90 holds, daylight", unit="%", digits=1),
            Column(name="rows with crossing quantiles", digits=0),
            Column(name="processor time", unit="s", digits=0),
        ],
        rows=rows,
        caption="Three plants, hourly; 99 quantiles; each month forecast by models trained on what came before it."
        " Daylight: the sun's centre above the horizon in the middle of the hour. P10 to P90 should hold 80 %.",
    )


def ratios_table(found: DayAhead) -> Table:
    """Each method beside the first, paired over days."""
    each = {name: by_day(found, losses(found, name)) for name in found.quantiles}
    ours = next(iter(each))
    return comparison(
        "Day-ahead PV: each method beside ours",
        each,
        peer=ours,
        unit="of capacity",
        direction="lower",
        resampled="days of issue, all plants together",
        measure="pinball, all hours",
        digits=5,
    )


def contest_table(found: DayAhead) -> Table:
    """Task by task beside the published scores: first, second, the median contestant, the organisers' benchmark."""
    published = gefcom_scores()
    benchmark = published.pop("Benchmark - Solar")
    ranking = published.loc[list(COUNTED_TASKS)].mean(skipna=False).sort_values().index
    ours = next(iter(found.quantiles))
    score = pd.Series(losses(found, ours)).groupby(found.rows["task"].to_numpy()).mean()
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
            Column(name="ours, today", direction="lower", digits=5),
            Column(name=f"{ranking[0]} (1st)", direction="lower", digits=5),
            Column(name=f"{ranking[1]} (2nd)", direction="lower", digits=5),
            Column(name="median contestant", digits=5),
            Column(name="organisers' benchmark", digits=5),
        ],
        rows=rows,
        caption="Contestants forecast without knowing the answers; we come ten years later and know which ideas won."
        " A better score here shows a sound method, not a better forecaster. First and second: over tasks 4 to 15.",
    )


def metrics(found: DayAhead) -> list[Metric]:
    """Loss and coverage of ours, by number, for `trendlab compare`."""
    ours = next(iter(found.quantiles))
    light, power, table = found.rows["daylight"].to_numpy(), found.rows["power"].to_numpy(), found.quantiles[ours]
    held = coverage(power[light], table[light, LOW], table[light, HIGH])
    return [
        Metric(name="day-ahead P10 to P90 coverage, daylight", value=100 * held, unit="%", note="nominal 80 %"),
        Metric(
            name="day-ahead training and forecasting of ours, processor time",
            value=found.cpu_seconds[ours],
            unit="s",
            direction="lower",
            note=f"{len(set(found.rows['task']))} tasks, all cores together",
        ),
        Metric(
            name="day-ahead pinball loss, daylight",
            value=float(losses(found, ours)[light].mean()),
            unit="of capacity",
            direction="lower",
        ),
    ]


def targets(found: DayAhead) -> list[Target]:
    """What was asked of the day-ahead forecasts."""
    ours = next(iter(found.quantiles))
    light, power, table = found.rows["daylight"].to_numpy(), found.rows["power"].to_numpy(), found.quantiles[ours]
    loss, held = float(losses(found, ours).mean()), coverage(power[light], table[light, LOW], table[light, HIGH])
    crossing = int((np.diff(table, axis=1) < 0).any(axis=1).sum())
    complete = set(found.rows["task"]) == set(COUNTED_TASKS)
    note = "" if complete else f"tasks {_tasks(found)} only; the target is for 4 to 15"
    return [
        Target(
            asked=f"day-ahead pinball at most {ASKED_LOSS}", reached=f"{loss:.5f}", met=loss <= ASKED_LOSS, note=note
        ),
        Target(
            asked="P10 to P90 holds 78 to 82 % in daylight",
            reached=f"{100 * held:.1f} %",
            met=ASKED_COVERAGE[0] <= held <= ASKED_COVERAGE[1],
            note=note,
        ),
        Target(asked="no crossing quantiles", reached=f"{crossing} rows", met=crossing == 0),
        Target(
            asked="in under 5 minutes on 2 cores",
            reached=f"{found.cpu_seconds[ours]:.0f} s of processor time",
            met=found.cpu_seconds[ours] < 2 * ASKED_SECONDS,
            note=f"half of it is the wall time on two free cores; the peers are not counted. {note}".strip(),
        ),
    ]


def _tasks(found: DayAhead) -> str:
    tasks = sorted(set(found.rows["task"]))
    whole = len(tasks) > 2 and tasks == list(range(tasks[0], tasks[-1] + 1))
    return f"{tasks[0]} to {tasks[-1]}" if whole else ", ".join(map(str, tasks))
