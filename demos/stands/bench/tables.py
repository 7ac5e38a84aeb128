"""The bench in tables and curves: gaps to the bound, at the end and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot

from demos.stands.bench.contenders import (
    DUAL,
    FLOW,
    HINTED,
    KICKS,
    KICKS_ANYWHERE,
    LEARNED,
    LEARNED_DUAL,
    MATCHING,
    RANDOM,
    ROLLING,
    SEARCH,
)
from demos.stands.problem import SCALE
from shared.evaluation.intervals import bootstrap, paired_ratio
from shared.result import Column, Headline, Metric, Table
from shared.style import COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.bench.config import BenchSize
    from demos.stands.bench.measure import Measured
    from demos.stands.bench.race import Race
    from demos.stands.column_generation.ascent import Bound
    from shared.demo import Run
    from shared.result import Figure

PARTS_SHOWN = {
    "kicks": (KICKS_ANYWHERE, MATCHING),
    "kicks where least was tried": (KICKS, KICKS_ANYWHERE),
    "a learned start": (LEARNED, KICKS),
    "all that is learned, against kicks anywhere": (LEARNED, KICKS_ANYWHERE),
    "all that is learned, against random windows": (LEARNED, MATCHING),
    "prices": (DUAL, KICKS),
    "a learned start for prices": (LEARNED_DUAL, DUAL),
}
DRAWN = (DUAL, KICKS, SEARCH, RANDOM, ROLLING, HINTED, FLOW)  # as many as there are colours
NEAR = 0.01  # the share above the bound that counts as near it
CERTIFIED = 0.02  # the share above the bound of the moment that is asked for


def gap(race: Race, bound: int) -> float:
    """How much more than the bound the best plan costs, as a share of its cost; 1 where there is none."""
    return 1 - bound / race.curve[-1][1] if race.curve else 1.0


def primal_integral(race: Race, bound: int, seconds: float) -> float:
    """The gap to the bound, 1 before the first plan, in the mean over the first `seconds` (Berthold 2013, the bound
    in place of the optimum)."""
    total, since, now = 0.0, 0.0, 1.0
    for at, cost in race.curve:
        if at >= seconds:
            break
        total += (at - since) * now
        since, now = at, 1 - bound / cost
    return (total + (seconds - since) * now) / seconds


def seconds_to(race: Race, bound: int, share: float) -> float | None:
    """When a plan was first at most `share` above the bound; None: never."""
    return next((at for at, cost in race.curve if cost <= (1 + share) * bound), None)


def certified(race: Race, bound: Bound, seconds: float) -> float:
    """How much more than the bound as it was then the plan of then cost, as a share of its cost; 1: nothing known."""
    cost = next((cost for at, cost in reversed(race.curve) if at <= seconds), None)
    shown = next((value for at, value in reversed(bound.curve) if at <= seconds), 0)
    return 1.0 if cost is None else 1 - shown / cost


def certified_after(race: Race, bound: Bound, share: float) -> float | None:
    """When `certified` was first at most `share`; None: never."""
    times = sorted(at for at, _ in [*race.curve, *bound.curve])
    return next((at for at in times if certified(race, bound, at) <= share), None)


def _gaps(days: Sequence[Measured], name: str) -> NDArray[np.float64]:
    return np.array([100 * gap(day.races[name], day.bound.value) for day in days])


def _integrals(days: Sequence[Measured], name: str, size: BenchSize) -> NDArray[np.float64]:
    return np.array([100 * primal_integral(day.races[name], day.bound.value, size.seconds) for day in days])


def _bounds(values: NDArray[np.float64], digits: int) -> str | None:
    if len(values) < 2:
        return None
    interval = bootstrap(values, unit="days")
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def headlines(found: dict[str, list[Measured]], sizes: dict[str, BenchSize]) -> list[Headline]:
    """The gap of the engine of prices, beside the next best contender, at each size."""
    made = []
    for name, days in found.items():
        others = [other for other in days[0].races if other not in (DUAL, LEARNED_DUAL)]
        if DUAL not in days[0].races or not others:
            continue
        ours, peer = _gaps(days, DUAL), min(others, key=lambda other: float(_gaps(days, other).mean()))
        made.append(
            Headline(
                name=f"Above the bound, {name}",
                value=float(ours.mean()),
                unit="%",
                direction="lower",
                peer=f"{peer}, {sizes[name].time_of(peer):g} s",
                peer_value=float(_gaps(days, peer).mean()),
                interval=bootstrap(ours, unit="days") if len(days) > 1 else None,
                note=f"after {sizes[name].seconds:g} s; the bound is of the same bench",
            )
        )
    return made


def metrics(found: dict[str, list[Measured]], sizes: dict[str, BenchSize]) -> list[Metric]:
    """Final gaps, primal integrals, and what is certified."""
    made = []
    for name, days in found.items():
        if DUAL in days[0].races:
            seconds = sizes[name].seconds
            sure = np.array([100 * certified(day.races[DUAL], day.bound, seconds) for day in days])
            made.append(
                Metric(
                    name=f"certified after {seconds:g} s, {name}: {DUAL}", value=float(sure.mean()), unit="%",
                    direction="lower", interval=bootstrap(sure, unit="days") if len(days) > 1 else None,
                )
            )  # fmt: skip
        for contender in days[0].races:
            values, several = _gaps(days, contender), len(days) > 1
            integrals = _integrals(days, contender, sizes[name])
            for what, numbers in (("above the bound", values), ("primal integral", integrals)):
                made.append(
                    Metric(
                        name=f"{what}, {name}: {contender}", value=float(numbers.mean()), unit="%", direction="lower",
                        interval=bootstrap(numbers, unit="days") if several else None,
                    )
                )  # fmt: skip
    return made


def of_size(size: BenchSize, days: Sequence[Measured]) -> list[Table]:
    """One table of contenders, one of what each part of them brings, one of days."""
    return [_contenders_table(size, days), *_parts_table(size, days), _days_table(size, days)]


def _contenders_table(size: BenchSize, days: Sequence[Measured]) -> Table:
    rows: list[list[str | float | None]] = []
    for name in days[0].races:
        races = [day.races[name] for day in days]
        gaps, integrals = _gaps(days, name), _integrals(days, name, size)
        near = [seconds_to(race, day.bound.value, NEAR) for race, day in zip(races, days, strict=True)]
        soon = sorted(np.inf if at is None else at for at in near)[(len(near) - 1) // 2]
        plans = sum(bool(race.curve) for race in races)
        rows.append(
            [
                name,
                size.time_of(name),
                float(gaps.mean()) if plans == len(days) else None,
                _bounds(gaps, 2) if plans == len(days) else None,
                float(integrals.mean()) if size.time_of(name) == size.seconds else None,
                _bounds(integrals, 1) if size.time_of(name) == size.seconds else None,
                100 * sum(at is not None for at in near) / len(near),
                float(soon) if np.isfinite(soon) else None,
                f"{plans} of {len(days)}",
                _remarks(races),
            ]
        )
    turns, stands = [day.turns for day in days], days[0].stands
    return Table(
        title=f"Contenders: {size.name}",
        columns=[
            Column(name="contender"),
            Column(name="has", unit="s", digits=0),
            Column(name="above the bound", unit="%", direction="lower", digits=2),
            Column(name="95 % interval"),
            Column(name="primal integral", unit="%", direction="lower", digits=1),
            Column(name="its 95 % interval"),
            Column(name="within 1 %", unit="% of days", direction="higher", digits=0),
            Column(name="median time to 1 %", unit="s", direction="lower", digits=1),
            Column(name="has a plan"),
            Column(name="remarks"),
        ],
        rows=rows,
        caption=f"{len(days)} problem(s) of {min(turns)} to {max(turns)} turns on {stands} stands. Above the bound:"
        f" share of the plan's cost. Primal integral: that gap, 100 % before the first plan, in the mean over the first"
        f" {size.seconds:g} s. A median time is given where half of the days came so near.",
    )


def _parts_table(size: BenchSize, days: Sequence[Measured]) -> list[Table]:
    """Primal integrals side by side, paired by day; none where a size has none of these contenders, or one day."""
    rows: list[list[str | float | None]] = []
    for what, (ours, peer) in PARTS_SHOWN.items():
        if ours in days[0].races and peer in days[0].races and len(days) > 1:
            one, other = _integrals(days, ours, size), _integrals(days, peer, size)
            interval = paired_ratio(one, other, unit="days")
            bounds = f"{interval.low:.2f} to {interval.high:.2f}"
            rows.append([what, ours, peer, float(one.mean() / other.mean()), bounds])
    if not rows:
        return []
    columns = [Column(name=name) for name in ("what is tested", "with it", "without it")]
    columns += [Column(name="primal integral, ratio", direction="lower", digits=2), Column(name="95 % interval")]
    return [
        Table(
            title=f"What each part brings: {size.name}",
            columns=columns,
            rows=rows,
            caption=f"Primal integrals over the first {size.seconds:g} s, paired by day.",
        )
    ]


def _remarks(races: Sequence[Race]) -> str:
    said = []
    if refused := sum(race.refused for race in races):
        said.append(f"{refused} plans broke a hard rule")
    if best := sum(race.claims_best for race in races):
        said.append(f"says it is the best: {best} days")
    failed = [race.failed for race in races if race.failed]
    if failed:
        said.append(f"{len(failed)} failed: {failed[0]}")
    return "; ".join(said)


def _days_table(size: BenchSize, days: Sequence[Measured]) -> Table:
    shown = [name for name in (DUAL, FLOW) if name in days[0].races]
    sure = DUAL in shown
    rows: list[list[str | float | None]] = []
    for day in days:
        costs = [race.curve[-1][1] / SCALE if race.curve else None for race in map(day.races.__getitem__, shown)]
        row = [day.day, float(day.turns), day.bound.value / SCALE, day.bound.curve[-1][0], *costs]
        if sure:
            shares = day.races[DUAL], day.bound
            row += [100 * certified(*shares, size.seconds), certified_after(*shares, CERTIFIED)]
        rows.append(row)
    return Table(
        title=f"Bounds: {size.name}",
        columns=[
            Column(name="day"),
            Column(name="turns", digits=0),
            Column(name="bound", unit="min"),
            Column(name="in", unit="s"),
            *(Column(name=name, unit="min", direction="lower") for name in shown),
            *(
                [
                    Column(name=f"certified after {size.seconds:g} s", unit="%", direction="lower", digits=2),
                    Column(name=f"{100 * CERTIFIED:g} % certified after", unit="s", direction="lower"),
                ]
                if sure
                else []
            ),
        ],
        rows=rows,
        caption="Lagrangian relaxation over stand-days: no plan costs less, whoever made it. Overlaps of a turn with"
        " the fourth before it or earlier, a second shadow on one stand, and what turns of two days cost each other are"
        " left out of the bound, not of the plans' costs. It is found from a greedy plan on one thread, for itself."
        + (
            f" Certified: {DUAL} above the bound, each as it was so long after it began, as if side by side."
            if sure
            else ""
        ),
    )


def figure(size: BenchSize, days: Sequence[Measured], run: Run) -> Figure:
    """Gap over time, in the mean over the days, of a few contenders; of all where none of these took part."""
    made, axes = pyplot.subplots(figsize=(9, 5))
    drawn = [name for name in DRAWN if name in days[0].races] or list(days[0].races)
    grid = np.geomspace(0.05, max(size.time_of(name) for name in drawn), 200)
    for index, name in enumerate(drawn):
        curves = np.array([_over_time(day.races[name], day.bound.value, grid) for day in days])
        inside = grid <= size.time_of(name)
        axes.plot(grid[inside], curves.mean(axis=0)[inside], color=COLOURS[index % len(COLOURS)], label=name)
    axes.set(xscale="log", yscale="log", xlabel="seconds", ylabel="above the bound [%]", ylim=(0.2, 110))
    axes.set_title(f"{size.name}: gap to the bound over time, mean of {len(days)} problem(s)")
    axes.axhline(100 * NEAR, color="#8a8f98", linewidth=0.8)
    axes.legend(fontsize=8, loc="upper right", bbox_to_anchor=(1.0, 0.98))
    return run.figure(
        made,
        f"gap-{''.join(letter if letter.isalnum() else '-' for letter in size.name.lower())}",
        title=f"Gap over time: {size.name}",
        caption="100 % before a contender's first plan. Both axes are logarithmic; the grey line is 1 %. All contenders"
        " are in the table.",
        alt="Gap to the bound against seconds for each contender",
    )


def _over_time(race: Race, bound: int, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    times = np.array([at for at, _ in race.curve])
    gaps = np.array([1.0, *(1 - bound / cost for _, cost in race.curve)])
    return 100 * gaps[np.searchsorted(times, grid, side="right")]
