"""What is left when whole owners are protected, beside the usual two ways, and what a promise to rows is worth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.budget.accountant import bill
from demos.private_training.budget.group import MOST
from demos.private_training.config import EACH, ONE, SEVERAL, SPREAD
from demos.private_training.flights.compare import NO_NOISE, Cell, Found, compare, group_sizes, most_rows, swept
from demos.private_training.flights.figures import epsilon_figure, rows_figure
from demos.private_training.flights.methods import PLAIN, Way
from demos.private_training.flights.own import used
from demos.private_training.flights.rows import Rows, load
from shared.chapter import Chapter
from shared.evaluation.compare import headline
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run

Cells = list[list[str | float | None]]


def flights(config: PrivateTrainingConfig, run: Run) -> Chapter:
    """Train, test, tell."""
    rows = load(config.flights, config.seed)
    found = compare(config, rows, run)
    return Chapter(
        headlines=[_headline(found, epsilon, config) for epsilon in config.flights.epsilons],
        metrics=_metrics(found),
        tables=[
            _auc_table(found, rows, config),
            _gain_table(found, config),
            *([_promise_table(found, rows, config)] if EACH in config.flights.methods else []),
            _rows_table(found, rows, config),
            _recipes_table(found, config),
        ],
        figures=[epsilon_figure(found, config, run), rows_figure(found, config, run)],
        data=used(config.flights, rows),
        notes=_notes(rows, config),
    )


def named(way: Way, most: int) -> str:
    """A way, as tables have it."""
    return WORDS[way].format(most=most)


WORDS: dict[Way, str] = {
    SEVERAL: "our step, up to {most} rows of a unit",
    SPREAD: "Opacus, at most {most} rows of a unit",
    ONE: "Opacus, one row of a unit",
    EACH: "Opacus, each row a unit: promises rows alone",
    PLAIN: "logistic regression on all rows: promises nothing",
}


def _percent(found: Found, cell: Cell) -> list[float]:
    return [100 * score for score in found.scores[cell]]


def _headline(found: Found, epsilon: float, config: PrivateTrainingConfig) -> Headline:
    def scores(way: Way) -> list[float]:
        return _percent(found, (way, most_rows(way, config), epsilon))

    # The stronger of the two peers with the same promise.
    peers: list[Way] = [way for way in (SPREAD, ONE) if way in config.flights.methods]
    against = max(peers, key=lambda way: float(np.mean(scores(way))))
    words = {named(way, most_rows(way, config)): scores(way) for way in (SEVERAL, against)}
    ours, peer = words
    return headline(
        f"AUC at epsilon {epsilon:g} of a unit with all its rows",
        words,
        ours=ours,
        peer=peer,
        unit="%",
        direction="higher",
        resampled="seeds",
        note="both tuned on public units",
    )


def _metrics(found: Found) -> list[Metric]:
    return [
        Metric(
            name=f"AUC, {named(way, most)}, {'no noise' if epsilon == NO_NOISE else f'epsilon {epsilon:g}'}",
            value=float(np.mean(_percent(found, (way, most, epsilon)))),
            unit="%",
            direction="higher",
            interval=bootstrap(_percent(found, (way, most, epsilon)), unit="seeds"),
        )
        for way, most, epsilon in found.scores
    ]


def _auc_table(found: Found, rows: Rows, config: PrivateTrainingConfig) -> Table:
    section = config.flights
    table: Cells = []
    for way in section.methods:
        most = most_rows(way, config)
        means = [float(np.mean(_percent(found, (way, most, each)))) for each in (*section.epsilons, NO_NOISE)]
        table.append([named(way, most), *means])
    table.append([WORDS[PLAIN], *[None] * len(section.epsilons), float(np.mean(_percent(found, (PLAIN, 0, NO_NOISE))))])
    first = found.splits[0]
    return Table(
        title="AUC on the rows of units that were in no training",
        columns=[
            Column(name="method"),
            *[Column(name=f"epsilon {epsilon:g}", unit="%") for epsilon in section.epsilons],
            Column(name="no noise", unit="%"),
        ],
        rows=table,
        caption=(
            f"Area under the ROC curve (50 %: a coin), mean of {section.seeds} seeds, each with its own split by unit, "
            f"choice of rows and noise; {len(first.train):,} units are trained on, {len(first.test):,} test, and "
            f"{len(first.public):,} others, taken as public, choose the best of {section.recipes} recipes of each "
            f"method and budget. delta = {section.delta:g}. Epsilon is that of a unit with all its rows, but where "
            "each row is a unit: that line makes another promise. No noise: clipped, but not private."
        ),
    )


def _gain_table(found: Found, config: PrivateTrainingConfig) -> Table:
    section, table = config.flights, list[list[str | float | None]]()
    for peer in (way for way in (SPREAD, ONE) if way in section.methods):
        row: list[str | float | None] = [f"over {named(peer, section.rows)}"]
        for epsilon in section.epsilons:
            ours, theirs = (_percent(found, (way, most_rows(way, config), epsilon)) for way in (SEVERAL, peer))
            interval = paired_difference(ours, theirs, unit="seeds")
            row.append(f"{np.mean(ours) - np.mean(theirs):+.1f} ({interval.low:+.1f} to {interval.high:+.1f})")
        table.append(row)
    return Table(
        title="Points of AUC over the same promise by Opacus",
        columns=[
            Column(name=named(SEVERAL, section.rows)),
            *[Column(name=f"epsilon {epsilon:g}") for epsilon in section.epsilons],
        ],
        rows=table,
        caption=f"Intervals: 95 %, paired bootstrap over {section.seeds} seeds.",
    )


def _promise_table(found: Found, rows: Rows, config: PrivateTrainingConfig) -> Table:
    section, sizes = config.flights, group_sizes(config, rows)
    table: Cells = []
    for epsilon in section.epsilons:
        bounds = [found.groups[epsilon, size] for size in sizes]
        table.append([f"each row a unit, epsilon {epsilon:g}", *[_bound(bound) for bound in bounds]])
        table.append([f"whole units, epsilon {epsilon:g}", *[f"{epsilon:g}"] * len(sizes)])
    return Table(
        title="Epsilon of a unit, by its number of rows",
        columns=[Column(name="promise"), *[Column(name=f"{size} rows") for size in sizes]],
        rows=table,
        caption=(
            f"At delta = {section.delta:g}, from the mixture of Gaussians that the rows of one unit make in each "
            f"sampled step (Ganesh 2024). {_most_words(config, sizes[-1])}Over {MOST:g}: no smaller bound holds or was "
            "found, and nothing is promised."
        ),
    )


def _most_words(config: PrivateTrainingConfig, most: int) -> str:
    return "" if config.flights.file is not None else f"{most} rows is the most that one unit has here. "


def _bound(epsilon: float) -> str:
    return f"over {MOST:g}" if math.isinf(epsilon) else f"{epsilon:.1f}"


def _rows_table(found: Found, rows: Rows, config: PrivateTrainingConfig) -> Table:
    epsilon = config.flights.sweep_epsilon
    table: Cells = []
    for most in swept(found, epsilon):
        numbers = _percent(found, (SEVERAL, most, epsilon))
        interval = bootstrap(numbers, unit="seeds")
        plain = float(np.mean(_percent(found, (SEVERAL, most, NO_NOISE))))
        share = 100 * float(np.minimum(rows.counts, most).sum() / len(rows.labels))
        table.append([f"{most}", share, float(np.mean(numbers)), f"{interval.low:.1f} to {interval.high:.1f}", plain])
    return Table(
        title="AUC by the most rows of a unit",
        columns=[
            Column(name="most rows of a unit"),
            Column(name="rows that are left", unit="%"),
            Column(name=f"epsilon {epsilon:g}", unit="%", direction="higher"),
            Column(name="95 % interval"),
            Column(name="no noise", unit="%", direction="higher"),
        ],
        rows=table,
        caption=(
            "The promise to a unit is the same in all lines: its rows share one clipped gradient. Recipes are chosen "
            "for each line."
        ),
    )


def _recipes_table(found: Found, config: PrivateTrainingConfig) -> Table:
    table: Cells = []
    for cell, (recipe, most) in found.chosen.items():
        mechanism = found.mechanisms[cell]
        cost = bill(mechanism, config.flights.delta)
        table.append(
            [
                f"{named(cell[0], most)}; {recipe.steps} steps at {recipe.rate:g}",
                cell[2],
                recipe.learning_rate,
                recipe.bound,
                100 * found.public_scores[cell],
                mechanism.multiplier,
                cost.epsilon,
                f"{cost.low:.2f} to {cost.high:.2f}",
                cost.renyi,
            ]
        )
    return Table(
        title="Recipes on owned rows, and what they cost",
        columns=[
            Column(name="method"),
            Column(name="asked"),
            Column(name="learning rate"),
            Column(name="bound", digits=2),
            Column(name="AUC on public units", unit="%"),
            Column(name="noise multiplier", digits=2),
            Column(name="PLD, of record", digits=3),
            Column(name="PRV's bracket"),
            Column(name="RDP", digits=3),
        ],
        rows=table,
        caption=(
            "Epsilon of a unit, but of a row where each is one. The AUC on public units is that of the best recipe, of "
            "few units in folds, with noise that is to the mean gradient what it is on the private ones."
        ),
    )


def _notes(rows: Rows, config: PrivateTrainingConfig) -> list[str]:
    share, counts = 100 * config.flights.public, rows.counts
    notes = [
        f"{share:g} % of the units are declared public, by chance: they choose recipes, are in no training and no "
        "test, and are not protected. Numbers of units and of rows are taken as public.",
        "Each unit counts alike in training, however many rows it has; the AUC counts rows.",
    ]
    if config.flights.file is not None:
        notes.append(
            "Areas under the curve and counts are exact, of units that train and test: this report is no more to be "
            "shown around than the file."
        )
    else:
        notes.append(
            "Months and carriers are the same in training and test, and units are split, not days: this says nothing "
            "of next year's flights."
        )
    if counts.max() == 1:
        notes.append(
            "No unit has more than one row: a promise to rows is one to units here, and the bound changes nothing."
        )
    return notes
