"""The same days with fewer or with more stands: a slack airport proves nothing, so where does each part pay?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib import pyplot

from demos.stands.airport import with_stands
from demos.stands.evaluate import ratio_bounds
from demos.stands.plan import CLIMATOLOGY, DAY_AHEAD, DayJob, DayPlans, plan_day
from demos.stands.report.peers import (
    OURS,
    Peer,
    best_buffer,
    equal_contact_buffer,
    equal_contact_climatology,
    method_contact,
    minutes,
    peer_of,
)
from shared.result import Column, Table
from shared.style import COLOURS

if TYPE_CHECKING:
    from demos.stands.config import StandsConfig
    from demos.stands.turns import Turns
    from shared.demo import Run
    from shared.result import Figure

Swept = dict[float, tuple[int, list[DayPlans]]]


def peak(turns: Turns) -> int:
    """The most turns that are scheduled on stands at once."""
    return int(max(((turns.sibt <= now) & (turns.sobt > now)).sum() for now in turns.sibt))


def sweep(jobs: Sequence[DayJob], config: StandsConfig, run: Run) -> Swept:
    """All plans of all days at each of `evaluation.stand_factors` times the largest peak of these days."""
    top = max(peak(job.turns) for job in jobs)
    found: Swept = {}
    for factor in config.evaluation.stand_factors:
        airport = with_stands(jobs[0].airport, round(factor * top))
        scaled = [replace(job, airport=airport) for job in jobs]
        stands = len(airport.stands)
        found[factor] = stands, run.map(f"planning with {stands} stands", plan_day, scaled)
    return found


def _compared(days: Sequence[DayPlans], config: StandsConfig) -> list[tuple[str, str, Peer]]:
    """What is tested at each number of stands: its name, our method and the peer."""
    return [
        ("learned / climatology, T-2 h, at equal contact", OURS, equal_contact_climatology(days)),
        ("learned / climatology, T-24 h", DAY_AHEAD, peer_of(days, CLIMATOLOGY)),
        ("learned / best buffer", OURS, peer_of(days, best_buffer(days, config))),
        ("learned / buffers at equal contact", OURS, equal_contact_buffer(days, config)),
    ]


def sweep_table(swept: Swept, config: StandsConfig) -> Table:
    """Ratios of conflict minutes by number of stands; a ratio below 1: ours has fewer."""
    rows: list[list[str | float | None]] = []
    for factor, (stands, days) in swept.items():
        for what, ours, peer in _compared(days, config):
            values = minutes(days, ours)
            rows.append(
                [
                    factor,
                    stands,
                    what,
                    float(values.mean()),
                    float(peer.minutes.mean()),
                    float(values.sum() / peer.minutes.sum()) if peer.minutes.sum() else None,
                    ratio_bounds(values, peer.minutes),
                    100 * (method_contact(days, ours) - peer.contact),
                ]
            )
    return Table(
        title="How tight the airport must be for a part to pay",
        columns=[
            Column(name="stands / peak", digits=2),
            Column(name="stands", digits=0),
            Column(name="what is tested"),
            Column(name="ours", unit="min a day", direction="lower", digits=0),
            Column(name="peer", unit="min a day", direction="lower", digits=0),
            Column(name="ratio of conflict minutes", digits=2),
            Column(name="95 % interval"),
            Column(name="contact share, ours minus peer", unit="points", digits=1),
        ],
        rows=rows,
        caption="Stands are dropped or doubled evenly along the airport's list. The peak is the largest number of turns"
        " scheduled at once on these days. Paired percentile bootstrap over days.",
    )


def sweep_figure(swept: Swept, config: StandsConfig, run: Run) -> Figure:
    """The ratios of the table over the number of stands."""
    figure, axes = pyplot.subplots(figsize=(8, 4.8))
    axes.axhline(1.0, color="#8a8f98", linewidth=1)
    lines: dict[str, list[tuple[float, float]]] = {}
    for factor, (_, days) in swept.items():
        for what, ours, peer in _compared(days, config):
            if peer.minutes.sum():
                lines.setdefault(what, []).append((factor, minutes(days, ours).sum() / peer.minutes.sum()))
    for index, (what, points) in enumerate(lines.items()):
        axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[index], label=what)
    axes.set(xlabel="stands / peak of simultaneous turns", ylabel="ratio of conflict minutes", ylim=(0, None))
    axes.set_title("Where learning and planning pay: below 1 ours has fewer conflicts")
    axes.legend(fontsize=8)
    return run.figure(
        figure,
        "stand-factors",
        title="The same days with fewer and with more stands",
        caption=f"{len(next(iter(swept.values()))[1])} day(s). The intervals are in the table.",
        alt="Ratios of conflict minutes against the number of stands",
    )
