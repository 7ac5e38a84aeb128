"""What one stand takes through a day, and the days that earn most at given prices.

A stand-day is a set of turns of which no two overlap, on one stand. Offer a price for each turn that is taken: a stand
then earns most with the day that `best_days` finds. Stands that no turn tells apart are one group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.paths import APART, NONE, NOWHERE, cheapest_days, cost_of_day

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.problem import Problem

MEMORY = 4_000_000  # labels of a group [16 bytes each]


class StandDays:
    """The day of a problem, made ready for many prices.

    groups: the stands (positions) of each of the G groups; sizes: (G,) how many they are; static: (G, n) cost of a turn
    on a stand of the group, NOWHERE where it does not fit; order: (n,) turns by on-block. Shadows are left out: what is
    found without them costs no more.
    """

    def __init__(self, problem: Problem) -> None:
        turns = problem.turns
        self.problem = problem
        self.groups = stand_groups(problem)
        first = [group[0] for group in self.groups]
        self.sizes = np.array([len(group) for group in self.groups])
        self.static = np.where(problem.allowed[:, first], problem.static[:, first], NOWHERE).T.copy()
        self.order = np.lexsort((turns.sobt, turns.sibt))
        follows = turns.sibt[None, :] >= turns.sobt[:, None]
        self.paid = np.where(follows, problem.pair, APART).T.copy()

    def cost(self, group: int, turns: NDArray[np.int64]) -> int:
        """All that a stand-day costs [1/100 min], every two of its turns counted."""
        return int(cost_of_day(turns, self.static[group], self.problem.pair))

    def of_plan(self, plan: NDArray[np.int64]) -> list[tuple[int, tuple[int, ...]]]:
        """The stand-days of a plan (n,), each a group and its turns in order; those of empty stands are left out."""
        ordered = plan[self.order]
        found = [
            (group, tuple(self.order[ordered == stand].tolist()))
            for group, stands in enumerate(self.groups)
            for stand in stands
        ]
        return [day for day in found if day[1]]

    def dear(self, days: Iterable[tuple[int, tuple[int, ...]]], prices: NDArray[np.int64]) -> NDArray[np.int64]:
        """How much more each stand-day pays, less prices (n,), than the best of its group [1/100 min]."""
        least = self.best_days(prices).least
        return np.array(
            [self.cost(group, turns := np.array(day)) - prices[turns].sum() - least[group] for group, day in days]
        )

    def best_days(self, prices: NDArray[np.int64], each: int = 1, third: bool = False) -> BestDays:
        """Shortest paths at whole prices (n,) [1/100 min], of all groups at once, `each` days of every one.

        Of the overlaps of a turn those with the two before it are counted, or three if `third`. The others cost
        something, too, so that no stand-day is as cheap as what is found here.
        """
        least, _, paths = cheapest_days(self.static - prices, self.paid, self.order, third, each, MEMORY)
        days = [[path[path != NONE][::-1].astype(np.int64) for path in group if path[0] != NONE] for group in paths]
        return BestDays(least, int(prices.sum() + (self.sizes * least).sum()), days)


@dataclass(frozen=True)
class BestDays:
    """least: (G,) what a stand of each group pays in all, less prices, 0 for an empty day; days: of each group its
    turns in order, best day first, no two with the same last turn; bound: no plan costs less [1/100 min], by weak
    duality, if prices are 0 to `unassigned`.
    """

    least: NDArray[np.int64]
    bound: int
    days: list[list[NDArray[np.int64]]]

    def listed(self) -> list[tuple[int, tuple[int, ...]]]:
        """All of them, each a group and its turns."""
        return [(group, tuple(turns.tolist())) for group, found in enumerate(self.days) for turns in found]


def stand_groups(problem: Problem) -> list[list[int]]:
    """Stands (positions) that are as good as each other for every turn, shadows left out."""
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for stand in range(problem.n_stands):
        key = problem.allowed[:, stand].tobytes(), problem.static[:, stand].tobytes()
        groups.setdefault(key, []).append(stand)
    return list(groups.values())
