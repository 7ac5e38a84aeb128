"""What is measured, ours beside the peers, with intervals; tables.py shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from demos.renewables.faults.alarm import DATA_KINDS, Alarm
from demos.renewables.faults.config import FaultsConfig
from demos.renewables.faults.events import Event, cause, false_alarms
from demos.renewables.faults.judge import OURS, Outcomes
from demos.renewables.faults.latency import Latency
from demos.renewables.faults.peers import MONTH, Peer, false_episodes
from demos.renewables.faults.prepare import Prepared, all_alarms, held_out_days
from demos.renewables.faults.replay import Outcome
from shared.evaluation.intervals import bootstrap
from shared.result import Headline, Interval, Metric

DAY = 86400.0
LEVEL = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class FalseAlarms:
    """False alarms of one method on the untouched held-out streams of one kind of system."""

    group: str
    method: str
    system_months: float
    raised: int
    false: int
    interval: Interval | None
    training: float | None

    @property
    def rate(self) -> float:
        """False alarms per system-month."""
        return self.false / self.system_months


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share; Wilson, JASA 22 (1927). count: at least 1.

    >>> tuple(round(bound, 3) for bound in wilson(200, 200))
    (0.981, 1.0)
    """
    share, square = hits / count, LEVEL**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = LEVEL / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def noticed(outcomes: Sequence[Outcome]) -> float:
    """Share of injections of which something was raised in time, 0 to 1."""
    return sum(one.kind is not None for one in outcomes) / len(outcomes)


def named(outcomes: Sequence[Outcome]) -> float:
    """Share whose first alarm says the kind that was injected, 0 to 1."""
    return sum(one.kind == one.injection.kind for one in outcomes) / len(outcomes)


def count_false(prepared: Prepared, peers: Mapping[str, list[Peer]], config: FaultsConfig) -> list[FalseAlarms]:
    """False alarms of ours and of the peers on untouched held-out streams, by kind of system."""
    events, found = prepared.events, []
    alarms, before = all_alarms(prepared), all_alarms(prepared, training=True)
    if prepared.pv is not None:
        record = prepared.pv.held_out
        starts = held_out_days(config.split.pv_from, float(record.seconds[-1]))
        found.append(_ours("PV", [record.system], starts, float(record.seconds[-1]), alarms, before, prepared))
        for peer in peers["PV"]:
            flags = peer.flags(record)
            length = (record.seconds[-1] - record.seconds[0]) / MONTH
            count = false_episodes(flags, record, events)
            found.append(FalseAlarms("PV", peer.name, float(length), count, count, None, None))
    if prepared.farm is not None:
        records = prepared.farm.held_out
        end = max(float(record.seconds[-1]) for record in records.values())
        starts = held_out_days(config.split.wind_from, end)
        found.append(_ours("wind", list(records), starts, end, alarms, before, prepared))
        for peer in peers["wind"]:
            count = sum(false_episodes(peer.flags(record), record, events) for record in records.values())
            length = len(records) * (end - starts[0]) / MONTH
            found.append(FalseAlarms("wind", peer.name, length, count, count, None, None))
    if prepared.mast is not None:
        starts = held_out_days(config.split.mast_from, prepared.mast.end)
        found.append(_ours("mast", ["mast"], starts, prepared.mast.end, alarms, before, prepared))
    return found


def _ours(
    group: str,
    systems: list[str],
    starts: list[float],
    end: float,
    alarms: Sequence[Alarm],
    before: Sequence[Alarm],
    prepared: Prepared,
) -> FalseAlarms:
    own = [alarm for alarm in alarms if alarm.system in systems and alarm.kind not in DATA_KINDS]
    wrong = false_alarms(own, prepared.events, starts[0], end)
    ends = [*starts[1:], end]
    counts = [
        sum(one.system == name and a <= one.raised < b for one in wrong)
        for name in systems
        for a, b in zip(starts, ends, strict=True)
    ]
    interval = bootstrap(counts, unit="system-months") if len(counts) > 1 else None
    early = [alarm for alarm in before if alarm.system in systems]
    length = len(systems) * (end - starts[0]) / MONTH
    past = _training_months(group, prepared)
    training = len(false_alarms(early, prepared.events, -math.inf, math.inf)) / past if past else None
    return FalseAlarms(group, OURS, length, len(own), len(wrong), interval, training)


