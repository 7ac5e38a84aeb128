"""What a promise to each row is worth to an owner of several.

A step that samples rows by coins of their own holds Binomial(k, rate) of an owner's k, each of which moves the sum by
the bound at most, and all of them the same way at worst: the owner's shift is a mixture of Gaussians, and its privacy
loss distribution is composed as any other (Ganesh, "Tight group-level DP guarantees for DP-SGD with sampling via
mixture of Gaussians mechanisms", 2024). Multiplying epsilon by k would say nothing of delta, and less that is true.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.budget.accountant import checked_delta
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.private_training.budget.accountant import Mechanism

TAIL = 1e-13  # chance of more rows in a step than are counted, which delta pays for
GRID = 1e-3  # of the privacy loss, for each row: with more of them losses are larger, and may be counted coarser
COARSEST = 1e-1
MOST = 500.0  # epsilon, above which sums of e^epsilon overflow, and a number would say no more than none does


def group_epsilon(mechanism: Mechanism, rows: int, delta: float) -> float:
    """An upper bound of epsilon at `delta` for an owner of `rows` rows, from 1, each of which `mechanism` is promised.

    Infinite where it is above MOST. Raises UserError for no rows.
    """
    if rows < 1:
        raise UserError(f"an owner has at least one row, got {rows}")
    epsilon = _bound(mechanism, rows, checked_delta(delta))
    return epsilon if epsilon <= MOST else math.inf


def _unsampled(multiplier: float, delta: float) -> float:
    """All rows are in every step, so that all steps together are one Gaussian mechanism, whose delta is known."""
    from dp_accounting.pld.privacy_loss_mechanism import GaussianPrivacyLoss
    from scipy.optimize import brentq

    loss = GaussianPrivacyLoss(multiplier)
    if loss.get_delta_for_epsilon(0.0) <= delta:
        return 0.0
    if loss.get_delta_for_epsilon(MOST) > delta:
        return math.inf
    return float(brentq(lambda epsilon: loss.get_delta_for_epsilon(epsilon) - delta, 0.0, MOST))


@lru_cache(maxsize=256)
def _bound(mechanism: Mechanism, rows: int, delta: float) -> float:
    from dp_accounting.pld import privacy_loss_distribution
    from scipy.stats import binom

    if mechanism.rate == 1:
        return _unsampled(mechanism.multiplier / (rows * math.sqrt(mechanism.steps)), delta)
    most = int(binom.isf(TAIL, rows, mechanism.rate))
    chances = binom.pmf(np.arange(most + 1), rows, mechanism.rate)
    with np.errstate(over="ignore"):
        losses = privacy_loss_distribution.from_mixture_gaussian_mechanism(
            mechanism.multiplier,
            [float(shift) for shift in range(most + 1)],
            (chances / chances.sum()).tolist(),
            value_discretization_interval=min(GRID * rows, COARSEST),
        ).self_compose(mechanism.steps)
        # Without the tail the steps are another mechanism, which differs from ours with this chance at most.
        return float(losses.get_epsilon_for_delta(delta - mechanism.steps * TAIL))
