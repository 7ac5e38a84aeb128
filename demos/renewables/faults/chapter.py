"""Chapter 3: notice a failing plant, sample by sample, and say what it looks like.

trendlab run renewables 'chapters=[faults]' --profile cpu
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.renewables.chapter import Chapter
from demos.renewables.faults import evaluate, tables
from demos.renewables.faults.alarm import DATA_KINDS, write_lines
from demos.renewables.faults.figures import draw_all
from demos.renewables.faults.judge import judge_all, train_peers
from demos.renewables.faults.latency import latencies
from demos.renewables.faults.prepare import Prepared, all_alarms, prepare
from demos.renewables.faults.targets import targets

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.demo import Run

ALARMS = "alarms.jsonl"
INTRO = (
    "Real records of plants, replayed sample by sample. Recall is of injected faults: simulated in held-out days, which"
    " come after all that was learned from. False alarms are of those days untouched; real events are labelled by hand."
)


def run_chapter(config: RenewablesConfig, run: Run) -> Chapter:
    """Learn on training time, replay the held-out time untouched and with injected faults, beside the peers."""
    faults = config.faults
    prepared = prepare(faults)
    lines = write_lines(all_alarms(prepared), run.folder / ALARMS)
    run.say(f"faults: {lines} alarms on untouched held-out data, in {ALARMS}")
    peers = train_peers(prepared, faults, config.seed)
    outcomes = judge_all(prepared, peers, faults, config.seed, run)
    counts = evaluate.count_false(prepared, peers, faults)
    latency = latencies(prepared, faults)
    shown = [
        tables.recall_table(outcomes, peers),
        tables.false_table(counts),
        tables.confusion_table(outcomes),
        tables.soiling_table(outcomes),
        tables.event_table(prepared),
        tables.latency_table(latency),
    ]
    return Chapter(
        name="faults",
        title="Fault detection",
        intro=INTRO,
        headlines=evaluate.headlines(outcomes, peers, counts),
        metrics=evaluate.metrics(outcomes, counts, latency),
        tables=[table for table in shown if table is not None and table.rows],
        figures=draw_all(prepared, outcomes, peers, config.seed, run),
        data=prepared.data,
        notes=_notes(prepared),
        targets=targets(outcomes, counts, latency),
    )


def _notes(prepared: Prepared) -> list[str]:
    facts = sum(alarm.kind in DATA_KINDS for alarm in all_alarms(prepared))
    notes = [
        "Real events are labelled with reasons, in events.yaml.",
        f"{facts} gaps and bad stamps of the held-out streams are reported as facts and not counted.",
    ]
    if prepared.pv is not None:
        site = prepared.pv.site
        notes.append(
            f"Tilt {site.surface_tilt:.0f} and azimuth {site.surface_azimuth:.0f} degrees of the PV system are"
            " inferred from its training days; its irradiance comes from a satellite, not from a sensor beside it."
        )
    return notes
