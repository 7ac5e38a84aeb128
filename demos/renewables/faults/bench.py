"""The speed of one update, detector by detector, and the alarms' rate, without injected faults.

trendlab bench renewables --profile smoke
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.renewables.faults.latency import latencies
from demos.renewables.faults.prepare import prepare
from demos.renewables.faults.tables import latency_table
from shared.result import Metric, Result

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.demo import Run


def measure(config: RenewablesConfig, run: Run) -> Result:
    """Latency of the detectors. The peers judge whole records at once, so there is no update of theirs to time."""
    run.say("faults: timing single updates")
    prepared = prepare(config.faults)
    found = latencies(prepared, config.faults)
    return Result(
        headlines=[],
        metrics=[
            Metric(name=f"latency 99 %: {one.name}", value=one.p99, unit="µs", direction="lower") for one in found
        ],
        tables=[latency_table(found)],
        figures=[],
        data=prepared.data,
        notes=["Faults: the peers judge whole records at once; there is no update of theirs to time."],
    )
