"""Accuracy against epsilon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training import whiskers
from demos.private_training.config import OURS, PEER

if TYPE_CHECKING:
    from demos.private_training.config import PrivateTrainingConfig
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
    aside = BESIDE * max(learn.epsilons)
    for axes, way in zip(panels[0], learn.tuning, strict=True):
        for number, name in enumerate(learn.methods):
            series = [[100 * value for value in scores.accuracies[name, way, each]] for each in learn.epsilons]
            main = name == OURS
            whiskers.line(
                axes,
                learn.epsilons,
                series,
                color=f"C{number}",
                linewidth=2.2 if main else 1.2,
                zorder=3 if main else 2,
                label=name,
            )
            plain = 100 * float(np.mean(scores.accuracies[name, None, math.inf]))
            axes.plot([aside], [plain], marker="o", markersize=5, fillstyle="none", color=f"C{number}")
        axes.set(xscale="log", xlabel="epsilon", title=TITLES[way])
        axes.set_xticks([*learn.epsilons, aside], [*(f"{epsilon:g}" for epsilon in learn.epsilons), "no\nnoise"])
        axes.minorticks_off()
    panels[0][0].set_ylabel("accuracy [%]")
    # Names in the order in which the lines end, as one reads them.
    handles, names = panels[0][0].get_legend_handles_labels()
    top = max(learn.epsilons)
    order = sorted(
        range(len(names)), key=lambda at: -float(np.mean(scores.accuracies[names[at], learn.tuning[0], top]))
    )
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
