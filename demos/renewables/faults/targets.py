"""What was asked of the detector, and what this run reached."""

from __future__ import annotations

from collections.abc import Sequence

from demos.renewables.chapter import Target
from demos.renewables.faults.evaluate import FalseAlarms, named, noticed, wilson
from demos.renewables.faults.judge import OURS, Outcomes
from demos.renewables.faults.latency import Latency

# (plant, kind) -> what is asked, and the least share of injections noticed in time
ASKED = {
    ("PV", "trip"): ("inverter trip: recall at least 99 %", 0.99),
    ("wind", "trip"): ("turbine trip: recall at least 99 %", 0.99),
    ("PV", "stuck"): ("stuck PV reading: recall at least 99 %", 0.99),
    ("wind", "stuck"): ("stuck turbine channel: recall at least 99 %", 0.99),
    ("PV", "string_outage"): ("string outage of 25 %: recall at least 95 %", 0.95),
    ("PV", "soiling"): ("soiling noticed before 5 % loss (read as: of 95 % of cases)", 0.95),
}
LEAST_INJECTIONS = 200
MOST_FALSE = 1.0
MOST_P99 = 100.0
LEAST_RATE = 10_000.0


def targets(outcomes: Outcomes, counts: Sequence[FalseAlarms], latency: Sequence[Latency]) -> list[Target]:
    """One line for each thing asked, with what was measured in this run."""
    found = []
    for key, (asked, least) in ASKED.items():
        here = outcomes.get((*key, OURS), [])
        if not here:
            continue
        hits = sum(one.kind is not None for one in here)
        low, high = wilson(hits, len(here))
        found.append(
            Target(
                asked=asked,
                reached=f"{100 * hits / len(here):.1f} % of {len(here)} ({100 * low:.1f} to {100 * high:.1f})",
                met=noticed(here) >= least,
                note=f"injected; named right {100 * named(here):.0f} %",
            )
        )
    fewest = min((len(here) for (_, _, method), here in outcomes.items() if method == OURS), default=0)
    found.append(
        Target(
            asked=f"at least {LEAST_INJECTIONS} injections of each kind, held-out days",
            reached=f"{fewest} of the rarest kind",
            met=fewest >= LEAST_INJECTIONS,
            note="the profile cpu injects 200",
        )
    )
    for one in counts:
        if one.method == OURS:
            found.append(
                Target(
                    asked=f"{one.group}: at most one false alarm per system-month",
                    reached=f"{one.rate:.2f} ({one.false} in {one.system_months:.1f} system-months)",
                    met=one.rate <= MOST_FALSE,
                    note="untouched held-out data; real events labelled by hand",
                )
            )
    if latency:
        slowest, tail = max(one.mean for one in latency), max(one.p99 for one in latency)
        found += [
            Target(
                asked="compute latency p99 under 100 µs a sample",
                reached=f"{tail:.0f} µs (slowest of {len(latency)} detectors)",
                met=tail < MOST_P99,
            ),
            Target(
                asked="at least 10,000 samples a second on one core",
                reached=f"{1e6 / slowest:,.0f}",
                met=1e6 / slowest >= LEAST_RATE,
                note="delay to an alarm is another thing, see the table",
            ),
        ]
    return found
