"""Chapters of a report: what each found, put together into one result, each in its own part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.result import DataUse, Figure, Headline, Metric, Part, Result, Table


@dataclass(frozen=True)
class Chapter:
    """Parts of a result, in order; names of metrics and titles of tables and figures are of this chapter alone."""

    headlines: list[Headline] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    data: list[DataUse] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def put_together(found: Sequence[tuple[Part, Chapter]], notes: Sequence[str] = ()) -> Result:
    """One result of all chapters, each under its part; data that several used are told once.

    notes: of all of them together.
    """
    return Result(
        headlines=[line.model_copy(update={"part": part.title}) for part, each in found for line in each.headlines],
        metrics=[metric for _, each in found for metric in each.metrics],
        tables=[table.model_copy(update={"part": part.title}) for part, each in found for table in each.tables],
        figures=[figure.model_copy(update={"part": part.title}) for part, each in found for figure in each.figures],
        parts=[part.model_copy(update={"notes": each.notes}) for part, each in found],
        data=list({use.name: use for _, each in found for use in each.data}.values()),
        notes=list(notes),
    )
