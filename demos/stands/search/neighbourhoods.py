"""Large-neighbourhood search with two exact repairs: matching on a time window, CP-SAT on a few stands.

Matching: take what stands on every stand during a time window as one block a stand, and hand the blocks out anew.
Blocks never meet each other, so the best of the m! ways is an assignment problem, solved exactly in milliseconds.
CP-SAT: free a dozen turns on a few stands and place them best one by one, with the rest of the day on each of these
stands as one more block; this splits and joins what matching can only move.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ortools.sat.python import cp_model
from scipy.optimize import linear_sum_assignment

from demos.stands.problem import UNASSIGNED, Problem, blocked, cost_change, insertion_costs, plan_cost
from demos.stands.rules.coupled_parts import coupled_terms, tug_terms
from demos.stands.search.relocate import settle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import SearchConfig

FORBIDDEN = 10**12
WINDOWS = (5, 60, 120, 240, 2000)


@dataclass
class SearchLog:
    """How one search went; `curve` holds (seconds, cost in 1/100 min) after each round."""

    curve: list[tuple[float, int]] = field(default_factory=list)
    matchings: int = 0
    matchings_improved: int = 0
    parts: int = 0
    parts_improved: int = 0
    parts_optimal: int = 0
    stopped_by_clock: bool = False

    def add(self, later: SearchLog, since: float) -> None:
        """Count another search in, which began `since` seconds after this one; its curve goes on where it is better."""
        best = self.curve[-1][1]
        self.curve += [(since + seconds, cost) for seconds, cost in later.curve if cost < best]
        self.count(later)

    def count(self, later: SearchLog) -> None:
        """Count what another search did, without its costs."""
        for name in ("matchings", "matchings_improved", "parts", "parts_improved", "parts_optimal"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.stopped_by_clock |= later.stopped_by_clock


def search(
    problem: Problem,
    start: NDArray[np.int64],
    config: SearchConfig,
    generator: np.random.Generator,
    locked: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], SearchLog]:
    """Improve `start` (n,) for `config.rounds` rounds; never returns a worse plan, never moves a `locked` turn."""
    free = np.ones(len(start), dtype=bool) if locked is None else ~locked
    plan, log = start.copy(), SearchLog()
    cost, began = plan_cost(problem, plan), time.perf_counter()
    log.curve.append((0.0, cost))
    for _ in range(config.rounds if free.any() else 0):
        for _ in range(config.matchings):
            candidate = rematch(problem, plan, draw_window(problem, free, generator), one_side(problem, generator))
            plan, cost, better = keep_best(problem, plan, cost, candidate)
            log.matchings += 1
            log.matchings_improved += better
        if config.parts:
            candidate, proven = _one_part(problem, plan, free, config, generator)
            plan, cost, better = keep_best(problem, plan, cost, candidate)
            log.parts += 1
            log.parts_improved += better
            log.parts_optimal += proven
        log.curve.append((time.perf_counter() - began, cost))
        if log.curve[-1][0] > config.seconds:
            log.stopped_by_clock = True
            break
    if problem.least_rule and free.any():
        plan = settle(problem, plan, free)
        log.curve.append((time.perf_counter() - began, plan_cost(problem, plan)))
    return plan, log


def keep_best(
    problem: Problem, plan: NDArray[np.int64], cost: int, candidate: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int, bool]:
    """The candidate if it keeps the hard rules and costs no more, else the plan; its cost; whether that is less."""
    moved = np.flatnonzero(plan != candidate)
    if not len(moved):
        return plan, cost, False
    new_cost = cost + cost_change(problem, plan, candidate)
    # Equal cost is taken, to drift along plateaus.
    if new_cost > cost or not keeps_hard_rules(problem, candidate, moved):
        return plan, cost, False
    return candidate, new_cost, new_cost < cost


def keeps_hard_rules(problem: Problem, plan: NDArray[np.int64], turns: NDArray[np.int64]) -> bool:
    """Whether these turns break no hard rule, from the problem's arrays (`verify` is the independent check)."""
    on = turns[plan[turns] != UNASSIGNED]
    return not blocked(problem, plan, on)[np.arange(len(on)), plan[on]].any()


