"""Replay of a plan on the real day: who meets whom on which stand, for how long, and how passengers fare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport, shadow_pairs, size_rank
from demos.stands.problem import UNASSIGNED, preference_ranks
from demos.stands.rules.ranks import Broken
from demos.stands.turns import Turns, real_occupation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig


@dataclass(frozen=True)
class Conflict:
    """Two turns (rows) that were both there from `start` to `end` [min after midnight], on one stand or in a shadow."""

    first: int
    second: int
    start: float
    end: float


@dataclass(frozen=True)
class Replay:
    """One plan on one real day. Passengers are seats; cancelled turns count as planned but meet nobody.

    minutes: conflict minutes under each on-block rule of the evaluation, the configured one first; broken: the rules
    that the plan itself could not hold.
    """

    minutes: tuple[float, ...]
    conflicts: int
    passengers: int
    remote_passengers: int
    unassigned: int
    unassigned_passengers: int
    best_terminal: int
    turns: int
    broken: tuple[Broken, ...] = ()


def replay(turns: Turns, airport: Airport, plan: NDArray[np.int64], config: StandsConfig) -> Replay:
    """Judge a plan (n,) by what happened, under the configured on-block rule and its alternatives."""
    minutes = []
    met = conflicts(turns, airport, plan, *real_occupation(turns, config.turn))
    minutes.append(sum(conflict.end - conflict.start for conflict in met))
    for share in config.evaluation.other_inbound_shares:
        rule = config.turn.model_copy(update={"inbound_share": share})
        found = conflicts(turns, airport, plan, *real_occupation(turns, rule))
        minutes.append(sum(conflict.end - conflict.start for conflict in found))
    seats, on = turns.seats, plan != UNASSIGNED
    remote = np.array([not stand.contact for stand in airport.stands])
    ranks = preference_ranks(turns, airport)
    return Replay(
        minutes=tuple(minutes),
        conflicts=len(met),
        passengers=int(seats.sum()),
        remote_passengers=int(seats[on][remote[plan[on]]].sum()),
        unassigned=int((~on).sum()),
        unassigned_passengers=int(seats[~on].sum()),
        best_terminal=int(((ranks[on, plan[on]] == 0) & ~remote[plan[on]]).sum()),
        turns=len(turns),
    )


def conflicts(
    turns: Turns,
    airport: Airport,
    plan: NDArray[np.int64],
    on_block: NDArray[np.float64],
    off_block: NDArray[np.float64],
) -> list[Conflict]:
    """Pairs of turns that really met. on_block, off_block: (n,) minutes after midnight, NaN for a cancelled turn."""
    there = np.flatnonzero((plan != UNASSIGNED) & ~np.isnan(off_block))
    ranks = np.array([size_rank(code) for code in turns.codes])

    def overlaps(first: NDArray[np.int64], second: NDArray[np.int64], meet: NDArray[np.bool_]) -> list[Conflict]:
        start = np.maximum(on_block[first][:, None], on_block[second][None, :])
        end = np.minimum(off_block[first][:, None], off_block[second][None, :])
        return [
            Conflict(int(first[a]), int(second[b]), float(start[a, b]), float(end[a, b]))
            for a, b in zip(*np.nonzero((end > start) & meet), strict=True)
        ]

    found = []
    for stand in range(len(airport.stands)):
        here = there[plan[there] == stand]
        found += overlaps(here, here, np.triu(np.ones((len(here), len(here)), dtype=bool), k=1))
    for one, two, first_rank, second_rank in shadow_pairs(airport):
        first, second = there[plan[there] == one], there[plan[there] == two]
        casts = (ranks[first] >= first_rank)[:, None] | (ranks[second] >= second_rank)[None, :]
        found += overlaps(first, second, casts)
    return found
