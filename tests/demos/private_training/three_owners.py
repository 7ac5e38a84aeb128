"""Three owners of small random tables, for tests."""

from typing import Any

import torch
from torch import nn

from demos.private_training.learn.fit import Recipe, Units
from demos.private_training.trust.owner import Owner
from demos.private_training.trust.plan import Plan

RECIPE = Recipe(steps=6, rate=1.0, learning_rate=5.0, bound=0.3)
NAMES = ("north", "south", "west")


def table(seed: int, count: int = 40, width: int = 5) -> Units:
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 3, width, generator=random)
    return Units(inputs, (inputs.sum(2) > 0).long())


def three() -> list[Owner]:
    return [Owner(name, table(place, 30 + 10 * place)) for place, name in enumerate(NAMES)]


def plan(owners: list[Owner], multiplier: float = 0.0, **more: Any) -> Plan:
    parts = sum(len(owner.units) for owner in owners)
    return Plan(RECIPE, len(owners), parts, multiplier, **{"seed": 0, **more})


def one_more(units: Units, row: torch.Tensor, label: int) -> Units:
    """With a unit that has `row` (width,) in all its views."""
    inputs = torch.cat([units.inputs, row.expand(1, units.views, -1)])
    return Units(inputs, torch.cat([units.labels, torch.full((1, units.views), label)]))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
