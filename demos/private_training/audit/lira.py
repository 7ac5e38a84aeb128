"""Membership inference by likelihood ratios (LiRA), and the attack by a threshold on the loss that it replaced.

Carlini and others, "Membership inference attacks from first principles", IEEE S&P 2022. Many models are trained on
random halves of the pictures. Each is attacked in turn: how it answers on a picture is held against how the other
models that had the picture answer, and those that had not. A threshold on the loss alone takes an easy stranger for a
member and a hard member for a stranger.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


def halves(models: int, pictures: int, random: np.random.Generator) -> Masks:
    """(models, pictures): which pictures each model has; each picture is in half of the models. models: even."""
    ranks = random.random((models, pictures)).argsort(0)
    return np.asarray(ranks < models // 2)


def confidence(logits: Tensor, labels: Tensor) -> Floats:
    """logits: (n, classes); labels: (n,) -> (n,) log odds of the right class: near to normal, as a loss is not."""
    right = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    return np.asarray((right - others).double().numpy())


def likelihood_ratios(confidences: Floats, masks: Masks) -> Floats:
    """confidences, masks: (models, n), at least 6 models -> (models, n): larger where a picture seems to have been in.

    Normal distributions, of means of a picture's own and a spread that all share, which few models can tell; of all
    models but the one that is attacked.
    """
    ratios = np.empty_like(confidences)
    for target in range(len(confidences)):
        others = np.arange(len(confidences)) != target
        sides = [_normal(confidences[others], masks[others] == side) for side in (True, False)]
        inside, outside = (norm.logpdf(confidences[target], mean, spread) for mean, spread in sides)
        ratios[target] = inside - outside
    return ratios


def _normal(confidences: Floats, chosen: Masks) -> tuple[Floats, float]:
    """The means (n,) over the models that are `chosen` (models, n), and the spread around them."""
    count = chosen.sum(0)
    means = (confidences * chosen).sum(0) / count
    squares = ((confidences - means) ** 2 * chosen).sum()
    return means, float(np.sqrt(squares / (count - 1).sum()))


def found_at(scores: Floats, masks: Masks, alarms: float) -> Floats:
    """(models,): the share of the members of each that are found, at the one threshold that `alarms` of all others
    pass, 0 to 1. scores, masks: (models, n)."""
    threshold = np.quantile(scores[~masks], 1 - alarms)
    return np.asarray([(row[mask] > threshold).mean() for row, mask in zip(scores, masks, strict=True)])


def curve(scores: Floats, masks: Masks, points: int = 400) -> tuple[Floats, Floats]:
    """The receiver's curve of all attacks together: shares of others that pass, from 1e-5 to 1, and of members."""
    others, members = np.sort(scores[~masks]), np.sort(scores[masks])
    alarms = np.geomspace(max(1e-5, 1 / len(others)), 1, points)
    thresholds = np.quantile(others, 1 - alarms)
    return alarms, 1 - np.searchsorted(members, thresholds, side="right") / len(members)
