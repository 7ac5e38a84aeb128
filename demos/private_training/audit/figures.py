"""Bars of lower bounds under what is claimed, and receivers' curves under their ceilings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.audit.attacks import BROKEN_EPSILON
from demos.private_training.audit.lira import curve, likelihood_ratios
from demos.private_training.budget.accountant import most_found

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from demos.private_training.audit.attacks import Found
    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run
    from shared.result import Figure

WRONG = "#D55E00"


def bounds_figure(
    bounds: dict[str, dict[float, float]], broken: dict[str, float], config: PrivateTrainingConfig, run: Run
) -> Figure:
    """Left: a group of bars for each claim. Right: what is refuted of trainings that are broken on purpose."""
    from matplotlib import pyplot

    epsilons = config.learn.epsilons
    count = 2 if broken else 1
    drawing, panels = pyplot.subplots(1, count, figsize=(9, 4.2), width_ratios=(3, 2)[:count], squeeze=False)
    sound = panels[0, 0]
    width = 0.8 / len(bounds)
    for number, (way, row) in enumerate(bounds.items()):
        places = np.arange(len(epsilons)) + (number - (len(bounds) - 1) / 2) * width
        sound.bar(places, [row[epsilon] / epsilon for epsilon in epsilons], width * 0.9, color=f"C{number}", label=way)
    sound.axhline(1, color="#333842", linewidth=1.5)
    sound.text(0.01, 1.02, "claimed", color="#333842", transform=sound.get_yaxis_transform())
    sound.set(ylim=(0, 1.62), ylabel="refuted epsilon, of the claimed one", title="As it should be")
    sound.set_xticks(range(len(epsilons)), [f"epsilon {epsilon:g}" for epsilon in epsilons])
    sound.legend(fontsize=8, loc="upper left")
    sound.grid(axis="x", visible=False)
    if broken:
        _draw_broken(panels[0, 1], broken)
    best = next(iter(bounds.values()))
    return run.figure(
        drawing,
        "audit",
        title="What attacks refute",
        caption=(
            "Lower bounds of epsilon, from attacks by one who sees every step. A bar over the line is a claim that is "
            "not true."
        ),
        alt="; ".join(f"of epsilon {epsilon:g} claimed, {value:.2f} is refuted" for epsilon, value in best.items()),
    )


def _draw_broken(wrong: Axes, broken: dict[str, float]) -> None:
    names, values = list(broken), np.array(list(broken.values()))
    wrong.barh(names, values, color=WRONG, height=0.6)
    for place, value in enumerate(values):
        wrong.text(value + 0.01 * values.max(), place, f" {value:.1f}", va="center", fontsize=9)
    wrong.axvline(BROKEN_EPSILON, color="#333842", linewidth=1.5)
    wrong.text(BROKEN_EPSILON, -0.75, f" claimed: {BROKEN_EPSILON:g}", color="#333842", fontsize=9)
    wrong.set(
        xlim=(0, 1.2 * values.max()), ylim=(len(names) - 0.4, -1), xlabel="refuted epsilon", title="Broken on purpose"
    )
    wrong.grid(axis="y", visible=False)


def receiver_figure(found: Found, run: Run) -> Figure:
    """Log-log: found members over alarms by LiRA, by loss where there is no privacy, and the ceilings, dashed."""
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(7, 5.2))
    for number, (name, members) in enumerate(found.members.items()):
        alarms, shares = curve(likelihood_ratios(members.confidences, members.masks), members.masks)
        axes.plot(alarms, shares, color=f"C{number}", label=f"LiRA, {name}")
        if members.mechanism:
            ceiling = [most_found(members.mechanism, share) for share in alarms]
            axes.plot(alarms, ceiling, color=f"C{number}", linestyle="--", linewidth=1, label=f"ceiling, {name}")
        elif name == "no privacy":
            alarms, shares = curve(members.confidences, members.masks)
            axes.plot(alarms, shares, color=f"C{number}", linestyle=":", label=f"by loss, {name}")
    axes.plot([1e-5, 1], [1e-5, 1], color="#8a8f98", linewidth=0.8, label="by chance")
    low = 1e-4
    axes.set(xscale="log", yscale="log", xlim=(low, 1), ylim=(low, 1.1))
    axes.set(xlabel="others taken for members (false positive rate)", ylabel="members found (true positive rate)")
    axes.legend(fontsize=8, loc="lower right")
    return run.figure(
        drawing,
        "receiver",
        title="Who was in it",
        caption="Solid: the attack by likelihood ratios. Dashed: above this no attack can come, by the accountant.",
        alt="Curves of members found over false alarms, each below its ceiling.",
    )
