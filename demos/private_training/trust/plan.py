"""What owners agree on before anybody looks at a row, and what of it who can find out.

A unit may have rows at several owners, who need not know it of each other. So each owner clips the gradient of the rows
that it has of a unit to its own share of the bound, C / n of n owners: all parts together are no longer than C, however
they point. (C / sqrt(n) each would do only for parts at right angles.) All units are in all rounds: sampling would need
one coin for a unit at all owners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from demos.private_training.budget.accountant import COARSE, Mechanism, epsilon_of, multiplier_for
from demos.private_training.step.noise import SLACK, lattice_step
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.private_training.learn.fit import Recipe

Noise = Literal["shared", "alone"]
LEAST = 8.0  # standard deviation of an owner's noise, in steps of the lattice


@dataclass(frozen=True)
class Plan:
    """A training by `owners`, from 2. Public.

    recipe: at a rate of 1; its bound is that of all of a unit's parts together. parts: what sums are divided by, a
    number that owners agree on, such as their numbers of units added up. multiplier: standard deviation of the noise
    that is promised in the total, in units of the bound; 0 is not private. noise: "shared": the owners' noises are that
    together; "alone": each owner's is. seed: of the noise, for experiments, which protect nobody; None: its bits come
    from the operating system.
    """

    recipe: Recipe
    owners: int
    parts: int
    multiplier: float
    noise: Noise = "shared"
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.owners < 2:
            raise UserError(f"trust: a secure sum needs at least 2 owners, got {self.owners}")
        if self.recipe.rate != 1:
            raise UserError(f"trust: all units are in all rounds: the rate must be 1, not {self.recipe.rate:g}")
        if self.parts < 1:
            raise UserError(f"trust: parts must be a number from 1, got {self.parts}")

    @property
    def bound(self) -> float:
        """Of what one owner has of a unit."""
        return self.recipe.bound / self.owners

    def step(self, size: int) -> float:
        """Of the lattice, for a model of `size` numbers. Every owner rounds its sum, and moves it by at most SLACK of
        its own bound: all together by SLACK of the whole one."""
        return lattice_step(self.bound, size)

    def own_noise(self, size: int) -> float:
        """Standard deviation of what one owner adds, in steps of the lattice.

        Sums of rounded normal numbers are as good as rounded sums of them: the chance of each whole number is the
        normal density, smoothed by a uniform variable for each owner, and one more such variable than the rounding
        needs only blurs. That holds but for e^(-2 (pi sigma)^2), which LEAST makes nothing.
        """
        total = self.multiplier * self.recipe.bound * (1 + SLACK) / self.step(size)
        own = total / math.sqrt(self.owners) if self.noise == "shared" else total
        if self.multiplier and own < LEAST:
            raise UserError(f"trust: a noise multiplier of {self.multiplier:g} is too small for the lattice")
        return own


def planned(recipe: Recipe, owners: int, parts: int, epsilon: float, delta: float, noise: Noise = "shared") -> Plan:
    """A training that costs at most `epsilon` at `delta`, with noise from the operating system."""
    return Plan(recipe, owners, parts, multiplier_for(epsilon, delta, recipe.rate, recipe.steps), noise)


@dataclass(frozen=True)
class Sight:
    """What one who is curious has. own: owners whose rows and noise it knows. bare: owners whose noise it knows or who
    left it out, but whose rows it does not know."""

    who: str
    own: int = 0
    bare: int = 0


def multiplier_against(plan: Plan, sight: Sight) -> float:
    """Of the noise that is left for the parts of a unit which `sight` does not know, over the bound of those parts.

    Zero when there is no noise left, infinite when there is nothing left to find out.
    """
    honest, hidden = plan.owners - sight.own - sight.bare, plan.owners - sight.own
    if hidden == 0:
        return math.inf
    own = plan.multiplier * (1 / math.sqrt(plan.owners) if plan.noise == "shared" else 1.0)
    return own * math.sqrt(honest) * plan.owners / hidden


def epsilon_against(plan: Plan, sight: Sight, delta: float) -> float:
    """What `sight` costs a unit at most; infinite without noise."""
    multiplier = multiplier_against(plan, sight)
    if not 0 < multiplier < math.inf:
        return 0.0 if multiplier else math.inf
    return epsilon_of(Mechanism(multiplier, 1.0, plan.recipe.steps), delta, COARSE)
