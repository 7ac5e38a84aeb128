"""What a run returns and what `result.json` holds: plain, typed, versioned records.

A demo returns a `Result`. The run record wraps it in an `Envelope` with the provenance (commit, versions, device, data)
and writes it as `result.json`; the report is rendered from that file and the figures alone.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

SCHEMA_VERSION = 1
Direction = Literal["lower", "higher", "none"]


class Record(BaseModel):
    """Base of all records: immutable, no unknown fields, so an old file with another schema is refused, not misread."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Record):
    """A confidence interval; `unit` names what was resampled, for example "31 days, paired bootstrap"."""

    low: float
    high: float
    level: float = 0.95
    unit: str


class Metric(Record):
    """One measured number. `direction` says which way is better."""

    name: str
    value: float
    unit: str
    direction: Direction = "none"
    interval: Interval | None = None
    note: str = ""


class Headline(Record):
    """The number people quote, never without its peer, measured in the same run on the same data."""

    name: str
    value: float
    unit: str
    direction: Direction
    peer: str
    peer_value: float
    interval: Interval | None = None
    note: str = ""
    part: str = ""


class Column(Record):
    """A table column; the best cell of a column with a direction is shown in bold."""

    name: str
    unit: str = ""
    direction: Direction = "none"
    digits: int = 1


class Table(Record):
    """A comparison table: each row starts with a text label, which `columns[0]` heads; None is shown as a dash."""

    title: str
    columns: list[Column]
    rows: list[list[str | float | None]]
    caption: str = ""
    part: str = ""

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        # Here, not when the result is written: a chapter that fails an hour before the end costs less.
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r}: {len(row)} cells for {len(self.columns)} columns in {row}")
        return self


class Figure(Record):
    """A picture beside `result.json`: `file` is an SVG in the run folder (a PNG of the same stem lies beside it)."""

    file: str
    title: str
    caption: str
    alt: str
    part: str = ""


class Part(Record):
    """A part of a long report. What names its title as its `part` is shown under it, after `intro`: a sentence or two
    on the data, and on what is simulated, injected or assumed. `notes` close it."""

    title: str
    intro: str = ""
    notes: list[str] = []


class DataUse(Record):
    """Provenance of one data file that was read."""

    name: str
    version: str
    sha256: str
    licence: str
    rows: int | None = None
    note: str = ""


class Result(Record):
    """What a demo measured. `parts` are for a report too long without chapters; what names none is shown before them.

    Raises ValueError when two parts have one title, or a headline, table or figure names a part that is not there.
    """

    headlines: list[Headline]
    metrics: list[Metric]
    tables: list[Table]
    figures: list[Figure]
    data: list[DataUse]
    weights: list[DataUse] = []
    notes: list[str] = []
    parts: list[Part] = []

    @model_validator(mode="after")
    def _parts_are_there(self) -> Self:
        titles = [part.title for part in self.parts]
        if len(set(titles)) < len(titles):
            raise ValueError(f"parts with the same title: {titles}")
        shown: list[Headline | Table | Figure] = [*self.headlines, *self.tables, *self.figures]
        # What is in no part of the report would be on no page.
        if lost := {item.part for item in shown} - {"", *titles}:
            raise ValueError(f"no such part: {sorted(lost)}")
        return self


class Envelope(Record):
    """`result.json`: a `Result` with all that is needed to judge and repeat it."""

    schema_version: int = SCHEMA_VERSION
    demo: str
    verb: Literal["run", "bench"] = "run"
    title: str
    question: str
    profile: str
    run_id: str
    started_utc: str
    git_commit: str | None
    git_dirty: bool | None
    command: str
    python: str
    platform: str
    packages: dict[str, str]
    device: str
    cpu_threads: int
    seed: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    result: Result
