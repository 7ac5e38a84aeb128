"""Replay of a plan on the real day: who meets whom on which stand, for how long, and how passengers fare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport, size_rank
from demos.stands.problem import UNASSIGNED, preference_ranks
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

    minutes: conflict minutes under each on-block rule of the evaluation, the configured one first.
    """

    minutes: tuple[float, ...]
    conflicts: int
    passengers: int
    remote_passengers: int
    unassigned: int
    unassigned_passengers: int
    best_terminal: int
    turns: int


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
        best_terminal=int((ranks[on, plan[on]] == 0).sum()),
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
    position = {stand.id: index for index, stand in enumerate(airport.stands)}
    there = np.flatnonzero((plan != UNASSIGNED) & ~np.isnan(off_block))
    groups = [(there[plan[there] == stand], there[plan[there] == stand]) for stand in range(len(airport.stands))]
    ranks = np.array([size_rank(code) for code in turns.codes])
    for shadow in airport.shadows:
        large = there[(plan[there] == position[shadow.stand]) & (ranks[there] >= size_rank(shadow.code))]
        groups.append((large, there[plan[there] == position[shadow.blocks]]))
    found = []
    for first, second in groups:
        start = np.maximum(on_block[first][:, None], on_block[second][None, :])
        end = np.minimum(off_block[first][:, None], off_block[second][None, :])
        same = first is second or (len(first) == len(second) and bool((first == second).all()))
        for a, b in zip(*np.nonzero(end > start), strict=True):
            if not same or a < b:
                found.append(Conflict(int(first[a]), int(second[b]), float(start[a, b]), float(end[a, b])))
    return found
