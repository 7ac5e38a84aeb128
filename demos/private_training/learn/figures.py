"""Accuracy against epsilon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training import whiskers
from demos.private_training.config import OURS, PEER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from demos.private_training.config import LearnSection, PrivateTrainingConfig, Tuning
    from demos.private_training.learn.compare import Scores
    from shared.demo import Run
    from shared.result import Figure

TITLES = {"public": "tuned on public digits", "charged": "on the private ones, charged"}
BESIDE = 1.9  # times the largest epsilon: where what has no noise stands


def accuracy_figure(scores: Scores, config: PrivateTrainingConfig, run: Run) -> Figure:
    """A panel for each way of tuning, a line for each method, with 95 % intervals over seeds; open: without noise."""
    from matplotlib import pyplot

    learn = config.learn
    drawing, panels = pyplot.subplots(
        1,
        len(learn.tuning),
        figsize=(3.2 + 3.1 * len(learn.tuning), 4.2),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, way in zip(panels[0], learn.tuning, strict=True):
        _panel(axes, scores, learn, way)
    panels[0][0].set_ylabel("accuracy [%]")
    # Names in the order in which the lines end, as one reads them.
    handles, names = panels[0][0].get_legend_handles_labels()
    ends = [np.mean(scores.accuracies[name, learn.tuning[0], max(learn.epsilons)]) for name in learn.methods]
    order = np.argsort(ends)[::-1]
    drawing.legend(
        [handles[at] for at in order],
        [names[at] for at in order],
        loc="outside right center",
        fontsize=8,
        frameon=False,
    )
    first = config.learn.epsilons[0]
    ours, peer = (100 * float(np.mean(scores.accuracies[name, config.learn.tuning[0], first])) for name in (OURS, PEER))
    return run.figure(
        drawing,
        "accuracy",
        title="Accuracy against epsilon",
        caption=(
            "Means over seeds with 95 % intervals, by how recipes were chosen; open: without noise, at the public "
            "recipe."
        ),
        alt=f"At epsilon {first:g}: {OURS} {ours:.1f} %, {PEER} {peer:.1f} %.",
    )


def _panel(axes: Axes, scores: Scores, learn: LearnSection, way: Tuning) -> None:
    aside = BESIDE * max(learn.epsilons)
    for number, name in enumerate(learn.methods):
        series = [[100 * value for value in scores.accuracies[name, way, each]] for each in learn.epsilons]
        width, above = (2.2, 3) if name == OURS else (1.2, 2)
        whiskers.line(axes, learn.epsilons, series, color=f"C{number}", linewidth=width, zorder=above, label=name)
        plain = 100 * float(np.mean(scores.accuracies[name, None, math.inf]))
        axes.plot([aside], [plain], marker="o", markersize=5, fillstyle="none", color=f"C{number}")
    axes.set(xscale="log", xlabel="epsilon", title=TITLES[way])
    axes.set_xticks([*learn.epsilons, aside], [*(f"{epsilon:g}" for epsilon in learn.epsilons), "no\nnoise"])
    axes.minorticks_off()
