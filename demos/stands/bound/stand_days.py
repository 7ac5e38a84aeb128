"""What one stand takes through a day, and the day that earns most at given prices.

A stand-day is a set of turns of which no two overlap, on one stand. Offer a price for each turn that is taken: a stand
then earns most with the day that `best_days` finds by dynamic programming over pairs of turns in a row. Stands that no
turn tells apart are one group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.problem import Problem

FORBIDDEN = 1e12


class StandDays:
    """The day of a problem, made ready for many prices.

    groups: the stands (positions) of each of the G groups; sizes: (G,) how many they are. Shadows are left out: what is
    found without them costs no more.
    """

    def __init__(self, problem: Problem) -> None:
        turns = problem.turns
        self.problem = problem
        self.groups = stand_groups(problem)
        first = [group[0] for group in self.groups]
        self.sizes = np.array([len(group) for group in self.groups])
        self.static = np.where(problem.allowed[:, first], problem.static[:, first], FORBIDDEN).T.astype(np.float64)
        follows = turns.sibt[None, :] >= turns.sobt[:, None]
        near = follows & (problem.pair > 0)
        self.order = np.lexsort((turns.sobt, turns.sibt))
        self.pair = np.where(near, problem.pair, 0).astype(np.float64)
        self.before = [np.flatnonzero(column) for column in near.T]
        self.after = [np.flatnonzero(row) for row in near]
        self.free_before = [np.flatnonzero(column) for column in (follows & ~near).T]
        starts = np.concatenate([[0], np.cumsum([len(turns) for turns in self.before])])
        # The states "`turn`, and `before[turn][k]` just before it" lie side by side.
        self.span = [slice(start, end) for start, end in pairwise(starts.tolist())]
        self.slot = [
            np.array([starts[later] + np.searchsorted(self.before[later], turn) for later in self.after[turn]], int)
            for turn in range(len(turns))
        ]
        self.n_states = int(starts[-1])

    def cost(self, group: int, turns: NDArray[np.int64]) -> int:
        """All that a stand-day costs [1/100 min], every two of its turns counted."""
        between = self.problem.pair[np.ix_(turns, turns)].sum() // 2
        return int(self.problem.static[turns, self.groups[group][0]].sum() + between)

    def best_days(self, prices: NDArray[np.int64]) -> BestDays:
        """Shortest paths at whole prices (n,) [1/100 min], of all groups at once.

        Of the overlaps of a turn those with the two before it are counted. The others cost something, too, so that no
        stand-day is as cheap as what is found here.
        """
        groups, n = self.static.shape
        net = self.static - prices
        pairs = np.full((groups, self.n_states), FORBIDDEN)
        alone, best = np.empty((groups, n)), np.full((groups, n), FORBIDDEN)
        for turn in self.order:
            free, mine, later = self.free_before[turn], pairs[:, self.span[turn]], self.after[turn]
            alone[:, turn] = net[:, turn] + best[:, free].min(axis=1, initial=0.0)
            best[:, turn] = np.minimum(alone[:, turn], mine.min(axis=1, initial=FORBIDDEN))
            if not len(later):
                continue
            reached = alone[:, turn, None]
            if mine.shape[1]:
                across = self.pair[np.ix_(self.before[turn], later)]
                reached = np.minimum(reached, (mine[:, :, None] + across).min(axis=1))
            pairs[:, self.slot[turn]] = reached + self.pair[turn, later] + net[:, later]
        return BestDays(self, pairs, alone, best)


def stand_groups(problem: Problem) -> list[list[int]]:
    """Stands (positions) that are as good as each other for every turn, shadows left out."""
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for stand in range(problem.n_stands):
        key = problem.allowed[:, stand].tobytes(), problem.static[:, stand].tobytes()
        groups.setdefault(key, []).append(stand)
    return list(groups.values())


@dataclass(frozen=True)
class BestDays:
    """What a stand of each group pays in all, less prices, if its day ends with a turn; negative: it earns.

    pairs: (G, states) with a turn and the one before it; alone: (G, n) where the one before was long ago, or none was;
    best: (G, n) the less of both.
    """

    days: StandDays
    pairs: NDArray[np.float64]
    alone: NDArray[np.float64]
    best: NDArray[np.float64]

    @cached_property
    def least(self) -> NDArray[np.float64]:
        """(G,) of the best day of a stand of each group; 0 is that of an empty one."""
        return self.best.min(axis=1, initial=0.0)

    def bound(self, prices: NDArray[np.int64]) -> int:
        """No plan costs less [1/100 min], by weak duality. prices: (n,) those of these days, 0 to `unassigned`."""
        return int(prices.sum() + (self.days.sizes * self.least).sum())

    def day(self, group: int, last: int) -> NDArray[np.int64]:
        """The best day of a group that ends with the turn `last`, in order."""
        turns, later = [last], None
        while True:
            turn = turns[-1]
            one_before = self._one_before(group, turn, later)
            if one_before is None:
                free = self.days.free_before[turn]
                if not len(free) or self.best[group, free].min() >= 0:
                    return np.array(turns[::-1])
                turns.append(free[self.best[group, free].argmin()])
                later = None
            else:
                turns.append(one_before)
                later = turn

    def _one_before(self, group: int, turn: int, later: int | None) -> int | None:
        """The turn just before `turn` on the best way to it, or to it and then `later`; None: none near."""
        mine, before = self.pairs[group, self.days.span[turn]], self.days.before[turn]
        if later is not None:
            mine = mine + self.days.pair[before, later]
        at = int(mine.argmin()) if len(mine) else 0
        return int(before[at]) if len(mine) and mine[at] < self.alone[group, turn] else None
