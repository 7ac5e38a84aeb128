"""A plan out of the mix: stand-days it is sure of are taken for good, the rest is mixed again, and so on.

Diving (Sadykov, Vanderbeck, Pessoa, Tahiri and Uchoa 2019, "Primal heuristics for branch and price"). Where it ends a
few turns are left over, or stand in a shadow: those are put where they cost least, and a search should follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.stands.column_generation.mix import EACH, Mix
from demos.stands.problem import UNASSIGNED
from demos.stands.search.greedy import put_back

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.column_generation.ascent import Bound
    from demos.stands.column_generation.stand_days import StandDays
    from demos.stands.problem import Problem

KEPT = 9  # stand-days a turn to begin with, those that pay least more than the best
GENERATIONS = 3  # rounds of new stand-days before some are taken
SURE, AT_ONCE = 0.6, 0.1  # of shares from here on, so many are taken at once [share of the stands left]
WIDTH = 3000.0  # of the box of prices: what is left must be able to become dear [1/100 min]

Day = tuple[int, "NDArray[np.int64]"]


def dive(days: StandDays, found: Bound, generator: np.random.Generator, noise: float = 0.0) -> NDArray[np.int64]:
    """A plan (n,) that keeps the hard rules, from a bound's prices and the stand-days met on the way to them.

    noise: standard deviation that is added to shares, for another plan each time.
    """
    met = list(found.met)
    known = [met[at] for at in np.argsort(days.dear(met, found.prices), kind="stable")[: KEPT * len(found.prices)]]
    left, covered, chosen = days.sizes.copy(), np.zeros(len(found.prices), dtype=bool), list[Day]()
    while left.any() and not covered.all():
        mix = _mix_of_rest(days, known, left, covered)
        prices = _generate(mix, np.where(covered, 0, found.prices), covered)
        solved = mix.solve(prices, np.inf)
        taken = _surest(mix, generator, noise) if solved else []
        if not taken:
            break
        for group, turns in taken:
            left[group] -= 1
            covered[turns] = True
        chosen += taken
        known = list(mix.known)
    return insert_left_over(days.problem, _on_stands(days, chosen))


def _mix_of_rest(
    days: StandDays, known: list[tuple[int, tuple[int, ...]]], left: NDArray[np.int64], covered: NDArray[np.bool_]
) -> Mix:
    """What can still be mixed: stand-days without the turns that have a stand, for the stands that are left."""
    rest = [(group, tuple(turn for turn in day if not covered[turn])) for group, day in known if left[group]]
    mix = Mix(days, rest, left)
    for turn in np.flatnonzero(covered):
        mix.taken[turn].SetLb(0)
    return mix


def _generate(mix: Mix, prices: NDArray[np.int64], covered: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Add stand-days that earn at the prices of what is left, and return the last prices (n,)."""
    for _ in range(GENERATIONS):
        solved = mix.solve(prices, WIDTH)
        if not solved:
            break
        prices = np.where(covered, 0, solved[1])
        best = mix.days.best_days(prices, EACH)
        if not sum(mix.add(*key) for key in best.listed() if mix.left[key[0]]):
            break
    return prices


def _surest(mix: Mix, generator: np.random.Generator, noise: float) -> list[Day]:
    """Stand-days that the mix has wholly, some that it nearly has, or else the one of the largest share."""
    shares = [(share + noise * generator.normal(), group, turns) for share, group, turns in mix.shares()]
    shares.sort(key=lambda one: -one[0])
    whole = [share for share in shares if share[0] > 0.999]
    sure = [share for share in shares if 0.999 >= share[0] > SURE][: int(np.ceil(AT_ONCE * mix.left.sum()))]
    left, gone, taken = mix.left.copy(), set[int](), list[Day]()
    for _, group, turns in whole + sure or shares[:1]:
        if left[group] and gone.isdisjoint(turns):
            taken.append((group, np.array(turns)))
            left[group] -= 1
            gone.update(turns)
    return taken


def _on_stands(days: StandDays, chosen: list[Day]) -> NDArray[np.int64]:
    """Give each stand-day a stand of its group, with as few turns in a shadow as swaps can bring about."""
    problem = days.problem
    plan, free = np.full(days.n, UNASSIGNED), [list(group) for group in days.groups]
    for group, turns in chosen:
        plan[turns] = free[group].pop()
    fewest, group_of = shadowed(problem, plan), {stand: group for group in days.groups for stand in group}
    for stand in sorted({stand for shadow in problem.shadows for stand in (shadow.first, shadow.second)}):
        for other in group_of[stand] if len(fewest) else ():
            swapped = np.where(plan == stand, other, np.where(plan == other, stand, plan))
            now = shadowed(problem, swapped)
            if len(now) < len(fewest):
                plan, fewest = swapped, now
    return plan


def shadowed(problem: Problem, plan: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Every two turns of a plan (n,) that must not be there at once, on two stands of which one shadows the other."""
    found = []
    for shadow in problem.shadows:
        first, second = np.flatnonzero(plan == shadow.first), np.flatnonzero(plan == shadow.second)
        casts = shadow.first_casts[first][:, None] | shadow.second_casts[second][None, :]
        pairs = np.nonzero(problem.overlaps[np.ix_(first, second)] & casts)
        found += [(int(first[one]), int(second[two])) for one, two in zip(*pairs, strict=True)]
    return found


def insert_left_over(problem: Problem, plan: NDArray[np.int64]) -> NDArray[np.int64]:
    """Take turns out of shadows, and put each that has no stand where it costs least, if anywhere."""
    plan = plan.copy()
    while pairs := shadowed(problem, plan):
        turns, times = np.unique(np.array(pairs), return_counts=True)
        plan[turns[times.argmax()]] = UNASSIGNED
    return put_back(problem, plan, np.flatnonzero(plan == UNASSIGNED))
