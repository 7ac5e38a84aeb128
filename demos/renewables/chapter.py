"""What each of the three chapters hands to the demo: a part of the result, and its line in the table of targets."""

from __future__ import annotations

from pydantic import Field

from shared.result import Column, Record, Result, Table


class Target(Record):
    """What was asked of a chapter, and what was reached; shown whether met or not."""

    asked: str
    reached: str
    met: bool
    note: str = ""


class Chapter(Result):
    """One chapter of the demo, or a part of one: what it measured, and what had been asked of it.

    title, intro: of its part of the report (`shared.result.Part`); without a title it is shown as part of none, or,
    where it is several put together, as the parts that they are.
    """

    name: str
    title: str = ""
    intro: str = ""
    targets: list[Target] = Field(default_factory=list)


def targets_table(chapters: list[Chapter], caption: str = "") -> Table:
    """All targets of all chapters, met or missed."""
    return Table(
        title="Targets, met or missed" + (" in a run of other settings" if caption else ""),
        columns=[Column(name="chapter: asked"), Column(name="reached"), Column(name="met"), Column(name="note")],
        rows=[
            [f"{chapter.name}: {target.asked}", target.reached, "yes" if target.met else "NO", target.note]
            for chapter in chapters
            for target in chapter.targets
        ],
        caption=caption,
    )
