"""Why a turn is on its stand: what that costs, part by part; and why it is not on another: who blocks it, or what it
would cost more, to the unit of the objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import size_rank
from demos.stands.problem import (
    SCALE,
    UNASSIGNED,
    Problem,
    blocked,
    gaps,
    insertion_costs,
    preference_ranks,
    static_costs,
)
from demos.stands.rules.couplings import Coupling
from demos.stands.rules.ranks import CLOSURE, FIT, LOCKED, MARS, NIGHT, ONE, PUSHBACK, SHADOW, TUGS
from demos.stands.search.greedy import met_on
from demos.stands.verify import as_clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig


@dataclass(frozen=True)
class Part:
    """One part of what a turn on a stand costs [1/100 min]."""

    what: str
    cost: int


@dataclass(frozen=True)
class Block:
    """A physical rule by name, and in a sentence who or what is in the way."""

    rule: str
    sentence: str


def cost_parts(problem: Problem, config: StandsConfig, plan: NDArray[np.int64], turn: int, stand: int) -> list[Part]:
    """What `turn` costs on `stand`, the others where they are: parts that add up to the insertion cost.

    plan: (n,) stand positions; stand: a position, or UNASSIGNED.
    """
    if stand == UNASSIGNED:
        return [Part("no stand", problem.unassigned)]
    found = _own_parts(problem, config, turn, stand)
    beside = met_on(problem, plan, turn, stand)
    for other in beside[beside != turn].tolist():
        found += _shared_parts(problem, config, turn, other, plan[other] == stand)
    for coupling in problem.couplings:
        found.append(_coupled_part(problem, coupling, plan, turn, stand))
    if problem.tugs:
        costs = np.zeros((1, problem.n_stands), dtype=np.int64)
        problem.tugs.add_costs(costs, plan, np.array([turn]))
        found.append(Part(f"{TUGS}: tows at once", int(costs[0, stand])))
    return [part for part in found if part.cost]


def _own_parts(problem: Problem, config: StandsConfig, turn: int, stand: int) -> list[Part]:
    """What the turn costs there by itself: its passengers' way, its airline's terminal, rules that it breaks alone."""
    turns, at = problem.turns, problem.airport.stands[stand]
    wish = int(static_costs(turns, problem.airport, config.cost)[turn, stand])
    rank = int(preference_ranks(turns, problem.airport)[turn, stand])
    seats = int(turns.seats[turn])
    why = f"terminal {at.terminal}, {rank} below the airline's best, {seats} seats"
    found = [Part(why if at.contact else f"remote stand, {seats} seats", wish)]
    flight, parking = str(turns.table["flight"].iloc[turn]), problem.airport.night_parking
    broken = [LOCKED] if config.rules.locked.get(flight, at.id) != at.id else []
    broken += [NIGHT] if turns.over_night[turn] and parking and at.id not in parking else []
    return [*found, Part(" and ".join(broken), int(problem.static[turn, stand]) - wish)]


def _shared_parts(problem: Problem, config: StandsConfig, turn: int, other: int, same: bool) -> list[Part]:
    """What two turns on one stand, or across a shadow, cost each other."""
    turns, cost = problem.turns, config.cost
    pair = int(problem.pair[turn, other])
    gap = int(gaps(turns)[turn, other])
    short = int(np.rint(cost.buffer_per_minute * np.clip(cost.buffer - gap, 0, cost.buffer) * SCALE)) if pair else 0
    where = "before it" if turns.sibt[other] < turns.sibt[turn] else "after it"
    who = f"{name_of(problem, other)} {where}" + ("" if same else ", on the stand beside it")
    return [Part(f"expected conflict with {who}", pair - short), Part(f"{gap} min to {who}", short)]


def _coupled_part(problem: Problem, coupling: Coupling, plan: NDArray[np.int64], turn: int, stand: int) -> Part:
    cost = int(coupling.costs(plan, np.array([turn]))[0, stand])
    pairs = coupling.pairs[(coupling.pairs == turn).any(axis=1)]
    others = [int(pair.sum() - turn) for pair in pairs]
    met = [one for one in others if plan[one] != UNASSIGNED and coupling.between[stand, plan[one]]]
    what = "tow" if coupling.pairs is problem.turns.links else f"{PUSHBACK} at once with"
    return Part(f"{what} {', '.join(name_of(problem, one) for one in met)}", cost)


def blocks(problem: Problem, plan: NDArray[np.int64], turn: int, stand: int) -> list[Block]:
    """Every physical rule that keeps `turn` off `stand`, the others where they are; none: it could go there."""
    turns, at = problem.turns, problem.airport.stands[stand]
    code = turns.codes[turn]
    if size_rank(code) > size_rank(at.code):
        return [Block(FIT, f"code {code} does not fit {at.id}, which takes up to code {at.code}")]
    found = []
    if not problem.allowed[turn, stand]:
        hours = [f"{one.start}-{one.end}" for one in problem.airport.closures if one.stand == at.id]
        found.append(Block(CLOSURE, f"{at.id} is closed {', '.join(hours)}"))
    mars = [{one.wide, half} for one in problem.airport.mars for half in one.narrow]
    met = met_on(problem, plan, turn, stand)
    for other in met[problem.overlaps[turn, met]].tolist():
        there = problem.airport.stands[plan[other]].id
        rule = ONE if there == at.id else MARS if {there, at.id} in mars else SHADOW
        stay = f"{as_clock(int(turns.sibt[other]))} to {as_clock(int(turns.sobt[other]))}"
        found.append(Block(rule, f"{name_of(problem, other)} is on {there} from {stay}"))
    return found


def difference(problem: Problem, plan: NDArray[np.int64], turn: int, stand: int) -> int:
    """What the plan would cost more [1/100 min] if `turn` alone went to `stand`; negative: less."""
    costs = insertion_costs(problem, plan, np.array([turn]))[0]
    here = problem.unassigned if plan[turn] == UNASSIGNED else int(costs[plan[turn]])
    return int(costs[stand]) - here


def others_free(problem: Problem, plan: NDArray[np.int64], turn: int) -> list[tuple[int, int]]:
    """The stands that `turn` could go to, and what each would cost more [1/100 min], cheapest first."""
    free = ~blocked(problem, plan, np.array([turn]))[0]
    found = [(difference(problem, plan, turn, int(at)), int(at)) for at in np.flatnonzero(free) if at != plan[turn]]
    return [(stand, more) for more, stand in sorted(found)]


def name_of(problem: Problem, turn: int) -> str:
    """The flight of a turn."""
    return str(problem.turns.table["flight"].iloc[turn])
