"""The tables of the chapter: recall by fault, false alarms, what faults are called, real events, latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from demos.renewables.faults.evaluate import FalseAlarms, first_delay, named, noticed, wilson
from demos.renewables.faults.events import Event
from demos.renewables.faults.judge import OURS, Outcomes
from demos.renewables.faults.latency import Latency
from demos.renewables.faults.peers import Peer
from demos.renewables.faults.prepare import Prepared, all_alarms, replayed_from
from shared.result import Column, Table

DAY = 86400.0
NAMES = {
    ("PV", "trip"): "PV: inverter trip, power to 0",
    ("PV", "stuck"): "PV: stuck power reading",
    ("PV", "string_outage"): "PV: string outage, 25 % less",
    ("PV", "soiling"): "PV: soiling 0.1-0.5 %/day, before 5 % loss",
    ("PV", "clipping"): "PV: clipping at 50-80 % of nameplate",
    ("PV", "drift"): "PV: meter drift ±0.2-0.6 %/day, before 10 %",
    ("wind", "trip"): "wind: turbine trip",
    ("wind", "stuck"): "wind: stuck channel, one of four",
    ("wind", "clipping"): "wind: power limit at 20-70 % of rated",
    ("wind", "drift"): "wind: anemometer drift ±0.2-0.6 %/day, before 10 %",
}


def recall_table(outcomes: Outcomes, peers: Mapping[str, list[Peer]]) -> Table:
    """One row a fault: noticed, with interval, named right, delay, and what the peers noticed."""
    rows: list[list[str | float | None]] = []
    for (plant, kind, method), found in outcomes.items():
        if method != OURS:
            continue
        hits = [one for one in found if one.kind is not None]
        low, high = wilson(len(hits), len(found))
        delays = np.array([float(one.samples) for one in hits] or [math.nan])
        each = hits[0].minutes / hits[0].samples if hits else math.nan
        others = [100 * noticed(outcomes[(plant, kind, peer.name)]) for peer in peers[plant]]
        days = len({int(one.injection.onset // DAY) for one in found})
        middle, tail = (float(value) for value in np.quantile(delays, [0.5, 0.95]))
        rows.append(
            [
                NAMES[(plant, kind)],
                len(found),
                days,
                100 * noticed(found),
                f"{100 * low:.1f} to {100 * high:.1f}",
                100 * named(found),
                middle,
                tail,
                _duration(middle * each),
                *others,
            ]
        )
    return Table(
        title="Injected faults noticed in time, on held-out days",
        columns=[
            Column(name="injected fault"),
            Column(name="injected", digits=0),
            Column(name="on days", digits=0),
            Column(name="noticed", unit="%", digits=1),
            Column(name="95 % interval (Wilson)"),
            Column(name="named right", unit="%", digits=1),
            Column(name="delay, median", unit="samples", digits=0),
            Column(name="delay, 95 %", unit="samples", digits=0),
            Column(name="median delay"),
            Column(name="filters", unit="%", digits=1),
            Column(name="IsolationForest", unit="%", digits=1),
        ],
        rows=rows,
        caption="All faults here are injected into real data. In time: trip 1 h, stuck 2 h (temperature 24 h), clipping"
        " 3 days (wind 2 h), string outage 5 days, slow faults before they reach the size given. An alarm that the"
        " untouched data raise too does not count. Filters: pvanalytics for PV, OpenOA's (re-implemented) for wind;"
        " they and the forest are set on training to a budget of false alarms, and the filters may look ahead.",
    )


def _duration(minutes: float) -> str:
    if not math.isfinite(minutes):
        return "–"
    if minutes < 180:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 2880 else f"{minutes / 1440:.1f} days"


def confusion_table(outcomes: Outcomes) -> Table:
    """What was injected against the kind of the first alarm, in percent."""
    ours = {key[:2]: found for key, found in outcomes.items() if key[2] == OURS}
    kinds = sorted({one.kind for found in ours.values() for one in found if one.kind is not None})
    rows: list[list[str | float | None]] = []
    for key, found in ours.items():
        shares = [100 * sum(one.kind == kind for one in found) / len(found) for kind in kinds]
        rows.append([NAMES[key].split(",")[0], *shares, 100 * (1 - noticed(found))])
    columns = [Column(name="injected"), *(Column(name=kind.replace("_", " "), unit="%", digits=0) for kind in kinds)]
    return Table(
        title="What an injected fault is called",
        columns=[*columns, Column(name="missed", unit="%", digits=0)],
        rows=rows,
        caption="Kind of the first alarm. A meter that drifts down cannot be told from soiling by its power alone.",
    )


def soiling_table(outcomes: Outcomes) -> Table | None:
    """Soiling by its rate: how often noticed before 5 % loss, and at what loss."""
    found = outcomes.get(("PV", "soiling", OURS), [])
    rows: list[list[str | float | None]] = []
    for low, high in ((0.001, 0.002), (0.002, 0.003), (0.003, 0.004), (0.004, 0.005)):
        here = [one for one in found if low <= abs(one.injection.strength) < high]
        hits = [one for one in here if one.kind is not None]
        if hits:
            bounds = wilson(len(hits), len(here))
            loss = float(np.median([100 * one.size for one in hits]))
            rows.append(
                [
                    f"{100 * low:.1f} to {100 * high:.1f} %/day",
                    len(here),
                    100 * len(hits) / len(here),
                    f"{100 * bounds[0]:.0f} to {100 * bounds[1]:.0f}",
                    loss,
                ]
            )
    if not rows:
        return None
    return Table(
        title="Soiling by its rate",
        columns=[
            Column(name="injected rate"),
            Column(name="injected", digits=0),
            Column(name="noticed before 5 % loss", unit="%", digits=0),
            Column(name="95 % interval (Wilson)"),
            Column(name="median loss at the alarm", unit="%", digits=1),
        ],
        rows=rows,
        caption="At 0.5 %/day the 5 % are reached in ten days, of which about half are clear enough to be judged.",
    )


def false_table(counts: Sequence[FalseAlarms]) -> Table:
    """False alarms per system-month, ours and the peers'."""
    rows: list[list[str | float | None]] = [
        [
            f"{one.group}: {one.method}",
            one.system_months,
            one.raised if one.method == OURS else None,
            one.false,
            one.rate,
            f"{one.interval.low:.2f} to {one.interval.high:.2f}" if one.interval else None,
            one.training,
        ]
        for one in counts
    ]
    return Table(
        title="False alarms on untouched held-out data",
        columns=[
            Column(name="system: method"),
            Column(name="system-months", digits=1),
            Column(name="alarms", digits=0),
            Column(name="of them false", digits=0),
            Column(name="false per system-month", digits=2),
            Column(name="95 % interval"),
            Column(name="on training", digits=2),
        ],
        rows=rows,
        caption="An alarm is true if a hand-labelled real event explains it (events.yaml), else false. Gaps, doubled"
        " and late stamps are facts and not counted. Intervals: bootstrap over system-months.",
    )


