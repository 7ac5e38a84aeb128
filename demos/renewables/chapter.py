"""What each of the three chapters hands to the demo: a part of the result, and its line in the table of targets."""

from __future__ import annotations

from pydantic import Field

from shared.result import Column, DataUse, Figure, Headline, Metric, Record, Table


class Target(Record):
    """What was asked of a chapter, and what was reached; shown whether met or not."""

    asked: str
    reached: str
    met: bool
    note: str = ""


class Chapter(Record):
    """One chapter of the demo, in the order in which the report shows its parts."""

    name: str
    headlines: list[Headline]
    metrics: list[Metric]
    tables: list[Table]
    figures: list[Figure]
    data: list[DataUse]
    weights: list[DataUse] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    targets: list[Target] = Field(default_factory=list)


def targets_table(chapters: list[Chapter]) -> Table:
    """All targets of all chapters, met or missed."""
    return Table(
        title="Targets, met or missed",
        columns=[Column(name="chapter: asked"), Column(name="reached"), Column(name="met"), Column(name="note")],
        rows=[
            [f"{chapter.name}: {target.asked}", target.reached, "yes" if target.met else "NO", target.note]
            for chapter in chapters
            for target in chapter.targets
        ],
    )
