"""A network too large for a step in one piece: batches in pieces, by Opacus's BatchMemoryManager on our engine."""

from __future__ import annotations

import copy
import math
import warnings
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from demos.private_training.learn.fit import take_into_mean
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.private_training.learn.fit import Recipe, Units
    from demos.private_training.step.bits import Bits

AT_ONCE = 256  # units that are held at a time


def fit_in_pieces(
    model: nn.Module, units: Units, recipe: Recipe, multiplier: float, bits: Bits, at_once: int = AT_ONCE
) -> nn.Module:
    """As `fit`, on the first view of each unit, with at most `at_once` of a batch in memory.

    recipe: 1 / rate must be whole, and so many batches there must be. The same weights whatever `at_once` is, up to
    rounding. Raises UserError for a rate that the loader cannot keep: the noise was reckoned for it.
    """
    from opacus.utils.batch_memory_manager import BatchMemoryManager

    from demos.private_training.step.engine import BookKeepingEngine

    model = copy.deepcopy(model).to(units.inputs.device).train()
    average = copy.deepcopy(model).requires_grad_(False)
    dataset = TensorDataset(units.inputs[:, 0], units.labels[:, 0])
    batches = DataLoader(dataset, batch_size=math.ceil(recipe.rate * len(units)))
    if not math.isclose(len(batches) * recipe.rate, 1):
        raise UserError(f"{len(units):,} units in {len(batches)} batches are not sampled at a rate of {recipe.rate:g}")
    first = recipe.steps - max(1, round(recipe.steps * recipe.averaged))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hooks on the first layer's input
        wrapped, optimizer, criterion, loader = BookKeepingEngine(bits=bits).make_private(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum),
            criterion=nn.CrossEntropyLoss(),
            data_loader=batches,
            noise_multiplier=multiplier,
            max_grad_norm=recipe.bound,
        )
        done = 0
        while done < recipe.steps:
            with BatchMemoryManager(data_loader=loader, max_physical_batch_size=at_once, optimizer=optimizer) as pieces:
                for inputs, labels in pieces:
                    optimizer.zero_grad()
                    criterion(wrapped(inputs), labels).backward()
                    optimizer.step()
                    if not optimizer._is_last_step_skipped:
                        take_into_mean(average, model, done - first)
                        done += 1
                    if done == recipe.steps:
                        break
    wrapped.remove_hooks()
    return average.requires_grad_(True).eval()
