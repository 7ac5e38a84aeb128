"""Accuracy against epsilon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.config import OURS, PEER
from shared.evaluation.intervals import bootstrap

if TYPE_CHECKING:
    from demos.private_training.config import PrivateTrainingConfig
    from demos.private_training.learn.compare import Scores
    from shared.demo import Run
    from shared.result import Figure

LINES = {"public": "-", "charged": "--"}


def accuracy_figure(scores: Scores, config: PrivateTrainingConfig, run: Run) -> Figure:
    """A line for each method and way of tuning, with 95 % intervals over seeds; thin: without noise."""
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(7.5, 4.5))
    for number, name in enumerate(config.learn.methods):
        for way in config.learn.tuning:
            series = [[100 * value for value in scores.accuracies[name, way, each]] for each in config.learn.epsilons]
            bounds = [bootstrap(values, unit="seeds") for values in series]
            means = [float(np.mean(values)) for values in series]
            spread = [
                [mean - bound.low for mean, bound in zip(means, bounds, strict=True)],
                [bound.high - mean for mean, bound in zip(means, bounds, strict=True)],
            ]
            axes.errorbar(
                config.learn.epsilons,
                means,
                yerr=spread,
                color=f"C{number}",
                linestyle=LINES[way],
                marker="o",
                markersize=4,
                capsize=2,
                label=f"{name}, {way}",
            )
        plain = 100 * float(np.mean(scores.accuracies[name, None, math.inf]))
        axes.axhline(plain, color=f"C{number}", linewidth=0.7, alpha=0.6)
    axes.set(xscale="log", xlabel="epsilon", ylabel="accuracy [%]")
    axes.set_xticks(config.learn.epsilons, [f"{epsilon:g}" for epsilon in config.learn.epsilons])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    first = config.learn.epsilons[0]
    ours, peer = (100 * float(np.mean(scores.accuracies[name, config.learn.tuning[0], first])) for name in (OURS, PEER))
    return run.figure(
        drawing,
        "accuracy",
        title="Accuracy against epsilon",
        caption=(
            "Means over seeds with 95 % intervals; solid: tuned on public digits, dashed: tuned on the private ones at "
            "a charge; thin lines: without noise."
        ),
        alt=f"At epsilon {first:g}: {OURS} {ours:.1f} %, {PEER} {peer:.1f} %.",
    )
