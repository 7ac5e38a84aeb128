"""What is left of accuracy on pictures that were in no training, by method, budget and way of tuning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.budget.accountant import Mechanism, bill, multiplier_for
from demos.private_training.config import EFFICIENTNET, OURS, PEER
from demos.private_training.data import used
from demos.private_training.learn.compare import Scores, compare
from demos.private_training.learn.figures import accuracy_figure
from demos.private_training.learn.methods import METHODS
from demos.private_training.learn.tune import SCORE_NOISE, multiplier_for_search
from shared.chapter import Chapter
from shared.evaluation.compare import headline
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.private_training.config import PrivateTrainingConfig, Tuning
    from shared.demo import Run

WORDS = {"public": "tuned on public digits", "charged": "tuned on the private ones, charged"}
NO_NOISE = math.inf


def learn(config: PrivateTrainingConfig, run: Run) -> Chapter:
    """Train, test, tell."""
    scores = compare(config, run)
    tuning = config.learn.tuning
    return Chapter(
        headlines=[_headline(scores, epsilon, tuning[0]) for epsilon in config.learn.epsilons],
        metrics=_metrics(scores),
        tables=[
            *[_accuracy_table(scores, config, way) for way in tuning],
            *[_gain_table(scores, config, way) for way in tuning],
            _recipes_table(scores, config),
            _bill_table(config),
        ],
        figures=[accuracy_figure(scores, config, run)],
        data=used(*(["efficientnet-lite0.pth"] if EFFICIENTNET in config.learn.methods else [])),
    )


def _percent(values: list[float]) -> list[float]:
    return [100 * value for value in values]


def _headline(scores: Scores, epsilon: float, way: Tuning) -> Headline:
    values: dict[str, list[float]] = {name: _percent(scores.accuracies[name, way, epsilon]) for name in (OURS, PEER)}
    return headline(
        f"Accuracy at epsilon {epsilon:g}",
        values,
        ours=OURS,
        peer=PEER,
        unit="%",
        direction="higher",
        resampled="seeds",
        note=f"both {WORDS[way]}",
    )


def _metrics(scores: Scores) -> list[Metric]:
    return [
        Metric(
            name=f"{name}, epsilon {epsilon:g}, {WORDS[way] if way else 'no noise'}",
            value=float(np.mean(_percent(values))),
            unit="%",
            direction="higher",
            interval=bootstrap(_percent(values), unit="seeds"),
        )
        for (name, way, epsilon), values in scores.accuracies.items()
    ]


def _accuracy_table(scores: Scores, config: PrivateTrainingConfig, way: Tuning) -> Table:
    learn = config.learn
    columns = [Column(name=f"epsilon {epsilon:g}", unit="%", direction="higher") for epsilon in learn.epsilons]
    rows: list[list[str | float | None]] = []
    for name in learn.methods:
        numbers = [float(np.mean(_percent(scores.accuracies[name, way, epsilon]))) for epsilon in learn.epsilons]
        plain = float(np.mean(_percent(scores.accuracies[name, None, NO_NOISE])))
        rows.append([name, *numbers, plain])
    more = {
        "public": (
            f"Recipes: for each budget the best of {learn.recipes} on public digits, where each is trained "
            f"{'once' if learn.public_seeds == 1 else f'{learn.public_seeds} times'}."
        ),
        "charged": (
            f"Recipes: the best of {learn.tries:g} expected tries on the private units, each scored with noise of "
            f"standard deviation {SCORE_NOISE:g}; epsilon is that of the whole search."
        ),
    }[way]
    return Table(
        title=f"Accuracy, {WORDS[way]}",
        columns=[Column(name="method"), *columns, Column(name="no noise", unit="%", direction="higher")],
        rows=rows,
        caption=(
            f"Share of {learn.test:,} held-out pictures, mean of {learn.seeds} seeds, each with its own split, start "
            f"and noise; {learn.train:,} private units, delta = {learn.delta:g}. {more} No noise: clipped, but not "
            "private, with the public recipe of the largest epsilon."
        ),
    )


def _gain_table(scores: Scores, config: PrivateTrainingConfig, way: Tuning) -> Table:
    learn = config.learn
    rows: list[list[str | float | None]] = []
    for name in learn.methods:
        if name == PEER:
            continue
        row: list[str | float | None] = [name]
        for epsilon in learn.epsilons:
            ours, peer = (_percent(scores.accuracies[which, way, epsilon]) for which in (name, PEER))
            interval = paired_difference(ours, peer, unit="seeds")
            row.append(f"{np.mean(ours) - np.mean(peer):+.1f} ({interval.low:+.1f} to {interval.high:+.1f})")
        rows.append(row)
    return Table(
        title=f"Points over {PEER}, {WORDS[way]}",
        columns=[Column(name="method"), *[Column(name=f"epsilon {epsilon:g}") for epsilon in learn.epsilons]],
        rows=rows,
        caption=f"Intervals: 95 %, paired bootstrap over {learn.seeds} seeds.",
    )


def _recipes_table(scores: Scores, config: PrivateTrainingConfig) -> Table:
    rows: list[list[str | float | None]] = []
    for (name, epsilon), place in scores.recipes.items():
        recipe = METHODS[name].recipes[place]
        rows.append([name, epsilon, recipe.learning_rate, recipe.bound])
    return Table(
        title="Recipes",
        columns=[
            Column(name="method"),
            Column(name="epsilon"),
            Column(name="learning rate", digits=1),
            Column(name="bound", digits=1),
        ],
        rows=rows,
        caption=f"Chosen on public digits, of {config.learn.recipes}.",
    )


def _bill_table(config: PrivateTrainingConfig) -> Table:
    learn, rows = config.learn, []
    charged = "charged" in learn.tuning
    for name in learn.methods:
        recipe = METHODS[name].recipes[0]
        for epsilon in learn.epsilons:
            multiplier = multiplier_for(epsilon, learn.delta, recipe.rate, recipe.steps)
            cost = bill(Mechanism(multiplier, recipe.rate, recipe.steps), learn.delta)
            search = []
            if charged:
                search = [multiplier_for_search(epsilon, learn.delta, recipe.rate, recipe.steps, learn.tries)]
            rows.append(
                [
                    f"{name}: {recipe.steps} steps at {recipe.rate:g}",
                    epsilon,
                    multiplier,
                    cost.epsilon,
                    f"{cost.low:.2f} to {cost.high:.2f}",
                    cost.renyi,
                    *search,
                ]
            )
    return Table(
        title="What it costs",
        columns=[
            Column(name="method"),
            Column(name="asked", digits=1),
            Column(name="noise multiplier", digits=2),
            Column(name="PLD, of record", digits=3),
            Column(name="PRV's bracket"),
            Column(name="RDP", digits=3),
            *([Column(name="noise multiplier of a search", digits=2)] if charged else []),
        ],
        rows=rows,
        caption=(
            f"Epsilon at delta = {learn.delta:g} of one training, neighbours differing by one unit added or removed. "
            + ("A search needs the larger noise in the last column for the same epsilon, by RDP." if charged else "")
        ),
    )
