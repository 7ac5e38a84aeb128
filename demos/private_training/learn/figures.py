"""Accuracy against epsilon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training import whiskers
from demos.private_training.config import OURS, PEER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from demos.private_training.config import LearnSection, PrivateTrainingConfig, Tuning
    from demos.private_training.learn.compare import Scores
    from shared.demo import Run
    from shared.result import Figure

TITLES = {"public": "tuned on public digits", "charged": "on the private ones, charged"}
TICKS = (20, 40, 60, 70, 80, 85, 90, 92, 94, 96, 97, 98, 99)  # of accuracy [%]
LEAST = 0.1  # error [%] at the end of the axis
BESIDE = 1.9  # times the largest epsilon: where what has no noise stands


def accuracy_figure(scores: Scores, config: PrivateTrainingConfig, run: Run) -> Figure:
    """A panel for each way of tuning, a line for each method, with 95 % intervals over seeds; open: without noise."""
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator

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
    # Logarithmic in errors: else what is lost at a small budget leaves no room for what differs at a large one.
    panels[0][0].set_yscale("function", functions=(_from_errors, _to_accuracy))
    errors = [100 - edge for axes in panels[0] for edge in (axes.dataLim.y0, axes.dataLim.y1)]
    low, high = 100 - 1.15 * max(errors), 100 - max(LEAST, 0.8 * min(errors))
    panels[0][0].set_ylim(low, high)
    panels[0][0].yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low < tick < high]))
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
            "recipe. The axis is logarithmic in errors."
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


def _from_errors(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(100 - accuracy, LEAST))


def _to_accuracy(height: NDArray[np.float64]) -> NDArray[np.float64]:
    return 100 - np.exp(-height)
