"""Choosing a recipe without a look at the private units, or with one that is paid for.

On public data the choice costs nothing. On the private units each try is a training of its own, and the best of some
tells more than one: here the number of tries is drawn from a logarithmic distribution, with which the best costs about
twice what a single try does (Papernot and Steinke, "Hyperparameter tuning with Renyi differential privacy", ICLR 2022).
"""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.budget.accountant import Mechanism, event_of, least_noise, without_log

if TYPE_CHECKING:
    from demos.private_training.step.bits import Bits

SCORE_NOISE = 20.0  # standard deviation of the noise on the number of units that a try gets right
LOGARITHMIC = 0.0  # shape of the distribution of tries, in dp_accounting's terms


@lru_cache(maxsize=256)
def multiplier_for_search(epsilon: float, delta: float, rate: float, steps: int, tries: float) -> float:
    """The least noise multiplier with which a search of `tries` expected tries, above 1, costs at most `epsilon`."""
    return least_noise(lambda noise: search_cost(Mechanism(noise, rate, steps), delta, tries), epsilon)


def search_cost(mechanism: Mechanism, delta: float, tries: float) -> float:
    """Epsilon at `delta`, by RDP, of a search whose tries each train with `mechanism` and are scored with noise."""
    from dp_accounting import ComposedDpEvent, GaussianDpEvent
    from dp_accounting.dp_event import RepeatAndSelectDpEvent
    from dp_accounting.rdp import RdpAccountant

    attempt = ComposedDpEvent([event_of(mechanism), GaussianDpEvent(SCORE_NOISE)])
    with without_log(logging.WARNING):
        accountant = RdpAccountant().compose(RepeatAndSelectDpEvent(attempt, tries, LOGARITHMIC))
        return float(accountant.get_epsilon(delta))


def number_of_tries(bits: Bits, expected: float) -> int:
    """A draw from the logarithmic distribution with this mean, above 1: k has a probability like shrink**k / k."""
    shrink = _shrink(expected)
    # The sum of the series is -log(1 - shrink): walk along it until it passes a uniform number.
    left = float(bits.words(1)[0] / 2.0**64) * -math.log1p(-shrink)
    tries, term = 1, shrink
    while left > term and tries < 10_000:
        left, tries = left - term, tries + 1
        term = shrink**tries / tries
    return tries


def _shrink(expected: float) -> float:
    """The parameter of the logarithmic distribution with this mean, by halving: the mean grows with it."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = middle / ((1 - middle) * -math.log1p(-middle)) if middle else 1.0
        low, high = (middle, high) if mean < expected else (low, middle)
    return low


def some_of(bits: Bits, count: int, tries: int) -> list[int]:
    """Which of `count` recipes are tried, `tries` of them; one may be tried again."""
    return [int(word % np.uint64(count)) for word in bits.words(tries)]
