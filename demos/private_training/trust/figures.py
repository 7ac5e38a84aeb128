"""Area under the curve against epsilon, and what became of each owner's budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from demos.private_training import whiskers
from demos.private_training.trust.compare import ALL, NO_NOISE, OURS, POOLED, SAFE, alone
from demos.private_training.trust.requests import REFUSED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from demos.private_training.config import PrivateTrainingConfig
    from demos.private_training.trust.compare import Scores
    from demos.private_training.trust.requests import Request
    from shared.demo import Run
    from shared.result import Figure

APART = 1.04  # between methods at the same epsilon, so that no interval hides another


def areas_figure(scores: Scores, config: PrivateTrainingConfig, run: Run) -> Figure:
    """A line for each method, with 95 % intervals over seeds; without noise as open marks at the right."""
    from matplotlib import pyplot

    epsilons = sorted(config.trust.epsilons)
    names, end = [*map(alone, config.trust.owners), OURS, SAFE, POOLED], max(epsilons) * 2.5
    drawing, axes = pyplot.subplots(figsize=(7.5, 4.5))
    for number, name in enumerate(names):
        shift = APART ** (number - (len(names) - 1) / 2)
        series = [scores.areas[name, epsilon, ALL] for epsilon in epsilons]
        style: dict[str, Any] = {
            "color": f"C{number}",
            "markersize": 5 if name == OURS else 4,
            "linewidth": 2.2 if name == OURS else 1.2,
            "linestyle": "--" if name == POOLED else ":" if name == SAFE else "-",
        }
        whiskers.line(axes, [shift * epsilon for epsilon in epsilons], series, label=name, **style)
        if plain := scores.areas.get((name, NO_NOISE, ALL)):
            axes.plot(shift * end, np.mean(plain), marker="o", markersize=5, fillstyle="none", color=f"C{number}")
    axes.set(xscale="log", xlabel="epsilon", ylabel="area under the ROC curve")
    axes.set_xticks([*epsilons, end], [*(f"{epsilon:g}" for epsilon in epsilons), "no noise"])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="lower right")
    best = max(epsilons)
    each = ", ".join(f"{name} {np.mean(scores.areas[name, best, ALL]):.3f}" for name in names)
    return run.figure(
        drawing,
        "trust_areas",
        title="Alone and together",
        caption=(
            "Late arrivals of aircraft that nobody trained on, at all airports: means over seeds with 95 % intervals; "
            "dashed: all rows in one place; open: without noise."
        ),
        alt=f"Area under the curve at epsilon {best:g}: {each}.",
    )


def spending_figure(requests: list[Request], run: Run) -> Figure:
    """A panel for each owner: what was spent after each request, what was granted, and a cross for what was refused."""
    from matplotlib import pyplot

    owners = list(requests[-1].granted)
    drawing, panels = pyplot.subplots(
        1, len(owners), figsize=(2.6 * len(owners), 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    for number, (owner, axes) in enumerate(zip(owners, panels[0], strict=True)):
        _spent(axes, owner, requests, f"C{number}")
        axes.annotate(
            "granted", (0.1, requests[-1].granted[owner]), xytext=(0, 3), textcoords="offset points", fontsize=9
        )
        axes.set_title(owner)
    panels[0][0].set_ylabel("epsilon spent")
    refused = [request.what for request in requests if request.outcome == REFUSED]
    return run.figure(
        drawing,
        "trust_spending",
        title="What owners granted, and what was spent of it",
        caption="From the ledger, after each request; dotted: granted; cross: where a refused request would have led.",
        alt=f"Each owner's spending stays under its grant; refused: {', '.join(refused) or 'nothing'}.",
    )


def _spent(axes: Axes, owner: str, requests: list[Request], colour: str) -> None:
    places = range(len(requests) + 1)
    spent = [request.spent[owner] for request in requests]
    axes.fill_between(places, [*spent, spent[-1]], step="post", color=colour, alpha=0.15, linewidth=0)
    axes.step(places, [*spent, spent[-1]], where="post", color=colour)
    axes.axhline(requests[-1].granted[owner], color="0.3", linestyle=":", linewidth=1.2)
    for place, request in enumerate(requests):
        if owner in request.owners and request.outcome == REFUSED:
            top = spent[place] + request.epsilon
            axes.plot([place + 0.5] * 2, [spent[place], top], color="0.3", linewidth=1)
            axes.plot(place + 0.5, top, marker="x", markersize=8, color="0.1", markeredgewidth=2)
            axes.annotate("refused", (place + 0.3, top), ha="right", va="center", fontsize=9)
    # A request is what lies between two marks.
    axes.set_xticks(
        [place + 0.5 for place in places[:-1]], [request.what for request in requests], rotation=35, ha="right"
    )
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(0, len(requests))
    axes.set_ylim(bottom=0)
