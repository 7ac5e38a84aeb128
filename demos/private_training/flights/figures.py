"""AUC against epsilon, and against the most rows that a unit gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from demos.private_training import whiskers
from demos.private_training.config import EACH, ONE, SEVERAL, SPREAD
from demos.private_training.flights.compare import NO_NOISE, Cell, Found, most_rows, swept
from demos.private_training.flights.methods import PLAIN, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run
    from shared.result import Figure

COLOURS: dict[Way, str] = {SEVERAL: "C0", SPREAD: "C2", ONE: "C1", EACH: "C7", PLAIN: "0.35"}


def epsilon_figure(found: Found, config: PrivateTrainingConfig, run: Run) -> Figure:
    """A line for each way; that whose epsilon is of a row is dashed and grey, since it promises something else."""
    from matplotlib import pyplot

    section = config.flights
    drawing, axes = pyplot.subplots(figsize=(8.5, 4.2), layout="constrained")
    labels: dict[Way, str] = {
        SEVERAL: f"our step,\nup to {section.rows} rows of a unit",
        SPREAD: f"Opacus,\nat most {section.rows} rows of a unit",
        ONE: "Opacus,\none row of a unit",
        EACH: "Opacus, each row a unit\n(epsilon of a row)",
    }
    for way in section.methods:
        most = most_rows(way, config)
        cells: list[Cell] = [(way, most, epsilon) for epsilon in section.epsilons]
        style = "--" if way == EACH else "-"
        _line(axes, found, section.epsilons, cells, color=COLOURS[way], linestyle=style, label=labels[way])
    _reference(axes, found)
    axes.set(xscale="log", xlabel="epsilon", ylabel="AUC on unseen units [%]")
    axes.set_xticks(section.epsilons, [f"{epsilon:g}" for epsilon in section.epsilons])
    _finish(axes)
    first = section.epsilons[0]
    ours, peer = (_mean(found, cell) for cell in ((SEVERAL, section.rows, first), (ONE, 1, first)))
    return run.figure(
        drawing,
        "owned_epsilon",
        title="AUC against epsilon",
        caption=(
            "Means over seeds with 95 % intervals. Solid: epsilon is that of a unit with all its rows. Dashed: that of "
            "a single row, which for a unit with many rows is next to no promise."
        ),
        alt=f"At epsilon {first:g}: our step {ours:.1f} %, Opacus with one row of a unit {peer:.1f} %.",
    )


def rows_figure(found: Found, config: PrivateTrainingConfig, run: Run) -> Figure:
    """What further rows of a unit bring under the same promise, with and without noise."""
    from matplotlib import pyplot

    epsilon = config.flights.sweep_epsilon
    tried = swept(found, epsilon)
    drawing, axes = pyplot.subplots(figsize=(8.5, 4.2), layout="constrained")
    for budget, style, label in ((epsilon, "-", f"our step, epsilon {epsilon:g}"), (NO_NOISE, ":", "without noise")):
        cells: list[Cell] = [(SEVERAL, most, budget) for most in tried]
        _line(axes, found, tried, cells, color=COLOURS[SEVERAL], linestyle=style, label=label)
    _reference(axes, found)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="most rows of a unit", ylabel="AUC on unseen units [%]")
    axes.set_xticks(tried, [f"{most}" for most in tried])
    _finish(axes)
    ends = [_mean(found, (SEVERAL, most, epsilon)) for most in (tried[0], tried[-1])]
    return run.figure(
        drawing,
        "owned_rows",
        title="AUC against the most rows of a unit",
        caption=f"Means over seeds with 95 % intervals; the promise to a unit is epsilon {epsilon:g} for each bound.",
        alt=f"From {ends[0]:.1f} % with {tried[0]} to {ends[1]:.1f} % with {tried[-1]}.",
    )


def _mean(found: Found, cell: Cell) -> float:
    return 100 * float(np.mean(found.scores[cell]))


def _line(
    axes: Axes, found: Found, places: Sequence[float], cells: list[Cell], *, color: str, linestyle: str, label: str
) -> None:
    series = [[100 * score for score in found.scores[cell]] for cell in cells]
    width = 2.0 if color == COLOURS[SEVERAL] else 1.3
    whiskers.line(axes, places, series, color=color, linestyle=linestyle, linewidth=width, label=label)


def _reference(axes: Axes, found: Found) -> None:
    plain = _mean(found, (PLAIN, 0, NO_NOISE))
    axes.axhline(plain, color=COLOURS[PLAIN], linewidth=0.8, label="logistic regression\non all rows, no promise")


def _finish(axes: Axes) -> None:
    """Names of the lines beside them, in the order in which they end."""
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    handles, names = axes.get_legend_handles_labels()
    lines: list[Any] = [handle.lines[0] if hasattr(handle, "lines") else handle for handle in handles]
    order = sorted(range(len(lines)), key=lambda place: -float(lines[place].get_ydata()[-1]))
    axes.legend(
        [handles[place] for place in order],
        [names[place] for place in order],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=8.5,
        frameon=False,
        labelspacing=1.0,
    )
