"""The time-space flow of stands by group: the mixed-integer programme that a good solver should be given, as a peer.

Each turn leaves its stand to a turn that follows soon, which costs, or to the pool of its group, from which a later
turn takes one. Of overlaps those of a turn with the next one on its stand are counted; the others cost something, too,
so that its bound holds for every plan. Solved by HiGHS inside OR-Tools.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from demos.stands.column_generation.stand_days import stand_groups
from demos.stands.problem import UNASSIGNED, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Programme:
    """Equations row by row over columns that are added in blocks."""

    cost: list[NDArray[np.float64]] = field(default_factory=list)
    upper: list[NDArray[np.float64]] = field(default_factory=list)
    whole: list[NDArray[np.bool_]] = field(default_factory=list)
    entries: list[NDArray[np.float64]] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    columns: int = 0

    def rows(self, count: int, low: float, high: float) -> int:
        """The first of `count` new rows, each between `low` and `high`."""
        first = len(self.low)
        self.low += [low] * count
        self.high += [high] * count
        return first

    def block(self, cost, entries, upper: float = 1.0, whole: bool = False) -> NDArray[np.int64]:  # type: ignore[no-untyped-def]
        """New columns (c,) of these costs (c,). entries: pairs of rows (c,) and the value that each has there."""
        cost = np.asarray(cost, dtype=np.float64)
        new = self.columns + np.arange(len(cost))
        self.columns += len(cost)
        self.cost.append(cost)
        self.upper.append(np.full(len(cost), upper))
        self.whole.append(np.full(len(cost), whole))
        for rows, value in entries:
            self.entries.append(np.column_stack([rows, new, np.full(len(cost), value)]))
        return new

    def model(self, relaxed: bool) -> mathopt.Model:
        """For OR-Tools; relaxed: without whole numbers."""
        proto, entries = model_pb2.ModelProto(), np.concatenate(self.entries)
        entries = entries[np.lexsort((entries[:, 1], entries[:, 0]))]
        names = range(self.columns)
        proto.variables.ids.extend(names)
        proto.variables.lower_bounds.extend([0.0] * self.columns)
        proto.variables.upper_bounds.extend(np.concatenate(self.upper).tolist())
        whole = np.concatenate(self.whole) & (not relaxed)
        proto.variables.integers.extend(whole.tolist())
        cost = np.concatenate(self.cost)
        at = np.flatnonzero(cost)
        proto.objective.linear_coefficients.ids.extend(at.tolist())
        proto.objective.linear_coefficients.values.extend(cost[at].tolist())
        proto.linear_constraints.ids.extend(range(len(self.low)))
        proto.linear_constraints.lower_bounds.extend(self.low)
        proto.linear_constraints.upper_bounds.extend(self.high)
        proto.linear_constraint_matrix.row_ids.extend(entries[:, 0].astype(np.int64).tolist())
        proto.linear_constraint_matrix.column_ids.extend(entries[:, 1].astype(np.int64).tolist())
        proto.linear_constraint_matrix.coefficients.extend(entries[:, 2].tolist())
        return mathopt.Model.from_model_proto(proto)


@dataclass(frozen=True)
class Flow:
    """takes: for each group the turns (t,) that fit it, and the columns that say whether it takes them; follows: for
    each group pairs (k, 2) of turns, and the columns that say whether the second has the stand of the first."""

    programme: Programme
    groups: list[list[int]]
    takes: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    follows: list[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True)
class FlowSolution:
    """bound: no plan costs less [1/100 min], 0 where none was found in time; plan: (n,), or None."""

    bound: float
    plan: NDArray[np.int64] | None


def solve_flow(problem: Problem, seconds: float, relaxed: bool = False) -> FlowSolution:
    """By HiGHS, in `seconds` from now on, and what it takes to end.

    relaxed: as a linear programme, by its interior point method, a bound alone.
    """
    began = time.perf_counter()
    flow = build_flow(problem)
    model = flow.programme.model(relaxed)
    left = max(seconds - (time.perf_counter() - began), 0.1)
    limits = mathopt.SolveParameters(time_limit=timedelta(seconds=left))
    if relaxed:
        limits.lp_algorithm = mathopt.LPAlgorithm.BARRIER
    result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=limits)
    bound = result.best_objective_bound()
    bound = max(bound, 0.0) if np.isfinite(bound) else 0.0
    if relaxed or not result.has_primal_feasible_solution():
        return FlowSolution(bound, None)
    values = result.variable_values()
    chosen = np.array([values[variable] for variable in sorted(values, key=lambda variable: variable.id)]) > 0.5
    return FlowSolution(bound, _plan(problem, flow, chosen))


def build_flow(problem: Problem) -> Flow:
    """The programme of a day. Stands in a shadow are groups of their own, so that what shadows forbid can be said."""
    turns, n = problem.turns, len(problem.turns)
    shaded = {stand for shadow in problem.shadows for stand in (shadow.first, shadow.second)}
    groups = [[stand] for stand in sorted(shaded)]
    groups += [rest for group in stand_groups(problem) if (rest := [stand for stand in group if stand not in shaded])]
    sibt, sobt = turns.sibt, turns.sobt
    after = sibt[None, :] >= sobt[:, None]
    # From its release on, a turn costs none that follows anything.
    costly = after & (problem.pair > 0)
    release = np.where(costly.any(axis=1), np.where(costly, sibt[None, :], 0).max(axis=1) + 1, sobt)
    soon = np.argwhere(after & (sibt[None, :] < release[:, None]))
    times = np.unique(sibt)
    comes, freed = np.searchsorted(times, sibt), np.searchsorted(times, release)
    made = Programme()
    once = made.rows(n, 1, 1)
    made.block(np.full(n, problem.unassigned), [(once + np.arange(n), 1)])
    takes, follows = [], []
    for group in groups:
        fits = np.flatnonzero(problem.allowed[:, group[0]])
        begin, end, pool = made.rows(n, 0, 0), made.rows(n, 0, 0), made.rows(len(times), 0, 0)
        cost = problem.static[fits, group[0]]
        columns = made.block(cost, [(once + fits, 1), (begin + fits, -1), (end + fits, -1)], whole=True)
        takes.append((fits, columns))
        nothing = np.zeros(len(fits))
        made.block(nothing, [(begin + fits, 1), (pool + comes[fits], -1)])
        back, last = fits[freed[fits] < len(times)], fits[freed[fits] == len(times)]
        made.block(np.zeros(len(back)), [(end + back, 1), (pool + freed[back], 1)])
        made.block(np.zeros(len(last)), [(end + last, 1)])
        step = np.arange(len(times) - 1)
        made.block([0.0], [(np.array([pool]), 1)], upper=len(group))
        made.block(np.zeros(len(step)), [(pool + step, -1), (pool + step + 1, 1)], upper=len(group))
        made.block([0.0], [(np.array([pool + len(times) - 1]), -1)], upper=len(group))
        pairs = soon[np.isin(soon, fits).all(axis=1)]
        cost = problem.pair[pairs[:, 0], pairs[:, 1]]
        follows.append((pairs, made.block(cost, [(end + pairs[:, 0], 1), (begin + pairs[:, 1], 1)])))
    _forbid_shadows(problem, made, groups, takes)
    return Flow(made, groups, takes, follows)


def _forbid_shadows(problem: Problem, made: Programme, groups: list[list[int]], takes) -> None:  # type: ignore[no-untyped-def]
    """Two turns that overlap are not both in a shadow's two stands where one of them casts it."""
    column = {
        (group[0], int(turn)): int(name)
        for group, (fits, names) in zip(groups, takes, strict=True)
        for turn, name in zip(fits, names, strict=True)
    }
    for shadow in problem.shadows:
        meet = problem.overlaps & (shadow.first_casts[:, None] | shadow.second_casts[None, :])
        for one, two in np.argwhere(meet).tolist():
            both = [(shadow.first, one), (shadow.second, two)]
            if all(key in column for key in both):
                row = made.rows(1, -np.inf, 1)
                made.entries.append(np.array([[row, column[key], 1.0] for key in both]))


def _plan(problem: Problem, flow: Flow, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) stands: each turn that follows another has its stand, each other one any that is free."""
    plan = np.full(len(problem.turns), UNASSIGNED, dtype=np.int64)
    for group, (fits, columns), (pairs, succeeds) in zip(flow.groups, flow.takes, flow.follows, strict=True):
        before = {int(two): int(one) for one, two in pairs[chosen[succeeds]]}
        leaves_to_one = set(before.values())
        idle = list(group)
        waiting: list[tuple[int, int]] = []
        taken = fits[chosen[columns]]
        for turn in taken[np.argsort(problem.turns.sibt[taken], kind="stable")].tolist():
            now = problem.turns.sibt[turn]
            idle += [stand for until, stand in waiting if until <= now]
            waiting = [(until, stand) for until, stand in waiting if until > now]
            plan[turn] = plan[before[turn]] if turn in before else idle.pop()
            if turn not in leaves_to_one:
                waiting.append((int(problem.turns.sobt[turn]), int(plan[turn])))
    return plan