def _training_months(group: str, prepared: Prepared) -> float:
    if group == "PV" and prepared.pv is not None:
        seconds = [prepared.pv.training.seconds]
    elif group == "wind" and prepared.farm is not None:
        seconds = [record.seconds for record in prepared.farm.training.values()]
    else:
        assert prepared.mast is not None
        seconds = [prepared.mast.table.seconds.to_numpy()]
        seconds = [seconds[0][seconds[0] < prepared.mast.start]]
    return float(sum((one[-1] - one[0]) / MONTH for one in seconds if len(one)))


def first_delay(event: Event, alarms: Sequence[Alarm]) -> float | None:
    """Seconds from the start of an event to the first alarm about it; None if there is none."""
    raised = [
        alarm.raised
        for alarm in alarms
        # A drift is found by an alarm of drift alone: within months anything else happens too.
        if alarm.kind not in DATA_KINDS
        and (event.kind != "drift" or alarm.kind == "drift")
        and cause(alarm, [event]) is not None
    ]
    return min(raised) - event.start if raised else None


def headlines(outcomes: Outcomes, peers: Mapping[str, list[Peer]], counts: Sequence[FalseAlarms]) -> list[Headline]:
    """Mean share of faults noticed, by plant, beside the best peer; false alarms beside that peer's."""
    found = []
    for plant, rivals in peers.items():
        kinds = [kind for (where, kind, method) in outcomes if where == plant and method == OURS]
        if not kinds:
            continue  # nowhere could a fault be injected where it would show
        mean = {
            method: float(np.mean([noticed(outcomes[(plant, kind, method)]) for kind in kinds]))
            for method in (OURS, *(rival.name for rival in rivals))
        }
        best = max(rivals, key=lambda rival: mean[rival.name]).name
        every = [(kind, one) for kind in kinds for one in outcomes[(plant, kind, OURS)]]
        found.append(
            Headline(
                name=f"{plant} faults noticed in time",
                value=100 * mean[OURS],
                unit="%",
                direction="higher",
                peer=best,
                peer_value=100 * mean[best],
                interval=_interval(kinds, every),
                note=f"injected; mean over {len(kinds)} kinds of fault, best of the peers",
            )
        )
        rate = {one.method: one for one in counts if one.group == plant}
        found.append(
            Headline(
                name=f"{plant} false alarms per system-month",
                value=rate[OURS].rate,
                unit="1/month",
                direction="lower",
                peer=best,
                peer_value=rate[best].rate,
                interval=rate[OURS].interval,
                note="untouched held-out data, real events taken out",
            )
        )
    return found


def _interval(kinds: Sequence[str], every: Sequence[tuple[str, Outcome]]) -> Interval | None:
    """Bootstrap over days of onset of the mean over kinds: faults of one day are one draw."""
    days = sorted({int(one.injection.onset // DAY) for _, one in every})
    if len(days) < 2:
        return None
    place, column = {day: at for at, day in enumerate(days)}, {kind: at for at, kind in enumerate(kinds)}
    table = np.zeros((len(days), 2 * len(kinds)))
    for kind, one in every:
        row = place[int(one.injection.onset // DAY)]
        table[row, column[kind]] += one.kind is not None
        table[row, len(kinds) + column[kind]] += 1

    def mean(rows: np.ndarray) -> float:
        sums = rows.sum(axis=0)
        counts = sums[len(kinds) :]
        return float(np.mean(sums[: len(kinds)][counts > 0] / counts[counts > 0]) * 100)

    return bootstrap(table, mean, resamples=1000, unit="days of onset")


def metrics(outcomes: Outcomes, counts: Sequence[FalseAlarms], latency: Sequence[Latency]) -> list[Metric]:
    """Every measured number, ours and the peers'."""
    found = []
    for (plant, kind, method), here in outcomes.items():
        low, high = wilson(sum(one.kind is not None for one in here), len(here))
        unit = f"{len(here)} injections, Wilson"
        found.append(
            Metric(
                name=f"{plant} {kind} noticed: {method}",
                value=100 * noticed(here),
                unit="%",
                direction="higher",
                interval=Interval(low=100 * low, high=100 * high, unit=unit),
                note="injected",
            )
        )
        if method == OURS:
            found.append(
                Metric(name=f"{plant} {kind} named right", value=100 * named(here), unit="%", direction="higher")
            )
    for one in counts:
        name = f"{one.group} false alarms: {one.method}"
        found.append(Metric(name=name, value=one.rate, unit="1/month", direction="lower", interval=one.interval))
    for lat in latency:
        found.append(Metric(name=f"latency 99 %: {lat.name}", value=lat.p99, unit="µs", direction="lower"))
        found.append(Metric(name=f"latency mean: {lat.name}", value=lat.mean, unit="µs", direction="lower"))
    return found
