"""The programme of the textbooks, by PuLP: a stand for each turn, and a product for every two turns on a stand.

It is here because it is what one writes first. Who may not be there at once is said by cliques; but with a product for
every near pair and stand it is large, and its relaxation is weak: half a turn on each of two stands costs nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pulp

from demos.stands.problem import SCALE, UNASSIGNED, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDS = 0.8  # share of the time after which a solver is told to end; HiGHS looks at its clock now and then


def solve_pairwise(
    problem: Problem, seconds: float, solver: str, threads: int
) -> tuple[NDArray[np.int64] | None, bool]:
    """A plan (n,), None if there is none in time, and whether it is said to be the best. solver: CBC or HiGHS."""
    began = time.perf_counter()
    model, on = _model(problem)
    left = ENDS * seconds - (time.perf_counter() - began)
    if left <= 0:
        return None, False
    if solver == "CBC":
        command = pulp.PULP_CBC_CMD(timeLimit=left, threads=threads, msg=False)
    else:
        command = pulp.HiGHS(timeLimit=left, threads=threads, msg=False)
    status = model.solve(command)
    plan = np.full(len(problem.turns), UNASSIGNED, dtype=np.int64)
    for (turn, stand), var in on.items():
        if (var.value() or 0) > 0.5:
            plan[turn] = stand
    if model.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        return None, False
    return plan, status == pulp.LpStatusOptimal and model.sol_status == pulp.LpSolutionOptimal


def _model(problem: Problem) -> tuple[pulp.LpProblem, dict[tuple[int, int], pulp.LpVariable]]:
    model = pulp.LpProblem("stands", pulp.LpMinimize)
    on = {
        (int(turn), int(stand)): pulp.LpVariable(f"x_{turn}_{stand}", cat=pulp.LpBinary)
        for turn, stand in np.argwhere(problem.allowed)
    }
    mine: dict[int, list[int]] = defaultdict(list)
    for turn, stand in on:
        mine[turn].append(stand)
    cost: list[tuple[pulp.LpVariable, float]] = [
        (var, float(problem.static[turn, stand]) / SCALE) for (turn, stand), var in on.items()
    ]
    for turn in range(len(problem.turns)):
        nowhere = pulp.LpVariable(f"n_{turn}", cat=pulp.LpBinary)
        cost.append((nowhere, problem.unassigned / SCALE))
        model += pulp.LpAffineExpression([(nowhere, 1), *((on[turn, stand], 1) for stand in mine[turn])]) == 1
    _apart(model, problem, on)
    meets: dict[tuple[int, int], pulp.LpVariable] = {}
    for one, two in np.argwhere(np.triu((problem.pair > 0) & ~problem.overlaps, 1)).tolist():
        together = meets[one, two] = meets[two, one] = pulp.LpVariable(f"y_{one}_{two}", 0, 1)
        cost.append((together, float(problem.pair[one, two]) / SCALE))
        for stand in set(mine[one]).intersection(mine[two]):
            model += pulp.LpAffineExpression([(on[one, stand], 1), (on[two, stand], 1), (together, -1)]) <= 1
    _shadows(model, problem, on, meets)
    model.setObjective(pulp.LpAffineExpression(cost))
    return model, on


def _apart(model: pulp.LpProblem, problem: Problem, on: dict[tuple[int, int], pulp.LpVariable]) -> None:
    """On each stand, one of those at most that are there when one of them comes: tighter than a row for every two."""
    sibt, sobt = problem.turns.sibt, problem.turns.sobt
    for stand in range(problem.n_stands):
        fits = np.flatnonzero(problem.allowed[:, stand])
        for comes in np.unique(sibt[fits]):
            there = fits[(sibt[fits] <= comes) & (comes < sobt[fits])]
            if len(there) > 1:
                model += pulp.LpAffineExpression([(on[turn, stand], 1) for turn in there.tolist()]) <= 1


def _shadows(
    model: pulp.LpProblem,
    problem: Problem,
    on: dict[tuple[int, int], pulp.LpVariable],
    meets: dict[tuple[int, int], pulp.LpVariable],
) -> None:
    """meets: for every two turns that do not overlap, and cost each other, whether they meet."""
    near = (problem.pair > 0) | problem.overlaps
    for shadow in problem.shadows:
        casts = shadow.first_casts[:, None] | shadow.second_casts[None, :]
        for one, two in np.argwhere(near & casts).tolist():
            if (one, shadow.first) in on and (two, shadow.second) in on:
                terms = [(on[one, shadow.first], 1), (on[two, shadow.second], 1)]
                if not problem.overlaps[one, two]:
                    terms.append((meets[one, two], -1))
                model += pulp.LpAffineExpression(terms) <= 1
