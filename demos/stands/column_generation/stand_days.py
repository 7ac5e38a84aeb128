"""What one stand takes through a day, and the days that earn most at given prices.

A stand-day is a set of turns of which no two overlap, on one stand. Offer a price for each turn that is taken: a stand
then earns most with the day that `best_days` finds. Stands that no turn tells apart are one group.

A turn that casts a shadow can be told to be a guest on the stand in its shadow: what stands there must keep apart from
it and pays for being near it. A price for each guest, above or below 0, sees to it that the guest is there if the turn
is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.paths import APART, NONE, NOWHERE, cheapest_days, cost_of_day

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.problem import Problem

FORGOTTEN = 240  # who comes so long after a turn and pays it nothing lets the later ones off all that was before [min]
MEMORY = 4_000_000  # labels of a group [12 bytes each]


class StandDays:
    """The day of a problem, made ready for many prices.

    groups: the stands (positions) of each of the G groups; sizes: (G,) how many they are; n: turns; order: (n + c,)
    turns, and guests from n on, by on-block; static: (G, n + c) cost of a turn on a stand of the group, NOWHERE where
    it does not fit; pair: (n + c, n + c) what two cost on one stand; ties: what else than its own price a turn or a
    guest in a group bears, each the position of a price, and 1 or -1; low: (n + t,) how low prices may be, those of the
    t ties after those of the turns. Without guests shadows are left out: what is found costs no more.
    """

    def __init__(self, problem: Problem, guests: bool = False) -> None:
        turns = problem.turns
        self.problem, self.n = problem, len(turns)
        sides = _sides(problem) if guests else []
        self.groups = stand_groups(problem, {stand for side in sides for stand in side[:2]})
        self.group_of = {stand: group for group, stands in enumerate(self.groups) for stand in stands}
        self.sizes = np.array([len(group) for group in self.groups])
        hosts = np.unique(np.concatenate([casters for _, _, casters in sides])) if sides else np.zeros(0, np.int64)
        self.guest_of = {int(turn): self.n + index for index, turn in enumerate(hosts)}
        every = np.concatenate([np.arange(self.n), hosts])
        self.order = np.lexsort((turns.sobt[every], turns.sibt[every]))
        self.pair = problem.pair[np.ix_(every, every)]
        self.pair[self.n :, self.n :] = 0  # two guests meet on the stand that they are on, if anywhere
        follows = turns.sibt[None, every] >= turns.sobt[every, None]
        self.paid = np.where(follows, self.pair, APART).T.copy()
        since = turns.sibt[every, None] - turns.sobt[None, every]
        self.far = (self.paid == 0) & (since >= FORGOTTEN)
        first = [group[0] for group in self.groups]
        self.static = np.full((len(first), len(every)), NOWHERE)
        self.static[:, : self.n] = np.where(problem.allowed[:, first], problem.static[:, first], NOWHERE).T
        self.shadowed: dict[int, int] = {}
        self.ties: dict[tuple[int, int], list[tuple[int, int]]] = {}
        tied: list[tuple[int, int, int, int]] = []
        for stand, other, casters in sides:
            group, its = self.group_of[stand], self.group_of[other]
            self.shadowed[other] = stand
            for turn in casters.tolist():
                guest, price = self.guest_of[turn], self.n + len(tied)
                self.static[its, guest] = 0
                self.ties.setdefault((group, turn), []).append((price, 1))
                self.ties[its, guest] = [(price, -1)]
                tied.append((group, turn, its, guest))
        self._tied = np.array(tied, dtype=np.int64).reshape(-1, 4).T
        self.low = np.concatenate([np.zeros(self.n, np.int64), np.full(len(tied), -problem.unassigned)])

    def net(self, prices: NDArray[np.int64]) -> NDArray[np.int64]:
        """(G, n + c) what each turn costs in each group, less prices (n + t,)."""
        net, (group, turn, its, guest) = self.static.copy(), self._tied
        net[:, : self.n] -= prices[: self.n]
        np.subtract.at(net, (group, turn), prices[self.n :])
        net[its, guest] += prices[self.n :]
        return net

    def cost(self, group: int, turns: NDArray[np.int64]) -> int:
        """All that a stand-day costs [1/100 min], every two of its turns counted."""
        return int(cost_of_day(turns, self.static[group], self.pair))

    def bears(self, group: int, turns: Iterable[int]) -> list[tuple[int, int]]:
        """The prices that a stand-day bears, by position, each 1 or -1 times."""
        own = [(turn, 1) for turn in turns if turn < self.n]
        return own + [tie for turn in turns for tie in self.ties.get((group, turn), ())] if self.ties else own

    def of_plan(self, plan: NDArray[np.int64]) -> list[tuple[int, tuple[int, ...]]]:
        """The stand-days of a plan (n,), each a group and its turns in order; those of empty stands are left out."""
        found = []
        for stand, group in sorted(self.group_of.items(), key=lambda one: one[1]):
            casting = np.flatnonzero(plan == self.shadowed[stand]).tolist() if stand in self.shadowed else []
            guests = [self.guest_of[turn] for turn in casting if (group, self.guest_of.get(turn, NONE)) in self.ties]
            day = tuple(self.order[np.isin(self.order, [*np.flatnonzero(plan == stand), *guests])].tolist())
            if day:
                found.append((group, day))
        return found

    def dear(self, days: Iterable[tuple[int, tuple[int, ...]]], prices: NDArray[np.int64]) -> NDArray[np.int64]:
        """How much more each stand-day pays, less prices (n + t,), than the best of its group [1/100 min]."""
        least, net = self.best_days(prices).least, self.net(prices)
        return np.array([cost_of_day(np.array(day), net[group], self.pair) - least[group] for group, day in days])

    def best_days(self, prices: NDArray[np.int64], each: int = 1, third: bool = False) -> BestDays:
        """Shortest paths at whole prices (n + t,) [1/100 min], of all groups at once, `each` days of every one.

        Of the overlaps of a turn those with the two before it are counted, or three if `third`. The others cost
        something, too, so that no stand-day is as cheap as what is found here.
        """
        least, _, paths = cheapest_days(self.net(prices), self.paid, self.far, self.order, third, each, MEMORY)
        days = [[path[path != NONE][::-1].astype(np.int64) for path in group if path[0] != NONE] for group in paths]
        return BestDays(least, int(prices[: self.n].sum() + (self.sizes * least).sum()), days)


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


def stand_groups(problem: Problem, alone: Collection[int] = ()) -> list[list[int]]:
    """Stands (positions) that are as good as each other for every turn, shadows left out. alone: a group each."""
    groups: dict[tuple[bytes, bytes, int], list[int]] = {}
    for stand in range(problem.n_stands):
        key = problem.allowed[:, stand].tobytes(), problem.static[:, stand].tobytes()
        groups.setdefault((*key, stand if stand in alone else NONE), []).append(stand)
    return list(groups.values())


def _sides(problem: Problem) -> list[tuple[int, int, NDArray[np.int64]]]:
    """Stands that shadow another, which, and the turns that cast it: one way for every two, one shadow on each stand.

    What is left out could only raise a bound.
    """
    found: dict[int, tuple[int, int, NDArray[np.int64]]] = {}
    for shadow in problem.shadows:
        ways = [
            (stand, other, np.flatnonzero(casts & problem.allowed[:, stand]))
            for stand, other, casts in (
                (shadow.first, shadow.second, shadow.first_casts),
                (shadow.second, shadow.first, shadow.second_casts),
            )
        ]
        stand, other, casters = max(ways, key=lambda way: len(way[2]))
        if len(casters) and other not in found:
            found[other] = stand, other, casters
    return list(found.values())
