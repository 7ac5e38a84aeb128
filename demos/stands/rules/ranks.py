"""The planner's rules and their ranks: when not all can hold, those of the lowest rank break first, and are listed.

A physical rule never breaks. What a breakable one costs is `factor` times that of the rank below it, among the rules
that are in force on a day; so one of a higher rank outweighs up to `factor` - 1 of each rank below, and the preferences
too as long as these differ by less than `price`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demos.stands.config import CostConfig, RulesConfig

PHYSICAL = 0


@dataclass(frozen=True)
class Rule:
    """rank: PHYSICAL, or 1 for what is given up last, and more for what is given up sooner."""

    name: str
    rank: int
    sentence: str


FIT, ONE, SHADOW, MARS, CLOSURE = "fit", "one aircraft a stand", "shadow", "MARS", "closure"
STAND, LOCKED, FROZEN = "a stand for each", "locked stand", "frozen window"
TUGS, PUSHBACK, NIGHT = "tugs", "push-back", "night parking"

RULES = (
    Rule(FIT, PHYSICAL, "An aircraft is on a stand of its ICAO code or a larger one."),
    Rule(ONE, PHYSICAL, "Two aircraft are never on one stand at once."),
    Rule(SHADOW, PHYSICAL, "Beside an aircraft that is large enough, the stand in its shadow is empty."),
    Rule(MARS, PHYSICAL, "A MARS position holds one aircraft on its wide stand, or one on each narrow half."),
    Rule(CLOSURE, PHYSICAL, "A closed stand is empty, or keeps who was there when it was closed unannounced."),
    Rule(STAND, 1, "Every aircraft has a stand."),
    Rule(LOCKED, 2, "A flight has the stand the planner wishes."),
    Rule(FROZEN, 3, "No stand changes so short before on-block."),
    Rule(TUGS, 4, "No more tows at once than there are tugs."),
    Rule(PUSHBACK, 5, "Two aircraft on neighbouring stands do not push back at once."),
    Rule(NIGHT, 6, "Aircraft spend the night where the airport wants them."),
)
RANKS = {rule.name: rule.rank for rule in RULES}
BREAKABLE = tuple(sorted((rule for rule in RULES if rule.rank != PHYSICAL), key=lambda rule: rule.rank))


@dataclass(frozen=True)
class Broken:
    """A rule by name, and in a sentence who breaks it where."""

    rule: str
    sentence: str


def lowest_first(broken: Iterable[Broken]) -> list[Broken]:
    """In the order in which rules are given up."""
    return sorted(broken, key=lambda one: -RANKS[one.rule])


def rule_prices(in_force: Iterable[str], rules: RulesConfig, cost: CostConfig) -> dict[str, float]:
    """What each rule in force costs when it breaks [conflict minutes]. A turn without a stand always has its price.

    >>> from demos.stands.config import CostConfig, RulesConfig
    >>> rule_prices([], RulesConfig(), CostConfig(unassigned=300.0))
    {'a stand for each': 300.0}
    >>> rule_prices(["push-back", "night parking"], RulesConfig(price=30.0, factor=10), CostConfig(unassigned=300.0))
    {'night parking': 30.0, 'push-back': 300.0, 'a stand for each': 3000.0}
    """
    given_up = sorted(set(in_force), key=lambda name: -RANKS[name])
    prices = {name: rules.price * rules.factor**step for step, name in enumerate(given_up)}
    prices[STAND] = max(cost.unassigned, rules.price * rules.factor ** len(prices) if prices else 0.0)
    return prices
