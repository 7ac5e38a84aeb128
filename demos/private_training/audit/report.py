"""What attacks say of the promise: lower bounds beside what is claimed, broken trainings found, members looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.private_training.audit.attacks import (
    BROKEN_EPSILON,
    CROWDED_STEPS,
    GUESSED,
    LONG,
    SHORT_STEPS,
    attack,
)
from demos.private_training.audit.bounds import (
    epsilon_of_guesses,
    epsilon_of_mu,
    epsilon_of_trials,
    mu_of_guesses,
    mu_of_trials,
)
from demos.private_training.audit.figures import bounds_figure, receiver_figure
from demos.private_training.audit.lira import found_at, likelihood_ratios
from demos.private_training.budget.accountant import COARSE, epsilon_of, most_found
from demos.private_training.data import used
from shared.chapter import Chapter
from shared.evaluation.intervals import bootstrap
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.private_training.audit.attacks import Found, Members
    from demos.private_training.audit.bounds import Trials
    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run

SHORT, CROWDED, ANY = "many trainings, Gaussian", "one training, Gaussian", "one training, any mechanism"
MANY_ANY = "many trainings, any mechanism"
ALARMS = (0.001, 0.01)  # shares of others that may be taken for members
Bounds = dict[str, dict[float, float]]


def audit(config: PrivateTrainingConfig, run: Run) -> Chapter:
    """Attack, tell."""
    found = attack(config, run)
    bounds = lower_bounds(found, config)
    return Chapter(
        headlines=_headlines(bounds, config),
        metrics=_metrics(bounds, found),
        tables=[_bounds_table(bounds, config), _broken_table(found, config), _moves_table(found), _member_table(found)],
        figures=[bounds_figure(bounds, broken_bounds(found, config), config, run), receiver_figure(found, run)],
        data=used(),
        notes=[
            "A lower bound above the claim refutes it; one below proves nothing, since a better attack may be found.",
            "Canaries, short trainings and broken variants are made for the audit: no model of them is of any use.",
        ],
    )


def lower_bounds(found: Found, config: PrivateTrainingConfig) -> Bounds:
    """By way and budget, the epsilon that attacks refute."""
    delta, confidence = config.learn.delta, config.audit.confidence
    return {
        SHORT: {
            epsilon: epsilon_of_mu(mu_of_trials(trials, confidence), delta) for epsilon, trials in found.short.items()
        },
        MANY_ANY: {epsilon: epsilon_of_trials(trials, delta, confidence) for epsilon, trials in found.short.items()},
        CROWDED: {
            epsilon: epsilon_of_mu(mu_of_guesses(guesses[0], confidence), delta)
            for epsilon, guesses in found.crowded.items()
        },
        ANY: {epsilon: epsilon_of_guesses(guesses[1], delta, confidence) for epsilon, guesses in found.crowded.items()},
    }


def broken_bounds(found: Found, config: PrivateTrainingConfig) -> dict[str, float]:
    """By what is wrong, the epsilon that attacks refute where BROKEN_EPSILON is claimed."""
    confidence, delta = config.audit.confidence, config.learn.delta
    return {
        name: epsilon_of_mu(mu_of_trials(trials, confidence), delta)
        for name, (mechanism, trials) in found.broken.items()
        if name and mechanism.rate == 1
    }


def refuted(trials: Trials, ceiling: float, confidence: float) -> bool:
    """Whether more members are found than the claim allows."""
    return trials.least_found((1 + confidence) / 2) > ceiling


def _headlines(bounds: Bounds, config: PrivateTrainingConfig) -> list[Headline]:
    return [
        Headline(
            name=f"Epsilon that attacks refute, of {epsilon:g} claimed",
            value=bounds[SHORT][epsilon],
            unit="",
            direction="higher",
            peer=CROWDED,
            peer_value=bounds[CROWDED][epsilon],
            note=f"at {100 * config.audit.confidence:g} %; the nearer below the claim, the tighter both are",
        )
        for epsilon in config.learn.epsilons
    ]


def _metrics(bounds: Bounds, found: Found) -> list[Metric]:
    metrics = [
        Metric(name=f"Refuted epsilon, {way}, of {epsilon:g}", value=value, unit="", direction="higher")
        for way, row in bounds.items()
        for epsilon, value in row.items()
    ]
    for name, members in found.members.items():
        for alarms in ALARMS:
            shares = 100 * found_at(likelihood_ratios(members.confidences, members.masks), members.masks, alarms)
            metrics.append(
                Metric(
                    name=f"Members found at {100 * alarms:g} % alarms, {name}",
                    value=float(np.mean(shares)),
                    unit="%",
                    direction="lower",
                    interval=bootstrap(shares, unit="models"),
                )
            )
    return metrics


def _bounds_table(bounds: Bounds, config: PrivateTrainingConfig) -> Table:
    audit = config.audit
    return Table(
        title="Lower bounds of epsilon",
        columns=[
            Column(name="attack and bound"),
            *[Column(name=f"of epsilon {epsilon:g}", digits=2) for epsilon in config.learn.epsilons],
            *[Column(name=f"share of {epsilon:g}", digits=2) for epsilon in config.learn.epsilons],
        ],
        rows=[
            [way, *row.values(), *[value / epsilon for epsilon, value in row.items()]] for way, row in bounds.items()
        ],
        caption=(
            f"At delta = {config.learn.delta:g}, each at a confidence of {100 * audit.confidence:g} %. Many trainings: "
            f"{audit.runs:,} of {SHORT_STEPS} steps, half of them with one canary. One training: of {CROWDED_STEPS} "
            f"steps, with {audit.canaries:,} canaries that are each in by a coin, and guesses on "
            f"{100 * GUESSED[0]:g} % of them, or {100 * GUESSED[1]:g} % for any mechanism. Gaussian: uses that these "
            "steps, on all units, have exactly the trade-off of two normal distributions."
        ),
    )


def _broken_table(found: Found, config: PrivateTrainingConfig) -> Table:
    confidence = config.audit.confidence
    rows: list[list[str | float | None]] = []
    variants = [(name or "nothing", *pair) for name, pair in found.broken.items()]
    if BROKEN_EPSILON in found.short:
        variants.insert(0, ("nothing", found.mechanisms[BROKEN_EPSILON], found.short[BROKEN_EPSILON]))
    for name, mechanism, trials in variants:
        epsilon = epsilon_of(mechanism, config.learn.delta, COARSE)
        claim = f"epsilon {epsilon:.3g}" + (", Poisson batches" if mechanism.rate < 1 else "")
        least, most = trials.least_found((1 + confidence) / 2), trials.most_alarms((1 + confidence) / 2)
        ceiling = most_found(mechanism, most)
        verdict = "refuted" if refuted(trials, ceiling, confidence) else "stands"
        rows.append([name, claim, 100 * least, 100 * most, 100 * ceiling, verdict])
    poisson = ""
    if None in found.broken:
        sampled = found.broken[None][0]
        poisson = (
            f"Poisson batches: multiplier {sampled.multiplier:g}, {sampled.steps} steps at a rate of {sampled.rate:g}. "
        )
    return Table(
        title="Broken on purpose",
        columns=[
            Column(name="what is wrong"),
            Column(name="claim"),
            Column(name="found, at least", unit="%", digits=1),
            Column(name="alarms, at most", unit="%", digits=1),
            Column(name="ceiling of the claim", unit="%", digits=1),
            Column(name="the claim"),
        ],
        rows=rows,
        caption=(
            f"{config.audit.broken_runs:,} short trainings each, half of them with a canary; bounds hold together at "
            f"{100 * confidence:g} %. {poisson}The ceiling is that of the whole curve of epsilon and delta."
        ),
    )


def _moves_table(found: Found) -> Table:
    return Table(
        title="How far one unit moves a sum",
        columns=[Column(name="what is trained"), Column(name="move, in bounds", digits=3), Column(name="the claim")],
        rows=[[name, move, "stands" if move <= 1.001 else "refuted"] for name, move in found.moves.items()],
        caption="The largest over 30 pictures, one of them 30 times as bright, each left out in turn. The bound is 1.",
    )


def _member_table(found: Found) -> Table:
    return Table(
        title="Who was in it",
        columns=[
            Column(name="trained"),
            *[Column(name=f"LiRA, at {100 * alarms:g} %", unit="%", digits=2) for alarms in ALARMS],
            *[Column(name=f"by loss, at {100 * alarms:g} %", unit="%", digits=2) for alarms in ALARMS],
            *[Column(name=f"ceiling at {100 * alarms:g} %", unit="%", digits=2) for alarms in ALARMS],
        ],
        rows=[[name, *_member_row(members)] for name, members in found.members.items()],
        caption=(
            f"Share of members that are found where so many of the others are taken for members; "
            f"{len(next(iter(found.members.values())).masks)} linear models on features, each on a random half of the "
            f"pictures. No privacy: {LONG.steps} steps without a bound. The ceiling is the accountant's, of the whole "
            "curve; found by chance: the share of alarms."
        ),
    )


def _member_row(members: Members) -> list[float | None]:
    ratios = likelihood_ratios(members.confidences, members.masks)
    found = [
        100 * float(np.mean(found_at(scores, members.masks, alarms)))
        for scores in (ratios, members.confidences)
        for alarms in ALARMS
    ]
    ceilings = [100 * most_found(members.mechanism, alarms) if members.mechanism else None for alarms in ALARMS]
    return [*found, *ceilings]
