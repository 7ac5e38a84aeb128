"""The rules that a run's plans could not hold, for its report."""

from __future__ import annotations

from collections.abc import Sequence

from demos.stands.plan import DayPlans
from demos.stands.report.peers import OURS
from demos.stands.rules.ranks import RANKS
from shared.result import Column, Metric, Table

SHOWN = 50


def metric(days: Sequence[DayPlans]) -> Metric:
    """How many of them our plans break a day."""
    count = sum(len(day.replays[OURS].broken) for day in days) / len(days)
    return Metric(name="broken rules a day", value=count, unit="rules", direction="lower", note=OURS)


def tables(days: Sequence[DayPlans]) -> list[Table]:
    """Each broken rule of our plans in a sentence, lowest rank first; no table where all held."""
    found = [(day.turns.day, one) for day in days for one in day.replays[OURS].broken]
    if not found:
        return []
    found.sort(key=lambda item: (-RANKS[item[1].rule], item[0]))
    left = f" The first {SHOWN} of {len(found)}." if len(found) > SHOWN else ""
    return [
        Table(
            title="Rules that could not hold",
            columns=[Column(name="rule"), Column(name="rank", digits=0), Column(name="day"), Column(name="what")],
            rows=[[one.rule, RANKS[one.rule], str(day), one.sentence] for day, one in found[:SHOWN]],
            caption=f"{OURS}; lowest rank first: these are given up first. Physical rules always hold.{left}",
        )
    ]
