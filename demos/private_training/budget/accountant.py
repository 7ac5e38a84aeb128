"""What a training costs: the accountant of record is dp_accounting's privacy loss distribution (PLD).

Neighbours differ by one unit added or removed. Each step is a Gaussian mechanism on a Poisson sample of the units. The
bound is pessimistic, so a true upper one; that of PRV (Gopi, Lee and Wutschitz, NeurIPS 2021), computed by Opacus
another way, brackets it, and that of Renyi divergence (RDP) shows what an older bound would have asked for. Bounds of
the central limit theorem (GDP) are too small for the composition of subsampled steps, and not offered.
"""

from __future__ import annotations

import logging
import math
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

GRID = 1e-4  # of the privacy loss, of the accountant of record
COARSE = 1e-3  # while a noise is searched for
BRACKET = 0.01  # half the width of PRV's
LEAST_EPSILON = 1e-6
LEAST_DELTA = 1e-13  # the accountant cuts off tails of 1e-15, which count as delta
MOST_NOISE = 1_000_000  # beyond which nothing would be learned
ALMOST_ALL = 1 - 1e-9  # PRV knows sampled mechanisms alone


@dataclass(frozen=True)
class Mechanism:
    """Steps of Gaussian noise on Poisson samples.

    multiplier: standard deviation over the bound of a unit's gradient, above 0; rate: of sampling, above 0, at most
    1; steps: from 1.
    """

    multiplier: float
    rate: float
    steps: int

    def __post_init__(self) -> None:
        if not (self.multiplier > 0 and math.isfinite(self.multiplier)):
            raise UserError(
                f"a noise multiplier must be above 0, got {self.multiplier}: without noise nothing is private"
            )
        if not 0 < self.rate <= 1 or self.steps < 1:
            raise UserError(f"a rate is above 0, at most 1, and steps are 1 or more; got {self.rate} and {self.steps}")


@dataclass(frozen=True)
class Bill:
    """epsilon: of record, of PLD; low, high: PRV's bracket; renyi: that of RDP. All at the same delta."""

    epsilon: float
    low: float
    high: float
    renyi: float


def epsilon_of(mechanism: Mechanism, delta: float, grid: float = GRID) -> float:
    """An upper bound of epsilon at `delta`, above 0 and below 1."""
    return _epsilon(mechanism, checked_delta(delta), grid)


@lru_cache(maxsize=4096)
def _epsilon(mechanism: Mechanism, delta: float, grid: float) -> float:
    from dp_accounting.pld import PLDAccountant

    return float(PLDAccountant(value_discretization_interval=grid).compose(event_of(mechanism)).get_epsilon(delta))


def epsilon_of_all(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """An upper bound of epsilon at `delta` of several on the same units, each after the others; 0 for none."""
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=GRID)
    for mechanism in mechanisms:
        accountant.compose(event_of(mechanism))
    return float(accountant.get_epsilon(checked_delta(delta))) if mechanisms else 0.0


