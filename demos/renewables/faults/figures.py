"""The fault timeline, real and injected, and how soon and how often each fault is noticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib import pyplot

from demos.renewables.faults.alarm import DATA_KINDS, Alarm
from demos.renewables.faults.evaluate import noticed, wilson
from demos.renewables.faults.inject import Injection, faulty
from demos.renewables.faults.judge import OURS, Outcomes
from demos.renewables.faults.peers import Peer
from demos.renewables.faults.prepare import Farm, Mast, Prepared, PvPlant
from demos.renewables.faults.replay import Outcome, PvRecord, Replay, TurbineRecord
from demos.renewables.faults.tables import NAMES
from shared.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from shared.demo import Run
    from shared.result import Figure

MEASURED, EXPECTED, INJECTED, ALARM, EVENT = COLOURS[0], "#9aa0a8", COLOURS[1], "#d1242f", "#f3e3c3"
DAY = 86400.0


def draw_all(
    prepared: Prepared, outcomes: Outcomes, peers: Mapping[str, list[Peer]], seed: int, run: Run
) -> list[Figure]:
    """All figures of the chapter, saved in the run folder."""
    found = [_timeline(prepared, outcomes, seed, run)]
    if any(method == OURS for _, _, method in outcomes):
        found.append(_recall(outcomes, peers, run))
        found.append(_delays(outcomes, run))
    return found


def _times(seconds: Any) -> Any:
    return pd.to_datetime(seconds, unit="s")


def _timeline(prepared: Prepared, outcomes: Outcomes, seed: int, run: Run) -> Figure:
    panels: list[tuple[str, PvPlant | Farm | Mast]] = []
    if prepared.pv is not None:
        panels += [("real", prepared.pv), ("injected", prepared.pv)]
    if prepared.farm is not None:
        panels.append(("injected", prepared.farm))
    if prepared.mast is not None:
        panels.append(("real", prepared.mast))
    drawing, grid = pyplot.subplots(len(panels), 1, figsize=(10, 2.5 * len(panels)), squeeze=False)
    for axes, (how, plant) in zip(grid[:, 0], panels, strict=True):
        if isinstance(plant, PvPlant) and how == "real":
            _pv_real(axes, plant, prepared)
        elif isinstance(plant, PvPlant):
            _injected(axes, plant.replay, _example(outcomes, "PV", "string_outage"), seed)
        elif isinstance(plant, Farm):
            shown = _example(outcomes, "wind", "trip")
            _injected(axes, plant.replay[shown.injection.system] if shown else None, shown, seed)
        elif isinstance(plant, Mast):
            _mast_real(axes, plant)
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    return run.figure(
        drawing,
        "fault-timeline",
        title="Fault timeline: measured, expected, and where an alarm was raised",
        caption="Shaded: a labelled real event, or an injected fault (as each title says). Red line: an alarm of the"
        " streaming detector, with the kind that it names. Expected: physics and satellite for PV, the wind of"
        " the neighbours for a turbine, the twin at the same height for the anemometer. Times are UTC.",
        alt=f"{len(panels)} panels of measured against expected readings with alarms marked in red",
    )


def _example(outcomes: Outcomes, plant: str, kind: str) -> Outcome | None:
    """A typical injection: the one noticed after the median delay."""
    hits = [one for one in outcomes.get((plant, kind, OURS), []) if one.kind == kind]
    return sorted(hits, key=lambda one: (one.samples, one.injection.number))[len(hits) // 2] if hits else None


def _pv_real(axes: Axes, plant: PvPlant, prepared: Prepared) -> None:
    """The fortnight of the held-out time with most labelled hours."""
    record = plant.held_out
    own = [event for event in prepared.events if event.source == record.system]
    starts = np.arange(record.seconds[0], record.seconds[-1] - 12 * DAY, DAY)
    busy = [sum(max(0.0, min(e.end, at + 12 * DAY) - max(e.start, at)) for e in own) for at in starts]
    # Three days later: the event is still whole, and healthy days follow it.
    best = float(starts[int(np.argmax(busy))]) + 3 * DAY
    shown = slice(*np.searchsorted(record.seconds, [best, best + 12 * DAY]))
    _lines(axes, record.seconds[shown], record.power[shown] / 1000, record.expected[shown] / 1000, "power [kW]")
    for event in own:
        if event.end > best and event.start < best + 12 * DAY:
            axes.axvspan(_times(event.start), _times(event.end), color=EVENT, zorder=0)
    _marks(axes, plant.replay.alarms, best, best + 12 * DAY)
    axes.set_xlim(_times(best), _times(best + 12 * DAY))
    axes.set_title(f"PV, real: {record.system.replace('_', ' ')}, from {_times(best):%d %B %Y}")
    axes.legend(loc="upper right", fontsize=8, ncols=2, bbox_to_anchor=(1, 1.2))


def _lines(axes: Axes, seconds, measured, usual, label: str) -> None:  # type: ignore[no-untyped-def]
    axes.plot(_times(seconds), usual, color=EXPECTED, lw=1.2, label="expected")
    axes.plot(_times(seconds), measured, color=MEASURED, lw=1.2, label="measured")
    axes.set_ylabel(label)


def _marks(axes: Axes, alarms: Sequence[Alarm], start: float, end: float) -> None:
    top = axes.get_ylim()[1]
    for alarm in alarms:
        if start <= alarm.raised < end and alarm.kind not in DATA_KINDS:
            axes.axvline(_times(alarm.raised), color=ALARM, lw=1.4)
            name = " " + alarm.kind.replace("_", " ")
            axes.text(_times(alarm.raised), top, name, color=ALARM, fontsize=8, va="top")


def _injected(axes: Axes, replay: Replay | None, shown: Outcome | None, seed: int) -> None:
    if replay is None or shown is None:
        axes.text(0.5, 0.5, "no injected fault was noticed", ha="center", transform=axes.transAxes)
        return
    record, injection = replay.record, shown.injection
    raised = injection.onset + (shown.samples - 1) * 60 * record.minutes
    before, after = (2.5 * DAY, 1.5 * DAY) if isinstance(record, PvRecord) else (0.4 * DAY, 0.2 * DAY)
    start, end = injection.onset - before, raised + after
    part = slice(*np.searchsorted(record.seconds, [start, end]))
    seconds = record.seconds[part]
    usual = record.expected if isinstance(record, PvRecord) else record.by_neighbours
    values = faulty(record.power, record.seconds, injection, seed)[part]
    scale = 1000 if isinstance(record, PvRecord) else 1
    unit = "power [kW]"
    _lines(axes, seconds, record.power[part] / scale, usual[part] / scale, unit)
    late = seconds >= injection.onset
    axes.plot(_times(seconds[late]), values[late] / scale, color=INJECTED, lw=1.4, label="measured, fault injected")
    axes.axvspan(_times(injection.onset), _times(min(end, float(seconds[-1]))), color=EVENT, zorder=0, alpha=0.6)
    axes.set_ylim(top=1.15 * axes.get_ylim()[1])
    _marks(axes, [_alarm_of(shown, raised)], start, end)
    axes.set_title(f"{_title(record, injection)}: noticed after {shown.samples} samples")
    axes.legend(loc="upper right", fontsize=8, ncols=3, bbox_to_anchor=(1, 1.2))


def _alarm_of(shown: Outcome, raised: float) -> Alarm:
    kind = shown.injection.kind
    return Alarm(shown.injection.system, "power", kind, raised, raised, 0.0, 0.0, "", "")  # type: ignore[arg-type]


def _title(record: PvRecord | TurbineRecord, injection: Injection) -> str:
    what = injection.kind.replace("_", " ")
    if isinstance(record, PvRecord):
        return f"PV, injected {what}"
    return f"Wind, injected {what}, {record.name}"


def _mast_real(axes: Axes, plant: Mast) -> None:
    own = [alarm for alarm in plant.alarms if alarm.channel == "Spd80mS"]
    dead = next((alarm for alarm in own if alarm.raised >= plant.start + 150 * DAY), None)
    if dead is None:
        return
    start, end = dead.raised - 3 * DAY, dead.raised + 4 * DAY
    table = plant.table[(plant.table.seconds >= start) & (plant.table.seconds < end)]
    _lines(axes, table.seconds.to_numpy(), table.Spd80mS, table.Spd80mN, "wind speed [m/s]")
    axes.axvspan(_times(dead.first_seen), _times(end), color=EVENT, zorder=0)
    _marks(axes, [alarm for alarm in plant.alarms if alarm.channel == "Spd80mS"], start, end)
    axes.set_title("Met mast, real: the south anemometer at 80 m dies; grey: its twin")


def _recall(outcomes: Outcomes, peers: Mapping[str, list[Peer]], run: Run) -> Figure:
    keys = [key[:2] for key in outcomes if key[2] == OURS]
    drawing, axes = pyplot.subplots(figsize=(9, 0.62 * len(keys) + 1.2))
    colours, labels = (COLOURS[0], COLOURS[4], COLOURS[2]), (OURS, "filters (pvanalytics, OpenOA's)", "IsolationForest")
    for row, (plant, kind) in enumerate(keys):
        methods = [OURS, *(peer.name for peer in peers[plant])]
        for place, method in enumerate(methods):
            here = outcomes[(plant, kind, method)]
            share = noticed(here)
            low, high = wilson(sum(one.kind is not None for one in here), len(here))
            at = row + 0.25 * (place - 1)
            label = labels[place] if row == 0 else None
            axes.barh(at, 100 * share, height=0.23, color=colours[place], label=label)
            axes.plot([100 * low, 100 * high], [at, at], color="#333842", lw=1)
    axes.set_yticks(range(len(keys)), [NAMES[key] for key in keys], fontsize=8.5)
    axes.set_ylim(len(keys) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, 104), xlabel="noticed in time [%]")
    axes.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=3, fontsize=8.5)
    count = min(len(outcomes[(*key, OURS)]) for key in keys)
    return run.figure(
        drawing,
        "fault-recall",
        title="Injected faults noticed in time",
        caption=f"At least {count} injected faults of each kind, on held-out days; peers on the same faults, set on"
        " training data to a budget of false alarms. Thin lines: 95 % intervals (Wilson).",
        alt="Bars of recall by fault for the detector and two peers",
    )


def _delays(outcomes: Outcomes, run: Run) -> Figure:
    drawing, axes = pyplot.subplots(figsize=(9, 4.4))
    for at, (key, found) in enumerate((key, found) for key, found in outcomes.items() if key[2] == OURS):
        hours = np.sort([one.minutes / 60 for one in found if one.kind is not None])
        if len(hours):
            share = 100 * np.arange(1, len(hours) + 1) / len(found)
            style = "-" if key[0] == "PV" else "--"
            name = NAMES[key[:2]].split(",")[0]
            axes.step(hours, share, where="post", ls=style, color=COLOURS[at % len(COLOURS)], label=name)
            axes.plot(hours[-1], share[-1], "o", ms=3.5, color=COLOURS[at % len(COLOURS)])
    axes.set_xscale("log")
    axes.set_xticks([0.25, 1, 6, 24, 168, 720], ["15 min", "1 h", "6 h", "1 day", "1 week", "1 month"])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="time from onset to alarm", ylabel="noticed [%]", ylim=(0, 103))
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return run.figure(
        drawing,
        "fault-delay",
        title="How long a fault stays unnoticed",
        caption="Share of injected faults that have raised an alarm by then, within the time allowed. Nothing is seen"
        " at night or in calm; slow faults have to grow first.",
        alt="Rising steps of the share noticed against the time since onset, one line for each fault",
    )
