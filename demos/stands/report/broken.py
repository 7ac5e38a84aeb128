"""The rules that could not hold, for a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from demos.stands.plan import DayPlans
from demos.stands.report.peers import OURS
from demos.stands.rules.ranks import RANKS, Broken
from shared.result import Column, Metric, Table

SHOWN = 50


def metric(days: Sequence[DayPlans]) -> Metric:
    """How many of them our plans break a day."""
    count = sum(len(day.replays[OURS].broken) for day in days) / len(days)
    return Metric(name="broken rules a day", value=count, unit="rules", direction="lower", note=OURS)


def of_plans(days: Sequence[DayPlans]) -> list[Table]:
    """Those of our plans."""
    return tables([(day.turns.day, day.replays[OURS].broken) for day in days], OURS)


def tables(days: Sequence[tuple[date, Sequence[Broken]]], whose: str) -> list[Table]:
    """Each broken rule in a sentence, lowest rank first; no table where all held."""
    found = [(day, one) for day, broken in days for one in broken]
    if not found:
        return []
    found.sort(key=lambda item: (-RANKS[item[1].rule], item[0]))
    counts = Counter(one.rule for _, one in found)
    times = ", ".join(f"{rule} {count}" for rule, count in counts.items())
    left = f" The first {SHOWN} of {len(found)}." if len(found) > SHOWN else ""
    return [
        Table(
            title="Rules that could not hold",
            columns=[Column(name="rule"), Column(name="rank", digits=0), Column(name="day"), Column(name="what")],
            rows=[[one.rule, RANKS[one.rule], str(day), one.sentence] for day, one in found[:SHOWN]],
            caption=f"{whose}; lowest rank first: these are given up first. Physical rules always hold. How often:"
            f" {times}.{left}",
        )
    ]
