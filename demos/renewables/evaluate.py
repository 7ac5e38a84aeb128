"""The chapters of a run put together into one result: targets first, then chapter by chapter."""

from __future__ import annotations

from demos.renewables.chapter import Chapter, targets_table
from shared.result import Result


def combined(chapters: list[Chapter]) -> Result:
    """One result of all chapters; the table of targets leads where there are targets."""
    data = {used.name: used for chapter in chapters for used in chapter.data}
    targets = [targets_table(chapters)] if any(chapter.targets for chapter in chapters) else []
    return Result(
        headlines=[headline for chapter in chapters for headline in chapter.headlines],
        metrics=[metric for chapter in chapters for metric in chapter.metrics],
        tables=targets + [table for chapter in chapters for table in chapter.tables],
        figures=[figure for chapter in chapters for figure in chapter.figures],
        data=list(data.values()),
        weights=[weights for chapter in chapters for weights in chapter.weights],
        notes=[note for chapter in chapters for note in chapter.notes],
    )


def side_by_side(results: list[Result]) -> Result:
    """One result of several, part by part in their order; data named twice are kept once."""
    data = {used.name: used for result in results for used in result.data}
    return Result(
        headlines=[headline for result in results for headline in result.headlines],
        metrics=[metric for result in results for metric in result.metrics],
        tables=[table for result in results for table in result.tables],
        figures=[figure for result in results for figure in result.figures],
        data=list(data.values()),
        notes=[note for result in results for note in result.notes],
    )
