"""An alarm: what was seen, what was expected, which fault it looks like, what to do. Written as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Kind = Literal[
    "trip", "stuck", "string_outage", "soiling", "clipping", "drift", "snow", "out_of_range",
    "units", "gap", "duplicate", "disorder",
]  # fmt: skip
Severity = Literal["info", "warning", "critical"]

# Facts about the stream itself, not judgements about the plant: they are counted apart and never as false alarms.
DATA_KINDS = frozenset({"gap", "duplicate", "disorder"})

SEVERITY: dict[str, Severity] = {
    "trip": "critical",
    "string_outage": "critical",
    "units": "critical",
    "gap": "info",
    "duplicate": "info",
    "disorder": "info",
}
ACTION: dict[str, str] = {
    "trip": "Read the inverter's or turbine's fault log, reset it remotely, send somebody if it trips again.",
    "stuck": "Compare with a neighbour, restart the logger channel, distrust this channel until it moves.",
    "string_outage": "Measure string currents, look for a blown fuse, an open connector or a dead power stage.",
    "soiling": "Compare with the cost of cleaning; wait for rain if it is forecast, clean if not.",
    "clipping": "Ask whether a limit was set (grid operator, thermal derating); if not, look at fan and filters.",
    "drift": "Calibrate the sensor against a reference, correct the data since the first time seen.",
    "snow": "Wait for the snow to slide or melt; if it stays on warm sunny days, treat it as a trip.",
    "out_of_range": "The value is impossible: look for an open or shorted sensor circuit and its connector.",
    "units": "Check the unit of the feed (W, kW, MW): values are about 1000 times off; samples are not judged.",
    "gap": "Look at the logger and its connection; nothing was judged during the gap.",
    "duplicate": "A stamp came twice; the first was kept. Look at the feed.",
    "disorder": "A stamp was older than the last one or off the grid; it was dropped. Look at the clock and the feed.",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. Times: s since 1970 UTC. value and expected in `unit`, NaN where there is none.

    ratio is value / expected, None at 0 and where either is missing.
    """

    system: str
    channel: str
    kind: Kind
    first_seen: float
    raised: float
    value: float
    expected: float
    unit: str
    seen: str

    @property
    def severity(self) -> Severity:
        """How soon somebody should look."""
        return SEVERITY.get(self.kind, "warning")

    def record(self) -> dict[str, object]:
        """The documented JSON object: the fields, the ratio, ISO times, severity and what to do."""
        ratio = self.value / self.expected if self.expected else math.nan
        return {
            **asdict(self),
            "first_seen": iso(self.first_seen),
            "raised": iso(self.raised),
            "value": _rounded(self.value, 3),
            "expected": _rounded(self.expected, 3),
            "ratio": _rounded(ratio, 4),
            "severity": self.severity,
            "action": ACTION[self.kind],
        }


def _rounded(number: float, digits: int) -> float | None:
    """None for what JSON has no number for."""
    return round(float(number), digits) if math.isfinite(number) else None


def iso(seconds: float) -> str:
    """`2013-06-01T12:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_lines(alarms: Iterable[Alarm], file: Path) -> int:
    """One JSON object a line, in the order given; returns how many."""
    lines = [json.dumps(alarm.record(), allow_nan=False) for alarm in alarms]
    file.write_text("".join(line + "\n" for line in lines))
    return len(lines)
