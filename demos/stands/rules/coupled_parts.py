"""What couplings and tugs mean to CP-SAT when it places blocks of turns; the rest of the day is fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.stands.units import UNASSIGNED

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from ortools.sat.python import cp_model

    from demos.stands.problem import Problem

Choice = dict[tuple[int, int], "cp_model.IntVar"]


def coupled_terms(
    model: cp_model.CpModel, problem: Problem, blocks: list[NDArray[np.int64]], choice: Choice
) -> list[cp_model.LinearExpr]:
    """What two free blocks cost each other on two stands. choice: (block, stand) -> whether it is placed there."""
    terms: list[cp_model.LinearExpr] = []
    block_of = _block_of(problem, blocks)
    stands = sorted({stand for _, stand in choice})
    for coupling in problem.couplings:
        ends = np.sort(block_of[coupling.pairs], axis=1)
        ends = ends[(ends[:, 0] >= 0) & (ends[:, 0] != ends[:, 1])]
        for (one, two), count in zip(*np.unique(ends, axis=0, return_counts=True), strict=True):
            pays = model.new_bool_var("")
            for first in stands:
                for second in stands:
                    both = (int(one), first), (int(two), second)
                    if coupling.between[first, second] and all(key in choice for key in both):
                        model.add_bool_or([*(~choice[key] for key in both), pays])
            terms.append(int(count) * coupling.price * pays)
    return terms


def tug_terms(
    model: cp_model.CpModel, problem: Problem, fixed: NDArray[np.int64], blocks: list[NDArray[np.int64]], choice: Choice
) -> list[cp_model.LinearExpr]:
    """What the tows cost for which no tug is free. fixed: (n,) the plan without the blocks."""
    tugs = problem.tugs
    if tugs is None:
        return []
    block_of = _block_of(problem, blocks)
    free: NDArray[np.bool_] = np.any(block_of[tugs.links] >= 0, axis=1)
    towed: list[cp_model.IntVar | int] = [int(tow) for tow in tugs.towed(fixed)]
    for link in np.flatnonzero(free).tolist():
        towed[link] = _towed(model, tugs.links[link], fixed, block_of, choice)
    terms: list[cp_model.LinearExpr] = []
    for link, row in enumerate(tugs.under_way):
        others = np.flatnonzero(row)
        if len(others) < tugs.tugs or not (free[link] or free[others].any()):
            continue
        waits = model.new_bool_var("")
        # Counts only if it is towed itself, and as many others as there are tugs are under way.
        slack = len(others) + 1 - tugs.tugs
        model.add(sum(towed[other] for other in others) <= tugs.tugs - 1 + slack * (1 - towed[link]) + slack * waits)
        terms.append(tugs.price * waits)
    return terms


def _towed(
    model: cp_model.CpModel,
    link: NDArray[np.int64],
    fixed: NDArray[np.int64],
    block_of: NDArray[np.int64],
    choice: Choice,
) -> cp_model.IntVar:
    """At least 1 when both ends are on stands, and these are two."""
    towed = model.new_bool_var("")
    places: list[dict[int, cp_model.IntVar | int]] = []
    for turn in link.tolist():
        block = int(block_of[turn])
        if block >= 0:
            places.append({stand: var for (index, stand), var in choice.items() if index == block})
        else:
            places.append({} if fixed[turn] == UNASSIGNED else {int(fixed[turn]): 1})
    if block_of[link[0]] == block_of[link[1]]:
        return towed
    for first, here in places[0].items():
        for second, there in places[1].items():
            if first != second:
                model.add(towed >= here + there - 1)
    return towed


def _block_of(problem: Problem, blocks: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(n,) the number of each turn's block, -1 for what is fixed."""
    found = np.full(len(problem.turns), -1)
    for index, block in enumerate(blocks):
        found[block] = index
    return found