def draw_window(
    problem: Problem,
    free: NDArray[np.bool_],
    generator: np.random.Generator,
    starts: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The free turns that come on block in a random stretch of the day, half the time with all parts of their stays.

    starts: when it may begin [min]; by default, when any free turn comes on block.
    """
    sibt, links = problem.turns.sibt, problem.turns.links
    start = generator.choice(sibt[free] if starts is None else starts)
    inside = free & (sibt >= start) & (sibt < start + generator.choice(WINDOWS))
    if len(links) and generator.random() < 0.5:
        # Else an aircraft that should stand elsewhere all day would have to be towed there part by part.
        inside[links[inside[links].any(axis=1)]] = True
    return np.flatnonzero(free & inside)


def one_side(problem: Problem, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(m,) stands that stay as they are, at least one of every two of which one shadows the other.

    What meets across a shadow cannot be told in a matching if both sides move.
    """
    stay = np.zeros(problem.n_stands, dtype=bool)
    for shadow, second in zip(problem.shadows, generator.random(len(problem.shadows)) < 0.5, strict=True):
        if not stay[shadow.first] and not stay[shadow.second]:
            stay[shadow.second if second else shadow.first] = True
    return stay


def rematch(
    problem: Problem,
    plan: NDArray[np.int64],
    moved: NDArray[np.int64],
    stay: NDArray[np.bool_],
    noise: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Hand the blocks of `moved` turns, one block a stand, out anew over all stands at least cost.

    A turn without a stand is a block of its own, and for each there is room for one block on none. stay: (m,) stands
    that keep what they have and get nothing; noise: (m, m) is added to what each stand's block costs on each stand
    [1/100 min].
    """
    moved = moved[(plan[moved] == UNASSIGNED) | ~stay[plan[moved]]]
    fixed, place = plan.copy(), plan[moved]
    fixed[moved] = UNASSIGNED
    nowhere = np.flatnonzero(place == UNASSIGNED)
    place[nowhere] = problem.n_stands + np.arange(len(nowhere))
    costs = np.where(blocked(problem, fixed, moved), FORBIDDEN, insertion_costs(problem, fixed, moved))
    places, block_of = np.unique(place, return_inverse=True)
    block = np.zeros((len(places), len(moved)))
    block[block_of, np.arange(len(moved))] = 1
    handing = block @ costs
    if noise is not None:
        have = len(places) - len(nowhere)
        handing[:have] += noise[places[:have]]
    takes = np.flatnonzero(~stay)
    handing = np.minimum(handing[:, takes], FORBIDDEN)
    if len(nowhere):
        on_none = problem.unassigned * block.sum(axis=1, keepdims=True)
        handing = np.hstack([handing, np.repeat(on_none, len(nowhere), axis=1)])
        takes = np.append(takes, np.full(len(nowhere), UNASSIGNED))
    _, to = linear_sum_assignment(handing)
    fixed[moved] = takes[to][block_of]
    return fixed


def _one_part(
    problem: Problem,
    plan: NDArray[np.int64],
    free: NDArray[np.bool_],
    config: SearchConfig,
    generator: np.random.Generator,
) -> tuple[NDArray[np.int64], bool]:
    """Draw a turn in proportion to what moving it could save, and solve the part of the day around it."""
    costs = insertion_costs(problem, plan)
    now = np.where(plan == UNASSIGNED, problem.unassigned, costs[np.arange(len(plan)), plan])
    best = np.where(problem.allowed, costs, problem.unassigned).min(axis=1)
    weight = np.where(free, np.clip(now - best, 0, None) + 0.2 * now + 1.0, 0.0)
    seed = int(generator.choice(len(plan), p=weight / weight.sum()))
    attraction = costs[seed] + generator.gumbel(size=problem.n_stands) * (0.3 * now[seed] + 100)
    attraction[~problem.allowed[seed]] = np.inf
    if plan[seed] != UNASSIGNED:
        attraction[plan[seed]] = -np.inf
    order = np.argsort(attraction)
    # The best for the drawn turn, and one at random, be it only for what is in its way.
    stands = order[: min(config.stands, len(order)) - 1]
    stands = np.sort([*stands, generator.choice(order[len(stands) :])])
    movable = np.flatnonzero(free & (np.isin(plan, stands) | (plan == UNASSIGNED)))
    middle = problem.turns.sibt + problem.turns.sobt
    nearest = np.argsort(np.abs(middle[movable] - middle[seed]), kind="stable")[: config.free_turns]
    single = np.sort(movable[nearest])
    later = np.setdiff1d(movable[problem.turns.sibt[movable] > problem.turns.sibt[single].max()], single)
    blocks = [np.array([turn]) for turn in single]
    blocks += [block for stand in stands if len(block := later[plan[later] == stand])]
    return solve_part(problem, plan, blocks, stands, config.work_limit)


def solve_part(
    problem: Problem,
    plan: NDArray[np.int64],
    blocks: list[NDArray[np.int64]],
    stands: NDArray[np.int64],
    work_limit: float,
) -> tuple[NDArray[np.int64], bool]:
    """Place each block of turns on one of `stands`, or on none, at least cost; all other turns are fixed.

    work_limit: CP-SAT's deterministic time. Returns the new plan, or the old one if CP-SAT found none in its limit,
    and whether it proved it best.
    """
    part = Part(problem, plan, blocks, stands)
    solver = cp_model.CpSolver()
    # One worker and a deterministic limit: the same seed gives the same plan on any machine load.
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = work_limit
    status = solver.solve(part.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return plan, False
    return part.plan(solver.boolean_value), status == cp_model.OPTIMAL


class Part:
    """CP-SAT's model of some blocks of turns, each on one of some stands or on none, with all other turns fixed."""

    def __init__(
        self,
        problem: Problem,
        plan: NDArray[np.int64],
        blocks: list[NDArray[np.int64]],
        stands: NDArray[np.int64],
    ) -> None:
        """CP-SAT is told to begin with `plan` (n,)."""
        self.blocks, self.model = blocks, cp_model.CpModel()
        self.fixed = plan.copy()
        self.fixed[np.concatenate(blocks)] = UNASSIGNED
        self.choice: dict[tuple[int, int], cp_model.IntVar] = {}
        terms = self._choices(problem, plan, stands)
        terms += _meetings(self.model, problem, blocks, stands, self.choice)
        terms += coupled_terms(self.model, problem, blocks, self.choice)
        terms += tug_terms(self.model, problem, self.fixed, blocks, self.choice)
        self.model.minimize(sum(terms))

    def plan(self, chosen: Callable[[cp_model.IntVar], bool]) -> NDArray[np.int64]:
        """(n,) the plan of a solution. chosen: the value of each variable."""
        found = self.fixed.copy()
        for (index, stand), var in self.choice.items():
            if chosen(var):
                found[self.blocks[index]] = stand
        return found

    def _choices(
        self, problem: Problem, plan: NDArray[np.int64], stands: NDArray[np.int64]
    ) -> list[cp_model.LinearExpr]:
        """One stand or none for each block, and what that costs.

        What tugs cost is no sum over turns; it has constraints of its own.
        """
        model, terms = self.model, []
        costs, forbidden = insertion_costs(problem, self.fixed, tugs=False), blocked(problem, self.fixed)
        for index, block in enumerate(self.blocks):
            mine = {}
            for stand in stands.tolist():
                if not forbidden[block, stand].any():
                    mine[stand] = self.choice[index, stand] = model.new_bool_var("")
                    terms.append(int(costs[block, stand].sum()) * mine[stand])
            mine[UNASSIGNED] = model.new_bool_var("")
            terms.append(problem.unassigned * len(block) * mine[UNASSIGNED])
            model.add_exactly_one([mine[UNASSIGNED], *(mine[stand] for stand in mine if stand != UNASSIGNED)])
            for stand, var in mine.items():
                model.add_hint(var, bool(plan[block[0]] == stand))
        return terms


def _meetings(
    model: cp_model.CpModel,
    problem: Problem,
    blocks: list[NDArray[np.int64]],
    stands: NDArray[np.int64],
    choice: dict[tuple[int, int], cp_model.IntVar],
) -> list[cp_model.LinearExpr]:
    """What two free blocks cost each other on one stand or across a shadow, and where they clash."""
    terms: list[cp_model.LinearExpr] = []
    inside = set(stands.tolist())
    shadows = [shadow for shadow in problem.shadows if {shadow.first, shadow.second} <= inside]
    same = [(stand, stand) for stand in stands.tolist()]

    def forbid_or_charge(one: int, two: int, places: list[tuple[int, int]], meet: NDArray[np.bool_] | bool) -> None:
        both = np.ix_(blocks[one], blocks[two])
        price, clash = int((problem.pair[both] * meet).sum()), bool((problem.overlaps[both] & meet).any())
        if not price and not clash:
            return
        meets = None if clash else model.new_bool_var("")
        for first, second in places:
            if (one, first) in choice and (two, second) in choice:
                pair = [~choice[one, first], ~choice[two, second]]
                model.add_bool_or(pair if meets is None else [*pair, meets])
        if meets is not None:
            terms.append(price * meets)

    for one in range(len(blocks)):
        for two in range(one + 1, len(blocks)):
            forbid_or_charge(one, two, same, True)
            for shadow in shadows:
                first, second = shadow.first_casts, shadow.second_casts
                a, b = blocks[one], blocks[two]
                forbid_or_charge(one, two, [(shadow.first, shadow.second)], first[a][:, None] | second[b][None, :])
                forbid_or_charge(one, two, [(shadow.second, shadow.first)], second[a][:, None] | first[b][None, :])
    return terms
