"""The chapters of a run put together into one result: targets first, then chapter by chapter."""

from __future__ import annotations

from collections.abc import Sequence

from demos.renewables.chapter import Chapter, targets_table
from shared.result import Result


def combined(chapters: list[Chapter]) -> Result:
    """One result of all chapters; the table of targets leads where there are targets."""
    result = side_by_side(chapters)
    targets = [targets_table(chapters)] if any(chapter.targets for chapter in chapters) else []
    return result.model_copy(update={"tables": targets + result.tables})


def side_by_side(parts: Sequence[Chapter] | Sequence[Result]) -> Result:
    """One result of several, part by part in their order; data named twice are kept once."""
    data = {used.name: used for part in parts for used in part.data}
    return Result(
        headlines=[headline for part in parts for headline in part.headlines],
        metrics=[metric for part in parts for metric in part.metrics],
        tables=[table for part in parts for table in part.tables],
        figures=[figure for part in parts for figure in part.figures],
        data=list(data.values()),
        weights=[weights for part in parts for weights in part.weights],
        notes=[note for part in parts for note in part.notes],
    )