def event_table(prepared: Prepared) -> Table:
    """Real events by source and kind: how many, how many noticed, how soon."""
    alarms = [*all_alarms(prepared, training=True), *all_alarms(prepared)]
    begins = replayed_from(prepared)
    seen = [event for event in prepared.events if event.start >= begins.get(event.source, math.inf)]
    rows: list[list[str | float | None]] = []
    for key in sorted({(_source(event), event.kind) for event in seen}):
        events = [event for event in seen if (_source(event), event.kind) == key]
        delays = [delay for event in events if (delay := first_delay(event, alarms)) is not None]
        middle = _duration(float(np.median(delays)) / 60) if delays else None
        rows.append([f"{key[0]}: {key[1].replace('_', ' ')}", len(events), len(delays), middle])
    return Table(
        title="Real events, labelled by hand",
        columns=[
            Column(name="where: what"),
            Column(name="labelled", digits=0),
            Column(name="noticed", digits=0),
            Column(name="median time from start to alarm"),
        ],
        rows=rows,
        caption=f"Training and held-out time together, as far as they were replayed: {len(seen)} of the"
        f" {len(prepared.events)} labelled events. Not all can be noticed: many stops are in wind too weak for the rule"
        " of 10 % of rated power, and the slow pressure sensor has nothing to be compared with.",
    )


def _source(event: Event) -> str:
    return "turbines" if event.source.startswith("R807") else event.source.replace("_", " ")


def latency_table(found: Sequence[Latency]) -> Table:
    """Wall time of one update."""
    rows: list[list[str | float | None]] = [
        [one.name, one.samples, one.mean, one.median, one.p99, round(1e6 / one.mean, -2)] for one in found
    ]
    return Table(
        title="Compute latency of one sample",
        columns=[
            Column(name="detector"),
            Column(name="timed", digits=0),
            Column(name="mean", unit="µs"),
            Column(name="median", unit="µs"),
            Column(name="99 %", unit="µs"),
            Column(name="rate", unit="samples/s", digits=0),
        ],
        rows=rows,
        caption="One core, plain Python, sun position and expected power included, nothing precomputed; nights are in"
        " the mean and the median. Turbines: one call judges an interval of all, its time is shared out. This is not"
        " the time to an alarm: 15-min data cannot warn in milliseconds, see the delays in samples.",
    )
