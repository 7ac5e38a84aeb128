"""Differential privacy that can be checked: training under a budget, and what it costs.

trendlab run private_training                          a little of everything
trendlab run private_training --profile cpu            the tables of the card
trendlab run private_training 'learn.epsilons=[0.5]'   another budget
trendlab run private_training 'chapters=[flights]'    units that own several rows
trendlab bench private_training                        a private step beside a plain one
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.private_training.config import PrivateTrainingConfig
from shared.demo import Demo

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result


def run(config: PrivateTrainingConfig, run: Run) -> Result:
    """Train all methods under all budgets, and show what is left of their accuracy."""
    from demos.private_training.evaluate import evaluate

    return evaluate(config, run)


def bench(config: PrivateTrainingConfig, run: Run) -> Result:
    """A private step beside a plain one, timed side by side."""
    from demos.private_training.bench import measure

    return measure(config, run)


DEMO = Demo(
    slug="private_training",
    title="Private training",
    trend="Privacy-preserving computation (2022)",
    question="What does a model still learn when no single person's data may show in it?",
    config=PrivateTrainingConfig,
    run=run,
    bench=bench,
    extra="private_training",
)