@lru_cache(maxsize=256)
def curve_of(mechanism: Mechanism, grid: float = COARSE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The whole promise: epsilons (401,) from 0 to 40, and an upper bound of delta (401,) at each of them."""
    from dp_accounting.pld import privacy_loss_distribution

    # As the accountant of record has it, which tells one delta at a time and takes a hundred times as long.
    losses = privacy_loss_distribution.from_gaussian_mechanism(
        mechanism.multiplier, value_discretization_interval=grid, sampling_prob=mechanism.rate
    ).self_compose(mechanism.steps)
    epsilons = np.linspace(0, 40, 401)
    return epsilons, np.asarray(losses.get_delta_for_epsilon(epsilons), dtype=float)


def most_found(mechanism: Mechanism, alarms: float) -> float:
    """The largest share of members that any attack finds (true positive rate), with `alarms` (false positive rate, 0 to
    1) among the others: the lowest of the ceilings found <= e^epsilon alarms + delta, and of those the other way."""
    epsilons, deltas = curve_of(mechanism)
    ceilings = np.exp(epsilons) * alarms + deltas
    others = 1 - (1 - deltas - alarms) * np.exp(-epsilons)
    return float(min(1.0, ceilings.min(), others.min()))


def event_of(mechanism: Mechanism) -> Any:
    """The same, in the terms of dp_accounting."""
    import dp_accounting

    event: Any = dp_accounting.GaussianDpEvent(mechanism.multiplier)
    if mechanism.rate < 1:
        event = dp_accounting.PoissonSampledDpEvent(mechanism.rate, event)
    return dp_accounting.SelfComposedDpEvent(event, mechanism.steps)


def bill(mechanism: Mechanism, delta: float) -> Bill:
    """What the mechanism costs by three accountants, at `delta`, above 0 and below 1."""
    from dp_accounting.rdp import RdpAccountant
    from opacus.accountants import PRVAccountant

    prv = PRVAccountant()
    prv.history = [(mechanism.multiplier, min(mechanism.rate, ALMOST_ALL), mechanism.steps)]
    slip = checked_delta(delta) / 1000
    with without_log(logging.WARNING), warnings.catch_warnings():
        # Of orders of Renyi divergence, by which Opacus finds how wide a grid it needs.
        warnings.simplefilter("ignore", UserWarning)
        low, _, high = prv._get_dprv(eps_error=BRACKET, delta_error=slip).compute_epsilon(delta, slip, BRACKET)
        renyi = RdpAccountant().compose(event_of(mechanism)).get_epsilon(delta)
    return Bill(epsilon_of(mechanism, delta), float(low), float(high), float(renyi))


def multiplier_for(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """The least noise multiplier with which all steps together cost at most `epsilon` at `delta`."""
    # A coarser grid bounds from above too.
    return least_noise(lambda noise: epsilon_of(Mechanism(noise, rate, steps), delta, COARSE), epsilon)


def least_noise(cost: Callable[[float], float], epsilon: float) -> float:
    """The least noise multiplier, to 2e-4 of it, whose `cost`, which falls with it, is at most `epsilon`."""
    from scipy.optimize import brentq

    checked_epsilon(epsilon)

    def above(logarithm: float) -> float:
        # Near to a line, which takes few steps to its end.
        return math.log(min(max(cost(math.exp(logarithm)), 1e-9), 1e9) / epsilon)

    low, high = math.log(0.5), 0.0
    while above(high) > 0:
        if high > math.log(MOST_NOISE):
            raise UserError(
                f"no noise makes that cost at most epsilon {epsilon:g}: "
                f"with {MOST_NOISE:,} times the bound it is {cost(MOST_NOISE):.3g}"
            )
        low, high = high, high + math.log(2)
    while above(low) <= 0:
        low, high = low - math.log(2), low
    least = math.exp(brentq(above, low, high, xtol=5e-5))
    while cost(least) > epsilon:
        least *= 1 + 5e-5
    return least


def checked_epsilon(epsilon: float) -> float:
    """`epsilon`, or UserError when it is not a number above 0, or so small that accountants tell it from none."""
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise UserError(f"epsilon must be a number above 0, got {epsilon}; 1 is strong, 8 is weak")
    if epsilon < LEAST_EPSILON:
        raise UserError(f"epsilon = {epsilon:g} is too small to be reckoned with: take {LEAST_EPSILON:g} or more")
    return epsilon


def checked_delta(delta: float, units: int | None = None) -> float:
    """`delta`, or UserError when it is not in (0, 1), or not below 1 / units: then it would allow to publish a unit."""
    if not 0 < delta < 1:
        raise UserError(f"delta must be above 0 and below 1, got {delta}")
    if delta < LEAST_DELTA:
        raise UserError(f"delta = {delta:g} is below what the accountant keeps: take {LEAST_DELTA:g} or more")
    if units is not None and delta >= 1 / units:
        raise UserError(
            f"delta = {delta:g} is not below 1/N = {1 / units:g} for {units:,} units: to publish one of them whole "
            f"would keep that promise; take {0.1 / units:.0e} or less"
        )
    return delta


@contextmanager
def without_log(level: int) -> Iterator[None]:
    """Without log lines up to `level`: RDP warns of each order of divergence that it leaves out."""
    before = logging.root.manager.disable
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(before)
