"""The stand allocation problem of one day in plain integer arrays, and what a plan costs.

Shapes: n turns, m stands. Costs are in 1/100 minutes of expected conflict, integers, so that CP-SAT, the greedy rules
and the independent verifier agree to the unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport, closed_minutes, shadow_pairs, size_rank
from demos.stands.config import CostConfig, RulesConfig, TowConfig
from demos.stands.meetings import Meetings, meetings
from demos.stands.rules.couplings import Coupling, Tugs, coupled_costs
from demos.stands.rules.day_rules import day_rules
from demos.stands.turns import Turns
from demos.stands.units import SCALE as SCALE
from demos.stands.units import UNASSIGNED as UNASSIGNED

if TYPE_CHECKING:
    from numpy.typing import NDArray


NO_RULES, NO_TOWS = RulesConfig(), TowConfig()


@dataclass(frozen=True)
class ShadowPair:
    """Two stands (positions) that must not both be taken when either turn casts a shadow on the other's stand.

    first_casts, second_casts: (n,) whether each turn, on the first or on the second stand, blocks the other one.
    """

    first: int
    second: int
    first_casts: NDArray[np.bool_]
    second_casts: NDArray[np.bool_]


@dataclass(frozen=True)
class Problem:
    """One day to plan.

    allowed: (n, m) fit and no closure; static: (n, m) cost of a turn on a stand by itself; pair: (n, n) cost of two
    turns sharing a stand, symmetric, zero diagonal; overlaps: (n, n) whether two turns' schedules overlap;
    unassigned: cost of a turn left without a stand; couplings, tugs: what turns on two stands cost each other. Rules
    that one turn on its stand can break are in `static`; least_rule: the price of the lowest rule in force, 0: none is.
    """

    turns: Turns
    airport: Airport
    allowed: NDArray[np.bool_]
    static: NDArray[np.int64]
    pair: NDArray[np.int64]
    overlaps: NDArray[np.bool_]
    shadows: tuple[ShadowPair, ...]
    unassigned: int
    couplings: tuple[Coupling, ...] = ()
    tugs: Tugs | None = None
    least_rule: int = 0

    @cached_property
    def meetings(self) -> Meetings:
        """Who would meet whom, for sums over near pairs alone."""
        return meetings(self.pair, self.overlaps, self.shadows, self.n_stands)

    @property
    def n_stands(self) -> int:
        """Number of stands m."""
        return len(self.airport.stands)


def build_problem(
    turns: Turns,
    airport: Airport,
    cost: CostConfig,
    expected_overlap: NDArray[np.float64],
    rules: RulesConfig = NO_RULES,
    tow: TowConfig = NO_TOWS,
    held: NDArray[np.int64] | None = None,
) -> Problem:
    """Assemble the arrays. expected_overlap: (n, n) minutes that turns i and j would share a stand, symmetric.

    held: (n,) the stand that a turn must keep if the frozen window is to hold, UNASSIGNED where it may change.
    """
    overlaps = (turns.sibt[:, None] < turns.sobt[None, :]) & (turns.sibt[None, :] < turns.sobt[:, None])
    np.fill_diagonal(overlaps, False)
    ranks = np.array([size_rank(code) for code in turns.codes])
    shadows = tuple(
        ShadowPair(first, second, ranks >= first_rank, ranks >= second_rank)
        for first, second, first_rank, second_rank in shadow_pairs(airport)
    )
    ordered = day_rules(turns, airport, cost, rules, tow, held)
    return Problem(
        turns, airport, _allowed(turns, airport, ranks), static_costs(turns, airport, cost) + ordered.static,
        pair_costs(turns, cost, expected_overlap), overlaps, shadows,
        ordered.unassigned, ordered.couplings, ordered.tugs, ordered.least,
    )  # fmt: skip


def pair_costs(turns: Turns, cost: CostConfig, expected_overlap: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n, n) cost of two turns on one stand: expected overlap and what the gap lacks of the wished buffer.

    Parts of one aircraft's stay cost each other nothing.
    """
    short = np.clip(cost.buffer - gaps(turns), 0, cost.buffer)
    pair = _integers(cost.conflict * expected_overlap + cost.buffer_per_minute * short)
    aircraft = turns.aircraft
    pair[aircraft[:, None] == aircraft[None, :]] = 0
    return pair


