"""The whole day as one model for CP-SAT, as a peer: optional intervals that must not overlap, stand by stand.

Two turns that come near each other without overlapping share one variable, on whatever stand they meet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from ortools.sat.python import cp_model

from demos.stands.problem import UNASSIGNED, Problem
from demos.stands.rules.coupled_parts import coupled_terms, tug_terms

if TYPE_CHECKING:
    from numpy.typing import NDArray


def solve_day(
    problem: Problem,
    seconds: float,
    offer: Callable[[NDArray[np.int64]], None],
    threads: int,
    seed: int,
    hint: NDArray[np.int64] | None = None,
) -> bool:
    """Hand each better plan (n,) to `offer` for so many seconds, the model's making included; whether the last one
    is said to be the best. hint: (n,) a plan to begin with."""
    began = time.perf_counter()
    model, on = _model(problem, hint)

    class Offering(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            plan = np.full(len(problem.turns), UNASSIGNED, dtype=np.int64)
            for (turn, stand), var in on.items():
                if self.boolean_value(var):
                    plan[turn] = stand
            offer(plan)

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = max(seconds - (time.perf_counter() - began), 0.1)
    return solver.solve(model, Offering()) == cp_model.OPTIMAL


def _model(
    problem: Problem, hint: NDArray[np.int64] | None
) -> tuple[cp_model.CpModel, dict[tuple[int, int], cp_model.IntVar]]:
    model, terms = cp_model.CpModel(), []
    on = {(turn, stand): model.new_bool_var("") for turn, stand in np.argwhere(problem.allowed).tolist()}
    mine: list[dict[int, cp_model.IntVar]] = [{UNASSIGNED: model.new_bool_var("")} for _ in range(len(problem.turns))]
    for (turn, stand), var in on.items():
        mine[turn][stand] = var
        terms.append(int(problem.static[turn, stand]) * var)
    for places in mine:
        terms.append(problem.unassigned * places[UNASSIGNED])
        model.add_exactly_one(places.values())
    if hint is not None:
        for places, stand in zip(mine, hint.tolist(), strict=True):
            for place, var in places.items():
                model.add_hint(var, place == stand)
    _apart(model, problem, on)
    terms += _near(model, problem, mine)
    blocks = [np.array([turn]) for turn in range(len(mine))]
    terms += coupled_terms(model, problem, blocks, on)
    terms += tug_terms(model, problem, np.full(len(mine), UNASSIGNED, dtype=np.int64), blocks, on)
    model.minimize(cp_model.LinearExpr.sum(terms))
    return model, on


def _apart(model: cp_model.CpModel, problem: Problem, on: dict[tuple[int, int], cp_model.IntVar]) -> None:
    """On one stand nobody overlaps by schedule."""
    sibt, sobt = problem.turns.sibt.tolist(), problem.turns.sobt.tolist()
    stays: list[list[cp_model.IntervalVar]] = [[] for _ in range(problem.n_stands)]
    for (turn, stand), var in on.items():
        stays[stand].append(model.new_optional_fixed_size_interval_var(sibt[turn], sobt[turn] - sibt[turn], var, ""))
    for stay in stays:
        model.add_no_overlap(stay)


def _near(
    model: cp_model.CpModel, problem: Problem, mine: list[dict[int, cp_model.IntVar]]
) -> list[cp_model.LinearExpr]:
    """What every two cost each other that come near on one stand or across a shadow; there, who overlaps is apart."""
    terms: list[cp_model.LinearExpr] = []
    for one, two in np.argwhere(np.triu((problem.pair > 0) | problem.overlaps, 1)).tolist():
        clash = bool(problem.overlaps[one, two])
        meets = [] if clash else [model.new_bool_var("")]
        first, second = mine[one], mine[two]
        places = [] if clash else [(stand, stand) for stand in first if stand != UNASSIGNED and stand in second]
        for shadow in problem.shadows:
            if shadow.first_casts[one] or shadow.second_casts[two]:
                places.append((shadow.first, shadow.second))
            if shadow.second_casts[one] or shadow.first_casts[two]:
                places.append((shadow.second, shadow.first))
        for here, there in places:
            if here in first and there in second:
                model.add_bool_or((~first[here], ~second[there], *meets))
        if meets:
            terms.append(int(problem.pair[one, two]) * meets[0])
    return terms
