"""Training by owners who share a model and no rows, under budgets of theirs.

model = federate(linear(66, 2), owners, recipe, epsilon=1, delta=1e-5, ledger=ledger, purpose="delays")
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from demos.private_training.budget.accountant import checked_delta, multiplier_for
from demos.private_training.learn.fit import predicted
from demos.private_training.step.bits import SystemBits
from demos.private_training.step.book import Book
from demos.private_training.step.noise import noisy
from demos.private_training.trust.backends import Backend, quiet_flower, run_apps
from demos.private_training.trust.owner import Owner, code_hash
from demos.private_training.trust.plan import Noise, Plan, planned
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from demos.private_training.learn.fit import Recipe
    from demos.private_training.step.bits import Bits
    from demos.private_training.trust.ledger import Ledger

SIMULATED = "attestation simulated"


def federate(
    model: nn.Module,
    owners: Sequence[Owner],
    recipe: Recipe,
    *,
    epsilon: float,
    delta: float,
    ledger: Ledger,
    purpose: str,
    noise: Noise = "shared",
    parts: int | None = None,
    seed: int | None = None,
    backend: Backend = "process",
) -> nn.Module:
    """A copy of `model`, trained by all owners together; the ledger is charged before anything is made of a row.

    recipe: at a rate of 1. epsilon, delta: what it costs each owner; above 0, delta below 1 / units of each. parts:
    what sums are divided by, public; None: the owners tell their numbers of units. seed: of the noise, for experiments,
    which protect nobody.
    Raises UserError when a budget is too small or not there, and for fewer than 2 owners.
    """
    names = [owner.name for owner in owners]
    if len(set(names)) < len(names):
        raise UserError(f"trust: owners must have different names, got {names}")
    _refuse_shapes(model, owners)
    checked_delta(delta, max(len(owner.units) for owner in owners))
    parts = sum(len(owner.units) for owner in owners) if parts is None else parts
    plan = dataclasses.replace(planned(recipe, len(owners), parts, epsilon, delta, noise), seed=seed)
    with ledger.spending(names, epsilon, delta, told(purpose)):
        return trained_together(model, owners, plan, backend)


def trained_together(model: nn.Module, owners: Sequence[Owner], plan: Plan, backend: Backend = "process") -> nn.Module:
    """A copy of `model`, trained as planned. What it costs is for the caller to reserve."""
    if len(owners) != plan.owners:
        raise UserError(f"trust: planned for {plan.owners} owners, there are {len(owners)}")
    quiet_flower()
    from demos.private_training.trust.apps import coordinator_app, owners_app

    found: list[nn.Module] = []
    run_apps(coordinator_app(model, plan, found.append), owners_app(owners, model, plan), len(owners), backend)
    return found[0]


def _refuse_shapes(model: nn.Module, owners: Sequence[Owner]) -> None:
    """Before anything is reserved for what could not run. It looks at shapes alone."""
    Book(model).close()
    shapes = {owner.name: tuple(owner.units.inputs.shape[2:]) for owner in owners}
    if len(set(shapes.values())) > 1:
        raise UserError(f"trust: rows must have the same shape at all owners, got {shapes}")
    for owner in owners:
        try:
            classes = predicted(model, torch.zeros(1, *shapes[owner.name])).shape[1]
        except RuntimeError as error:
            raise UserError(f"trust: the model does not take rows of the shape {shapes[owner.name]}: {error}") from None
        if owner.classes > classes:
            raise UserError(f"trust: {owner.name!r} has labels of {owner.classes} classes, the model of {classes}")


def told(purpose: str) -> str:
    """A purpose for the ledger, with the hash of the code that looks at the rows."""
    return f"{purpose}; code {code_hash()[:12]}, {SIMULATED}"


def private_share(
    owner: Owner, *, epsilon: float, delta: float, ledger: Ledger, purpose: str, bits: Bits | None = None
) -> float:
    """Share of label 1 in one owner's rows, the mean over its units of each one's own share, with Gaussian noise.

    Their number counts as public. A unit moves the sum of shares by at most 1. Raises UserError as `federate` does.
    """
    multiplier = multiplier_for(epsilon, checked_delta(delta, len(owner.units)), 1.0, 1)
    with ledger.spending([owner.name], epsilon, delta, told(purpose)):
        units = owner.units
        ones = (units.labels == 1).double()
        weights = torch.full_like(ones, 1 / units.views) if units.weights is None else units.weights.double()
        (total,) = noisy([(ones * weights).sum(1).clamp(0, 1).sum()[None]], 1.0, multiplier, bits or SystemBits())
    return float(total) / len(units)