def _integers(minutes: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(minutes * SCALE).astype(np.int64)


def gaps(turns: Turns) -> NDArray[np.int64]:
    """(n, n) scheduled minutes between the earlier turn's off-block and the later one's on-block; negative: overlap."""
    after = turns.sibt[None, :] - turns.sobt[:, None]
    return np.maximum(after, after.T)


def _allowed(turns: Turns, airport: Airport, ranks: NDArray[np.int64]) -> NDArray[np.bool_]:
    capacity = np.array([size_rank(stand.code) for stand in airport.stands])
    allowed = ranks[:, None] <= capacity[None, :]
    position = {stand.id: index for index, stand in enumerate(airport.stands)}
    for closure in airport.closures:
        start, end = closed_minutes(closure, turns.day_start)
        allowed[(turns.sibt < end) & (turns.sobt > start), position[closure.stand]] = False
    return allowed


def static_costs(turns: Turns, airport: Airport, cost: CostConfig) -> NDArray[np.int64]:
    """(n, m) what a turn on a stand costs its passengers and its airline [1/100 min]."""
    remote = np.array([not stand.contact for stand in airport.stands])
    ranks = preference_ranks(turns, airport)
    per_hundred = cost.remote_per_100_pax * remote[None, :] + cost.preference_per_100_pax * ranks
    return _integers(turns.seats[:, None] / 100 * per_hundred)


def preference_ranks(turns: Turns, airport: Airport) -> NDArray[np.int64]:
    """(n, m) how far down the airline's list the stand's terminal is: 0 best; contact stands off the list rank last.

    A remote stand has no terminal preference (its own cost covers it): rank 0. So has an airline without a list.
    """
    ranks = np.zeros((len(turns), len(airport.stands)), dtype=np.int64)
    carriers = turns.table["carrier"].to_numpy(str)
    for carrier in np.unique(carriers):
        wanted = airport.preferences.get(str(carrier))
        if wanted:
            ranks[carriers == carrier] = [
                (wanted.index(stand.terminal) if stand.terminal in wanted else len(wanted)) if stand.contact else 0
                for stand in airport.stands
            ]
    return ranks


ALL = slice(None)
Rows = slice | np.ndarray


def insertion_costs(
    problem: Problem, plan: NDArray[np.int64], rows: Rows = ALL, tugs: bool = True
) -> NDArray[np.int64]:
    """(rows, m) what each turn would cost on each stand, the others where they are (not counting hard rules).

    tugs: whether to count what too few of them cost.
    """
    turns = np.arange(len(plan))[rows]
    costs = problem.static[rows] + problem.meetings.with_each(plan, turns)
    few = problem.tugs if tugs else None
    if problem.couplings or few:
        costs += coupled_costs(problem.couplings, few, plan, turns, problem.n_stands)
    return costs


def blocked(problem: Problem, plan: NDArray[np.int64], rows: Rows = ALL) -> NDArray[np.bool_]:
    """(rows, m) whether a hard rule forbids each turn on each stand, the others where they are."""
    return ~problem.allowed[rows] | problem.meetings.clash(plan, np.arange(len(plan))[rows])


def plan_cost(problem: Problem, plan: NDArray[np.int64]) -> int:
    """Total cost of a plan in 1/100 minutes: stands, pairs, couplings, unassigned turns."""
    on = np.flatnonzero(plan != UNASSIGNED)
    static = int(problem.static[on, plan[on]].sum())
    static += sum(coupling.total(plan) for coupling in problem.couplings)
    if problem.tugs:
        static += problem.tugs.total(plan)
    return static + problem.meetings.total(plan) + problem.unassigned * (len(plan) - len(on))


def cost_change(problem: Problem, plan: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """How much more the `other` plan costs, from what differs alone [1/100 min]."""
    moved = np.flatnonzero(plan != other)
    change = 0
    for sign, one in ((-1, plan), (1, other)):
        on = moved[one[moved] != UNASSIGNED]
        change += sign * int(problem.static[on, one[on]].sum() - problem.unassigned * len(on))
        change += sign * sum(coupling.total(one) for coupling in problem.couplings)
        if problem.tugs:
            change += sign * problem.tugs.total(one)
    return change + problem.meetings.change(plan, other, moved)


def part_of(
    problem: Problem,
    turns: NDArray[np.int64],
    stands: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    static: NDArray[np.int64],
) -> Problem:
    """The problem of some turns (r,) and stands (s,), positions in order, without couplings and tugs.

    allowed, static: (r, s) as there, with what the other turns mean to these.
    """
    day, both = problem.turns, np.ix_(turns, turns)
    place = {int(stand): index for index, stand in enumerate(stands)}
    return Problem(
        turns=replace(
            day, table=day.table.iloc[turns], sibt=day.sibt[turns], sobt=day.sobt[turns],
            night_stop=day.night_stop[turns], reconstructed=day.reconstructed[turns], links=day.links[:0],
        ),
        airport=problem.airport.model_copy(update={"stands": tuple(problem.airport.stands[stand] for stand in stands)}),
        allowed=allowed,
        static=static,
        pair=problem.pair[both],
        overlaps=problem.overlaps[both],
        shadows=tuple(
            ShadowPair(place[one.first], place[one.second], one.first_casts[turns], one.second_casts[turns])
            for one in problem.shadows
            if one.first in place and one.second in place
        ),
        unassigned=problem.unassigned,
    )  # fmt: skip
