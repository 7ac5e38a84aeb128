"""Choosing a recipe without a look at the private units, or with one that is paid for.

On public data the choice costs nothing. On the private units each try is a training of its own, and the best of some
tells more than one: here the number of tries is drawn from Poisson's distribution, with which the best of 5 costs about
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
POISSON = math.inf  # shape of the distribution of tries, in dp_accounting's terms


@lru_cache(maxsize=256)
def multiplier_for_search(epsilon: float, delta: float, rate: float, steps: int, tries: float) -> float:
    """The least noise multiplier with which a search of `tries` expected tries costs at most `epsilon`."""
    return least_noise(lambda noise: search_cost(Mechanism(noise, rate, steps), delta, tries), epsilon)


def search_cost(mechanism: Mechanism, delta: float, tries: float) -> float:
    """Epsilon at `delta`, by RDP, of a search whose tries each train with `mechanism` and are scored with noise."""
    from dp_accounting import ComposedDpEvent, GaussianDpEvent
    from dp_accounting.dp_event import RepeatAndSelectDpEvent
    from dp_accounting.rdp import RdpAccountant

    attempt = ComposedDpEvent([event_of(mechanism), GaussianDpEvent(SCORE_NOISE)])
    with without_log(logging.WARNING):
        accountant = RdpAccountant().compose(RepeatAndSelectDpEvent(attempt, tries, POISSON))
        return float(accountant.get_epsilon(delta))


def number_of_tries(bits: Bits, expected: float) -> int:
    """A draw from Poisson's distribution. It may be 0, of which the promise is made too."""
    from scipy.stats import poisson

    return int(poisson.ppf((float(bits.words(1)[0]) + 0.5) / 2.0**64, expected))


def some_of(bits: Bits, count: int, tries: int) -> list[int]:
    """Which of `count` recipes are tried, `tries` of them; one may be tried again."""
    return [int(word % np.uint64(count)) for word in bits.words(tries)]
