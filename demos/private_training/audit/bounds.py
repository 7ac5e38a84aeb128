"""Lower bounds of epsilon: what an attack that succeeds so often says of any mechanism that it succeeds on.

A claim is refuted when the bound lies above it; at a confidence of 99.9 % a true one is, once in a thousand audits. A
low bound proves nothing: the attack may have been a poor one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, binom, norm

TOP = 60.0  # no larger epsilon is looked for


@dataclass(frozen=True)
class Guesses:
    """Of one training with many canaries. canaries: all; made: guesses, at most as many; right: of these."""

    canaries: int
    made: int
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.made <= self.canaries:
            raise ValueError(f"{self.right} right of {self.made} guesses on {self.canaries} canaries cannot be")


@dataclass(frozen=True)
class Trials:
    """Of many trainings with one canary. inside, outside: trainings with it and without; found: those with it that were
    told so; alarms: those without it that were told to have it."""

    inside: int
    found: int
    outside: int
    alarms: int

    def __post_init__(self) -> None:
        if not (0 <= self.found <= self.inside > 0 and 0 <= self.alarms <= self.outside > 0):
            raise ValueError(f"these counts cannot be: {self}")

    def least_found(self, confidence: float) -> float:
        """Lower bound of the share that is found (true positive rate), by Clopper and Pearson, one-sided."""
        return float(beta.ppf(1 - confidence, self.found, self.inside - self.found + 1)) if self.found else 0.0

    def most_alarms(self, confidence: float) -> float:
        """Upper bound of the share of false alarms (false positive rate), by Clopper and Pearson, one-sided."""
        if self.alarms == self.outside:
            return 1.0
        return float(beta.ppf(confidence, self.alarms + 1, self.outside - self.alarms))


def guessed(scores: ArrayLike, was_in: ArrayLike, made: int) -> Guesses:
    """Guess "in" for the highest `made` / 2 scores and "out" for the lowest; the number must be fixed beforehand.

    scores: (m,) larger for canaries that seem to have been in; was_in: (m,) whether they were. made: 2 to m.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(was_in, dtype=bool)
    if values.shape != truth.shape or not 2 <= made <= len(values):
        raise ValueError(f"{made} guesses on scores {values.shape} of {truth.shape} canaries cannot be made")
    order = np.argsort(values, kind="stable")
    half = made // 2
    right = int(truth[order[-half:]].sum()) + int((~truth[order[:half]]).sum())
    return Guesses(len(values), 2 * half, right)


def tried(scores: ArrayLike, was_in: ArrayLike, threshold: float) -> Trials:
    """Say "in" above a threshold, which must be fixed beforehand. scores, was_in: (runs,) as in `guessed`."""
    said, truth = np.asarray(scores, dtype=float) > threshold, np.asarray(was_in, dtype=bool)
    return Trials(int(truth.sum()), int((said & truth).sum()), int((~truth).sum()), int((said & ~truth).sum()))


def epsilon_of_guesses(guesses: Guesses, delta: float, confidence: float = 0.999) -> float:
    """Epsilon that is refuted, of any (epsilon, delta)-private mechanism; 0 when none is.

    Steinke, Nasr and Jagielski, "Privacy auditing with one (1) training run", NeurIPS 2023, theorem 5.2.
    """
    return _largest(lambda epsilon: _chance(guesses, epsilon, delta) <= 1 - confidence)


def _chance(guesses: Guesses, epsilon: float, delta: float) -> float:
    """An upper bound of the chance to be right so often under (epsilon, delta)-privacy."""
    rate = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(guesses.right - 1, guesses.made, rate))
    fewer = np.arange(1, guesses.right + 1)
    slopes = (binom.sf(guesses.right - fewer - 1, guesses.made, rate) - tail) / fewer
    return tail + 2 * guesses.canaries * delta * float(slopes.max(initial=0.0))


def mu_of_guesses(guesses: Guesses, confidence: float = 0.999) -> float:
    """mu that is refuted, of a mechanism whose trade-off is that of two Gaussians mu apart; 0 when none is.

    Mahloujifar, Melis and Chaudhuri, "Auditing f-differential privacy in one run", 2024, algorithm 3. Steps on all
    units at once with Gaussian noise are such a mechanism exactly; steps on samples are not.
    """
    return _largest(lambda mu: _refuted(guesses, mu, 1 - confidence))


def _refuted(guesses: Guesses, mu: float, chance: float) -> bool:
    right, wrong, canaries = guesses.right, guesses.made - guesses.right, guesses.canaries
    # Walking down from the observed number: mass that guesses right must be paid for by mass that guesses wrong.
    hits, misses = chance * right / canaries, chance * wrong / canaries
    for fewer in range(right - 1, -1, -1):
        needed = max(misses, float(norm.cdf(norm.ppf(hits) - mu)))
        if needed == misses:
            break
        hits = min(hits + fewer / (guesses.made - fewer) * (needed - misses), 1.0)
        misses = needed
    return hits + misses > guesses.made / canaries


def epsilon_of_trials(trials: Trials, delta: float, confidence: float = 0.999) -> float:
    """Epsilon that is refuted by independent trainings, of any (epsilon, delta)-private mechanism; 0 when none is.

    Kairouz, Oh and Viswanath, "The composition theorem for differential privacy", ICML 2015: found <= e^epsilon alarms
    + delta, and the same of what is not found.
    """
    # Each rate at half the doubt, so that both hold at once.
    least, most = trials.least_found((1 + confidence) / 2), trials.most_alarms((1 + confidence) / 2)
    ratios = [(least - delta) / most, (1 - most - delta) / (1 - least)]
    return max(0.0, *(math.log(ratio) for ratio in ratios if ratio > 0))


def mu_of_trials(trials: Trials, confidence: float = 0.999) -> float:
    """mu that is refuted by independent trainings, of a mechanism as in `mu_of_guesses`; 0 when none is.

    Nasr and others, "Tight auditing of differentially private machine learning", USENIX Security 2023.
    """
    least, most = trials.least_found((1 + confidence) / 2), trials.most_alarms((1 + confidence) / 2)
    return max(0.0, float(norm.ppf(least) - norm.ppf(most)))


def epsilon_of_mu(mu: float, delta: float) -> float:
    """Epsilon at `delta` of two Gaussians mu apart, 0 for mu of 0. Balle and Wang, ICML 2018, theorem 8."""
    if mu <= 0:
        return 0.0

    def leaks(epsilon: float) -> bool:
        upper = norm.logcdf(mu / 2 - epsilon / mu)
        lower = epsilon + norm.logcdf(-mu / 2 - epsilon / mu)
        return bool(np.exp(upper) - np.exp(lower) > delta)

    return _largest(leaks)


def _largest(holds: Callable[[float], bool], top: float = TOP) -> float:
    """The largest number from 0 to `top` below which `holds` is true, by halving; 0 where it is not true at all."""
    low, high = 0.0, top
    if not holds(1e-6):
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
