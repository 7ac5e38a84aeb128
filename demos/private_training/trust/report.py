"""What owners gain by training together, what it costs whom, and what their ledger refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.budget.accountant import multiplier_for
from demos.private_training.trust.airports import used
from demos.private_training.trust.compare import ALL, NO_NOISE, OURS, Scores, alone, compare, methods, quieter, recipe
from demos.private_training.trust.federate import SIMULATED
from demos.private_training.trust.figures import areas_figure, spending_figure
from demos.private_training.trust.owner import code_hash
from demos.private_training.trust.plan import Plan, Sight, epsilon_against
from demos.private_training.trust.requests import ANSWERED, TRAINED, Request, asked
from shared.chapter import Chapter
from shared.evaluation.compare import headline
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run

Cells = list[list[str | float | None]]
AT_EQUAL_EPSILON = "AUC together, noise shared, less that of the owner alone at the same epsilon."
AT_EQUAL_COST = (
    "AUC together, noise shared, less that of the owner alone, when trainings by each owner alone cost an aircraft "
    "that is at all of them epsilon in all."
)


def trust(config: PrivateTrainingConfig, run: Run) -> Chapter:
    """Ask, compare, tell."""
    requests, ledger = asked(config, run)
    scores = compare(config, run)
    return Chapter(
        headlines=[_headline(scores, config)],
        metrics=_metrics(scores),
        tables=[
            _areas_table(scores, config),
            _gain_table(scores, config, alone, "What an owner gains by training together", AT_EQUAL_EPSILON),
            _gain_table(scores, config, quieter, "The same at equal cost to an aircraft", AT_EQUAL_COST),
            _sight_table(scores, config),
            _ledger_table(requests),
        ],
        figures=[areas_figure(scores, config, run), spending_figure(requests, run)],
        data=used(),
        notes=[
            f"The ledger's {len(ledger.lines())} lines follow from each other; the last has the hash "
            f"{ledger.verify()[:12]}. The code of the owners has the hash {code_hash()[:12]} ({SIMULATED}: each owner "
            "tells its own, and nothing makes it tell the truth).",
            "A budget is an owner's, and the promise an aircraft's: one that flies from all airports paid "
            f"{_paid(requests):g} in all, which is more than any owner spent, since questions to several owners add up "
            "for it.",
            "An aircraft that flies from all airports pays epsilon once for a training together, and once to each "
            "owner that trains alone, but for those called one of all, whose noise is larger.",
        ],
    )


def _paid(requests: list[Request]) -> float:
    """Epsilon of a unit at all owners: a training together counts once, and each question to one owner for itself."""
    return sum(request.epsilon for request in requests if request.outcome in (ANSWERED, TRAINED))


def _headline(scores: Scores, config: PrivateTrainingConfig) -> Headline:
    """Beside the owner that does best by itself."""
    epsilon = max(config.trust.epsilons)
    names = [alone(owner) for owner in config.trust.owners]
    best = max(names, key=lambda name: float(np.mean(scores.areas[name, epsilon, ALL])))
    return headline(
        f"Late arrivals at epsilon {epsilon:g}",
        {name: scores.areas[name, epsilon, ALL] for name in (OURS, best)},
        ours=OURS,
        peer=best,
        unit="AUC",
        direction="higher",
        resampled="seeds",
        note="unseen aircraft, departures from all airports",
    )


def _metrics(scores: Scores) -> list[Metric]:
    return [
        Metric(
            name=f"{name}, on {place}, {'no noise' if epsilon == NO_NOISE else f'epsilon {epsilon:g}'}",
            value=float(np.mean(values)),
            unit="AUC",
            direction="higher",
            interval=bootstrap(values, unit="seeds"),
        )
        for (name, epsilon, place), values in scores.areas.items()
    ]


def _areas_table(scores: Scores, config: PrivateTrainingConfig) -> Table:
    trust = config.trust
    budgets = [*sorted(trust.epsilons), NO_NOISE]
    rows: Cells = []
    for name in methods(trust.owners):
        series = [scores.areas.get((name, epsilon, ALL)) for epsilon in budgets]
        rows.append([name, *[None if values is None else float(np.mean(values)) for values in series]])
    names = [f"epsilon {epsilon:g}" for epsilon in budgets[:-1]]
    return Table(
        title="Late arrivals of unseen aircraft",
        columns=[
            Column(name="method"),
            *[Column(name=name, unit="AUC", direction="higher", digits=4) for name in [*names, "no noise"]],
        ],
        rows=rows,
        caption=(
            f"Area under the ROC curve over all departures of a fifth of the aircraft, from all airports, mean of "
            f"{trust.seeds} seeds; delta = {trust.delta:g}, one linear layer, {trust.steps} rounds. Pooled: all rows "
            "in one place, each aircraft clipped once."
        ),
    )


def _gain_table(
    scores: Scores, config: PrivateTrainingConfig, peer: Callable[[str], str], title: str, caption: str
) -> Table:
    """peer: an owner -> the method that it is without the others."""
    trust, rows = config.trust, Cells()
    for owner in trust.owners:
        for place, where in ((ALL, "all airports"), (owner, "its own")):
            row: list[str | float | None] = [f"{owner}, on departures from {where}"]
            for epsilon in sorted(trust.epsilons):
                ours, own = (scores.areas[name, epsilon, place] for name in (OURS, peer(owner)))
                interval = paired_difference(ours, own, unit="seeds")
                gain = float(np.mean(ours) - np.mean(own))
                row.append(f"{gain:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})")
            rows.append(row)
    return Table(
        title=title,
        columns=[
            Column(name="owner"),
            *[Column(name=f"epsilon {epsilon:g}") for epsilon in sorted(trust.epsilons)],
        ],
        rows=rows,
        caption=(f"{caption} 95 %, paired bootstrap over {trust.seeds} seeds; an interval that holds 0 says nothing."),
    )


def _sight_table(scores: Scores, config: PrivateTrainingConfig) -> Table:
    """What an aircraft pays against each who is curious, with both ways to add noise."""
    trust = config.trust
    count, epsilon = len(trust.owners), max(trust.epsilons)
    multiplier = multiplier_for(epsilon, trust.delta, 1.0, trust.steps)
    sights = [
        Sight("who gets the model, and the coordinator"),
        *[Sight(f"{own} of the {count} owners, with what they know", own=own) for own in range(1, count)],
        *[Sight(f"who gets the model, when {bare} left out their noise", bare=bare) for bare in range(1, count)],
    ]
    plans = [Plan(recipe(trust.steps, count), count, scores.parts, multiplier, noise) for noise in ("shared", "alone")]
    return Table(
        title="Who can find out how much",
        columns=[
            Column(name="who is curious"),
            Column(name="noise shared", unit="epsilon", digits=2),
            Column(name="each all the noise", unit="epsilon", digits=2),
        ],
        rows=[[sight.who, *[epsilon_against(plan, sight, trust.delta) for plan in plans]] for sight in sights],
        caption=(
            f"Epsilon at delta = {trust.delta:g} of one aircraft's rows at the other owners, at all for who is none: "
            f"noise multiplier {multiplier:.2f} in the sum of {count} owners (shared), or at each of them."
        ),
    )


def _ledger_table(requests: list[Request]) -> Table:
    owners = list(requests[-1].granted)
    return Table(
        title="The ledger",
        columns=[
            Column(name="request"),
            Column(name="of"),
            Column(name="epsilon of each", digits=2),
            Column(name="outcome"),
            *[Column(name=f"left at {owner}", digits=2) for owner in owners],
        ],
        rows=[
            [
                request.what,
                ", ".join(request.owners),
                request.epsilon,
                f"{request.outcome}: {request.told}" if request.told else request.outcome,
                *[request.granted[owner] - request.spent[owner] for owner in owners],
            ]
            for request in requests
        ],
        caption=f"What was reserved before anybody looked at a row, in the ledger of this run; {SIMULATED}.",
    )
