"""How sure an answer is, and whether it is as sure as it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

Floats = NDArray[np.floating]
BINS = 15
COLDEST, HOTTEST = 0.05, 20.0


def temperature(logits_n2: Floats, labels_n: NDArray[np.integer]) -> float:
    """By which logits are to be divided so that their probabilities suit the labels best (Guo et al. 2017): the one
    number that minimises the cross-entropy, from COLDEST to HOTTEST."""

    def loss(log_heat: float) -> float:
        scaled = logits_n2.astype(np.float64) / np.exp(log_heat)
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(scaled)), labels_n]).mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def confidence(logits_n2: Floats, heat: float = 1.0) -> NDArray[np.float64]:
    """(n,) probability of the answer, .5 to 1."""
    return np.asarray(softmax(logits_n2.astype(np.float64) / heat, axis=1).max(axis=1))


def calibration_error(confidence_n: Floats, right_n: NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error: how far confidence is from the share of right answers, over `bins` equal parts of .5
    to 1 (of which two classes leave none empty below), each by its share of the texts (Naeini et al. 2015).

    >>> calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), np.array([True, True, True, False]))
    0.0
    """
    which = np.minimum(((confidence_n - 0.5) * 2 * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=right_n.astype(float) - confidence_n, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence_n))


def least_error(confidence_n: Floats, random: np.random.Generator, draws: int = 200) -> float:
    """What `calibration_error` would be of who is exactly as sure as he is right: not 0, for of few texts not just that
    share turns out right. Mean of `draws` lots."""
    lots = random.random((draws, len(confidence_n))) < confidence_n
    return float(np.mean([calibration_error(confidence_n, right_n) for right_n in lots]))
