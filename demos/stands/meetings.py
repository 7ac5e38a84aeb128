"""Who would meet whom: sums over the turns that are near each other alone, compiled by numba.

Of a thousand turns one meets or nearly meets a few hundred; the rest of a dense product is zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from demos.stands.problem import ShadowPair


@dataclass(frozen=True)
class Meetings:
    """Near pairs of n turns by row, and across which of the m stands they meet, too.

    starts: (n + 1,) where each turn's pairs begin; others, costs, clashes: (p,) the other turn of a pair, what the two
    on one stand cost [1/100 min], and whether they overlap by schedule. shadows: (m + 1,) where each stand's shadows
    begin; sides: (q,) the other stand of each; casts, casts_back: (q, n) whether each turn blocks the other stand from
    this one, and this one from the other one.
    """

    starts: NDArray[np.int64]
    others: NDArray[np.int64]
    costs: NDArray[np.int64]
    clashes: NDArray[np.bool_]
    shadows: NDArray[np.int64]
    sides: NDArray[np.int64]
    casts: NDArray[np.bool_]
    casts_back: NDArray[np.bool_]

    def with_each(self, plan: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(r, m) what each turn of `rows` (r,) would cost with those that it would meet on each stand [1/100 min]."""
        return _sums(plan, rows, self.starts, self.others, self.costs, *self._sides())

    def clash(self, plan: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(r, m) whether each turn of `rows` (r,) would meet one on each stand that it overlaps by schedule."""
        return _sums(plan, rows, self.starts, self.others, self.clashes, *self._sides()) > 0

    def total(self, plan: NDArray[np.int64]) -> int:
        """What all turns that meet in a plan (n,) cost each other [1/100 min]."""
        every, all_of_them = np.arange(len(plan)), np.ones(len(plan), dtype=bool)
        return int(_part(plan, every, all_of_them, self.starts, self.others, self.costs, *self._sides()))

    def change(self, plan: NDArray[np.int64], other: NDArray[np.int64], moved: NDArray[np.int64]) -> int:
        """How much more `total` is in the `other` plan (n,), which differs in `moved` (k,) alone [1/100 min]."""
        apart = np.zeros(len(plan), dtype=bool)
        apart[moved] = True
        data = self.starts, self.others, self.costs, *self._sides()
        return int(_part(other, moved, apart, *data) - _part(plan, moved, apart, *data))

    def _sides(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        return self.shadows, self.sides, self.casts, self.casts_back


def meetings(
    pair: NDArray[np.int64], overlaps: NDArray[np.bool_], shadows: Sequence[ShadowPair], n_stands: int
) -> Meetings:
    """Those of a problem's arrays: pair (n, n), overlaps (n, n), and its shadows."""
    near = (pair != 0) | overlaps
    # Columns of one array otherwise, which numba would compile for once more.
    rows, others = (np.ascontiguousarray(ends) for ends in np.nonzero(near))
    both = [(one.first, one.second, one.first_casts, one.second_casts) for one in shadows]
    both += [(second, first, back, casts) for first, second, casts, back in both]
    both.sort(key=lambda side: side[0])
    nobody = np.zeros((0, len(pair)), dtype=bool)
    return Meetings(
        starts=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(pair)))]),
        others=others,
        costs=pair[near],
        clashes=overlaps[near],
        shadows=np.searchsorted([side[0] for side in both], np.arange(n_stands + 1)),
        sides=np.array([side[1] for side in both], dtype=np.int64),
        casts=np.array([side[2] for side in both]) if both else nobody,
        casts_back=np.array([side[3] for side in both]) if both else nobody,
    )


@njit(cache=True)
def _sums(plan, rows, starts, others, costs, shadows, sides, casts, casts_back):  # type: ignore[no-untyped-def]
    total = np.zeros((len(rows), len(shadows) - 1), np.int64)
    for row, turn in enumerate(rows):
        for at in range(starts[turn], starts[turn + 1]):
            other = others[at]
            stand = plan[other]
            if stand < 0:
                continue
            total[row, stand] += costs[at]
            for side in range(shadows[stand], shadows[stand + 1]):
                if casts[side, other] or casts_back[side, turn]:
                    total[row, sides[side]] += costs[at]
    return total


@njit(cache=True)
def _part(plan, rows, within, starts, others, costs, shadows, sides, casts, casts_back):  # type: ignore[no-untyped-def]
    """What the turns of `rows` cost with all others and each other. within: (n,) whether a turn is one of them."""
    total = 0
    for turn in rows:
        stand = plan[turn]
        if stand < 0:
            continue
        for at in range(starts[turn], starts[turn + 1]):
            other = others[at]
            if within[other] and other < turn:
                continue
            if plan[other] == stand:
                total += costs[at]
            for side in range(shadows[stand], shadows[stand + 1]):
                if plan[other] == sides[side] and (casts[side, turn] or casts_back[side, other]):
                    total += costs[at]
    return total


def compile_all() -> None:
    """Compile, or read it from numba's cache."""
    one = meetings(np.zeros((1, 1), np.int64), np.zeros((1, 1), bool), (), 1)
    plan = np.zeros(1, np.int64)
    one.with_each(plan, plan), one.clash(plan, plan), one.change(plan, plan, plan)
