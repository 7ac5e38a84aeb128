"""What the breakable rules mean on one day: prices on stands, couplings of turns, and few tugs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport, neighbours, size_rank
from demos.stands.rules.couplings import Coupling, Tugs
from demos.stands.rules.ranks import FROZEN, LOCKED, NIGHT, PUSHBACK, STAND, TUGS, rule_prices
from demos.stands.turns import Turns
from demos.stands.units import SCALE, UNASSIGNED
from shared.errors import UserError
from shared.names import did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import CostConfig, RulesConfig, TowConfig


@dataclass(frozen=True)
class DayRules:
    """static: (n, m) what a turn on a stand breaks by itself; unassigned: a turn without a stand; least: the lowest
    rule in force, 0 where there is none [1/100 min]."""

    static: NDArray[np.int64]
    couplings: tuple[Coupling, ...]
    tugs: Tugs | None
    unassigned: int
    least: int


def require_known_locks(days: Sequence[Turns], airport: Airport, locked: Mapping[str, str]) -> None:
    """Raises UserError for a lock of an unknown flight, on an unknown stand, or on one that is too small."""
    codes = {stand.id: stand.code for stand in airport.stands}
    for flight, name in locked.items():
        if name not in codes:
            raise UserError(f"rules.locked: {flight}: no stand {name!r} in {airport.name}{did_you_mean(name, codes)}")
        sizes = {
            code for day in days for one, code in zip(day.table["flight"], day.codes, strict=True) if one == flight
        }
        if not sizes:
            known = sorted({one for day in days for one in day.table["flight"]})
            raise UserError(f"rules.locked: no flight {flight!r} on the planned days{did_you_mean(flight, known)}")
        if size_rank(largest := max(sizes)) > size_rank(codes[name]):
            raise UserError(f"rules.locked: {flight}: code {largest} does not fit stand {name} (code {codes[name]})")


def day_rules(
    turns: Turns,
    airport: Airport,
    cost: CostConfig,
    rules: RulesConfig,
    tow: TowConfig,
    held: NDArray[np.int64] | None = None,
) -> DayRules:
    """Each breakable rule as costs. held: (n,) the stand to keep in the frozen window, UNASSIGNED where none."""
    wishes = _wished_stands(turns, airport, rules)
    beside, pairs = neighbours(airport), _pushed_back_at_once(turns, rules.pushback)
    wanted = np.array([stand.id in airport.night_parking or not airport.night_parking for stand in airport.stands])
    tugs = _tugs(turns, tow)
    in_force = {
        LOCKED: (wishes != UNASSIGNED).any(),
        FROZEN: held is not None,
        TUGS: tugs is not None,
        PUSHBACK: beside.any() and len(pairs) > 0,
        NIGHT: not wanted.all(),
    }
    prices = rule_prices([name for name, on in in_force.items() if on], rules, cost)
    price = {name: int(np.rint(prices.get(name, 0) * SCALE)) for name in (*in_force, STAND)}
    static = price[LOCKED] * _elsewhere(wishes, len(airport.stands))
    static += price[NIGHT] * (turns.over_night[:, None] & ~wanted[None, :])
    if held is not None:
        static += price[FROZEN] * _elsewhere(held, len(airport.stands))
    couplings = []
    if price[PUSHBACK]:
        couplings.append(Coupling(pairs, beside, price[PUSHBACK], len(turns)))
    if len(turns.links):
        apart = ~np.eye(len(airport.stands), dtype=bool)
        couplings.append(Coupling(turns.links, apart, int(np.rint(tow.cost * SCALE)), len(turns)))
    if tugs is not None:
        tugs = Tugs(tugs.links, tugs.begin, tugs.minutes, tugs.tugs, price[TUGS])
    least = min((price[name] for name in in_force if price[name]), default=0)
    return DayRules(static, tuple(couplings), tugs, price[STAND], least)


def _elsewhere(wanted: NDArray[np.int64], n_stands: int) -> NDArray[np.bool_]:
    """(n, m) every stand but the wanted one (n,); none where UNASSIGNED is wanted."""
    return (wanted[:, None] != UNASSIGNED) & (wanted[:, None] != np.arange(n_stands)[None, :])


def _wished_stands(turns: Turns, airport: Airport, rules: RulesConfig) -> NDArray[np.int64]:
    """(n,) the stand that the planner wishes for a flight, UNASSIGNED for none; it may park elsewhere."""
    position = {stand.id: index for index, stand in enumerate(airport.stands)}
    wishes = [position.get(rules.locked.get(flight, ""), UNASSIGNED) for flight in turns.table["flight"]]
    return np.where(turns.parked, UNASSIGNED, np.array(wishes, dtype=np.int64))


def _pushed_back_at_once(turns: Turns, minutes: int) -> NDArray[np.int64]:
    """(p, 2) turns that leave within less than `minutes` of each other by themselves: a tow can wait."""
    close = np.abs(turns.sobt[:, None] - turns.sobt[None, :]) < minutes
    leaves = ~turns.leaves_by_tow
    return np.argwhere(np.triu(close & leaves[:, None] & leaves[None, :], 1))


def _tugs(turns: Turns, tow: TowConfig) -> Tugs | None:
    """Who tows when, still without a price; None where there are tugs for all that could ever be towed at once."""
    links = turns.links[np.argsort(turns.sobt[turns.links[:, 0]], kind="stable")]
    tugs = Tugs(links, turns.sobt[links[:, 0]], tow.minutes, tow.tugs, 0)
    return tugs if tugs.waits(np.ones(len(links), dtype=bool)).any() else None
