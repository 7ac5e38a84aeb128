"""What was passed over, for the user: counted in a line, and each by name in a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from shared.corpus.items import Problem
from shared.corpus.pictures import Reason
from shared.run import write_atomically

SKIPPED = "skipped.csv"
FAULTS = (Reason.METADATA, Reason.ABSENT)


def summary(pictures: int, problems: Sequence[Problem]) -> str:
    """One line of counts.

    >>> summary(2, [Problem("a.png", Reason.EMPTY, ""), Problem("m.csv:3", Reason.METADATA, "")])
    '2 pictures, 1 skipped: 1 empty; faults in words: 1 bad metadata'
    """
    skipped = [problem for problem in problems if problem.reason not in FAULTS]
    faults = [problem for problem in problems if problem.reason in FAULTS]
    line = f"{pictures:,} picture{'' if pictures == 1 else 's'}, {len(skipped):,} skipped"
    line += f": {counted(skipped)}" if skipped else ""
    return line + (f"; faults in words: {counted(faults)}" if faults else "")


def counted(problems: Sequence[Problem]) -> str:
    """How many for each reason, the most frequent first."""
    counts = Counter(str(problem.reason) for problem in problems)
    return ", ".join(
        f"{count:,} {reason}" for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair))
    )


def report_rows(problems: Iterable[Problem]) -> list[tuple[str, str, str]]:
    """(file, reason, detail) of each, sorted."""
    return sorted((problem.file, str(problem.reason), problem.detail) for problem in problems)


def write_report(problems: Iterable[Problem], file: Path) -> None:
    """Write `skipped.csv`: UTF-8, with a head, one row a file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "reason", "detail"))
    writer.writerows(report_rows(problems))
    write_atomically(file, text.getvalue())
