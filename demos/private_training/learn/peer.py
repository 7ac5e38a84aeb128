"""The peer: Opacus as its documentation has it, with its engine, its sampler and its per-sample gradients."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from demos.private_training.learn.fit import Recipe, Units
    from demos.private_training.step.bits import Bits


def fit_with_opacus(model: nn.Module, units: Units, recipe: Recipe, multiplier: float, bits: Bits) -> nn.Module:
    """A copy of `model` trained by Opacus on the first view of each unit; the last weights, as its examples keep them.

    bits: seed its two generators. multiplier: of the noise; 0 is not private.
    """
    from opacus import PrivacyEngine

    model = copy.deepcopy(model).to(units.inputs.device).train()
    inputs, labels = units.inputs[:, 0], units.labels[:, 0]
    seeds = [int(word) for word in bits.words(2) >> np.uint64(1)]
    noise = torch.Generator(units.inputs.device).manual_seed(seeds[0])
    sampling = torch.Generator().manual_seed(seeds[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its secure generator is off, and hooks on the first layer's input
        # Batches are chosen below, as its sampler does: its loader collates pictures one by one, which takes longer
        # than the training. What it computes, clips, adds and counts is its own.
        engine = PrivacyEngine()
        optimizer = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
        places = torch.utils.data.TensorDataset(torch.arange(len(units)))
        private, optimizer, _ = engine.make_private(
            module=model,
            optimizer=optimizer,
            data_loader=torch.utils.data.DataLoader(places, batch_size=max(1, round(recipe.rate * len(units)))),
            noise_multiplier=multiplier,
            max_grad_norm=recipe.bound,
            noise_generator=noise,
        )
        optimizer.expected_batch_size = recipe.rate * len(units)
        for _ in range(recipe.steps):
            chosen = (torch.rand(len(units), generator=sampling) < recipe.rate).to(inputs.device)
            optimizer.zero_grad()
            functional.cross_entropy(private(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
    return private.to_standard_module().eval()
