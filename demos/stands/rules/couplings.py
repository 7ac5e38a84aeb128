"""What turns on two different stands cost each other: push-backs side by side, tows from one to the other, few tugs.

n turns, m stands, k links. A coupling has few partners a turn, so it is summed over these, not by a matrix of turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.units import UNASSIGNED

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Coupling:
    """Pairs of turns that cost `price` [1/100 min] where their stands are a pair, too.

    pairs: (p, 2) each pair of turns once; between: (m, m) pairs of stands, symmetric; size: number of turns n.
    """

    pairs: NDArray[np.int64]
    between: NDArray[np.bool_]
    price: int
    size: int

    @cached_property
    def partners(self) -> NDArray[np.int64]:
        """(n, most) the partners of each turn, filled up with n."""
        both = np.concatenate([self.pairs, self.pairs[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        counts = np.bincount(both[:, 0], minlength=self.size)
        place = np.arange(len(both)) - np.repeat(np.cumsum(counts) - counts, counts)
        found = np.full((self.size, counts.max(initial=0)), self.size)
        found[both[:, 0], place] = both[:, 1]
        return found

    @cached_property
    def _priced(self) -> NDArray[np.float64]:
        """(m, m) prices of two stands, whole numbers: the product in float64 is BLAS, and exact."""
        return self.between.astype(np.float64) * self.price

    def costs(self, plan: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows, m) what each turn would pay on each stand, its partners where they are."""
        width = len(self.between) + 1
        # How many partners each turn has nowhere, and on each stand.
        at = np.append(plan, UNASSIGNED)[self.partners[rows]] + 1
        at += width * np.arange(len(rows))[:, None]
        count = np.bincount(at.ravel(), minlength=width * len(rows)).reshape(len(rows), width)
        return (count[:, 1:].astype(np.float64) @ self._priced).astype(np.int64)

    def met(self, plan: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(p,) the pairs that a plan makes pay."""
        one, two = plan[self.pairs].T
        return self.between[one, two] & (one != UNASSIGNED) & (two != UNASSIGNED)

    def total(self, plan: NDArray[np.int64]) -> int:
        """What a plan pays for it [1/100 min]."""
        return self.price * int(self.met(plan).sum())


@dataclass(frozen=True)
class Tugs:
    """At most `tugs` tows at once; each that begins when that many are under way costs `price` [1/100 min].

    links: (k, 2) turns before and after a tow, in order of its begin; begin: (k,) min after midnight; minutes: how long
    a tow takes. Two tows of one aircraft are never under way at once.
    """

    links: NDArray[np.int64]
    begin: NDArray[np.int64]
    minutes: int
    tugs: int
    price: int

    @cached_property
    def under_way(self) -> NDArray[np.int64]:
        """(k, k) 1 where the tow of the column has begun, and still lasts, when that of the row begins."""
        earlier = np.tri(len(self.links), k=-1, dtype=bool)
        return (earlier & (self.begin[None, :] + self.minutes > self.begin[:, None])).astype(np.int64)

    @cached_property
    def _meet(self) -> NDArray[np.int64]:
        return self.under_way + self.under_way.T + np.eye(len(self.links), dtype=np.int64)

    @cached_property
    def of_turn(self) -> dict[int, NDArray[np.int64]]:
        """The links of each turn that has some."""
        return {int(turn): np.flatnonzero((self.links == turn).any(axis=1)) for turn in np.unique(self.links)}

    def towed(self, plan: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(k,) the links over which a plan tows: from one stand to another one."""
        before, after = plan[self.links].T
        return (before != after) & (before != UNASSIGNED) & (after != UNASSIGNED)

    def waits(self, towed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(..., k) the tows for which no tug is free. towed: (..., k)."""
        return towed & (towed @ self.under_way.T >= self.tugs)

    def total(self, plan: NDArray[np.int64]) -> int:
        """What a plan pays for it [1/100 min]."""
        return self.price * int(self.waits(self.towed(plan)).sum())

    def add_costs(self, total: NDArray[np.int64], plan: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Add to `total` (rows, m) what each turn would pay on each stand, the others where they are."""
        towed = self.towed(plan)
        # Most tows meet none for which one more would matter.
        near_full = self.under_way @ towed >= self.tugs - 1
        crowded = set(np.flatnonzero(self._meet @ near_full).tolist())
        stands = np.arange(total.shape[1])
        for row, turn in enumerate(rows.tolist()):
            mine = self.of_turn.get(turn)
            if mine is None or crowded.isdisjoint(mine.tolist()):
                continue
            without = towed.copy()
            without[mine] = False
            with_it = np.tile(without, (len(stands), 1))
            for link in mine:
                other = plan[self.links[link].sum() - turn]
                with_it[:, link] = (other != UNASSIGNED) & (stands != other)
            total[row] += self.price * (self.waits(with_it).sum(axis=1) - self.waits(without).sum())


def coupled_costs(
    couplings: Sequence[Coupling], tugs: Tugs | None, plan: NDArray[np.int64], rows: NDArray[np.int64], n_stands: int
) -> NDArray[np.int64]:
    """(rows, m) what each turn would pay on each stand for all of these, the others where they are."""
    total = np.zeros((len(rows), n_stands), dtype=np.int64)
    for coupling in couplings:
        total += coupling.costs(plan, rows)
    if tugs is not None:
        tugs.add_costs(total, plan, rows)
    return total
