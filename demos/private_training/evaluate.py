"""What is measured, chapter by chapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.chapter import put_together
from shared.result import Part

if TYPE_CHECKING:
    from demos.private_training.config import PrivateTrainingConfig
    from shared.chapter import Chapter
    from shared.demo import Run
    from shared.result import Result

CHAPTERS = {
    "learn": Part(
        title="Training under a budget",
        intro=(
            "Handwritten digits, each a unit of its own, as if each were one person's: what is left of the accuracy "
            "when the training may not tell who was in it."
        ),
    ),
    "flights": Part(
        title="Units that own several rows",
        intro=(
            "The promise is to a unit with all its rows. Unless the rows are yours: will a flight arrive more than 15 "
            "minutes late? The unit is an aircraft with all its flights of 2013, from one to some hundreds."
        ),
    ),
    "audit": Part(
        title="Attacks",
        intro=(
            "Whether the promise holds, asked of the trainings themselves: by an attacker who sees each step and put "
            "units of his own making among the others, and by one who has the model alone."
        ),
    ),
    "trust": Part(
        title="Three owners, one model",
        intro=(
            "Airports that hold departures of the same aircraft train one model, and show no row to each other. The "
            "owners are simulated: they run on one machine, and that each runs the code it says is simulated too."
        ),
    ),
}


def evaluate(config: PrivateTrainingConfig, run: Run) -> Result:
    """All chapters that are asked for."""
    if "flights" in config.chapters:
        # What is wrong with a file or a delta is said before an hour of training, not after.
        from demos.private_training.flights.compare import refuse_delta, splits_of
        from demos.private_training.flights.rows import load

        rows = load(config.flights, config.seed)
        refuse_delta(config, rows, splits_of(config, rows))
    return put_together(
        [(CHAPTERS[name], _chapter(name, config, run)) for name in config.chapters],
        notes=[
            "Noise and sampling come from a seed, so that the numbers can be had again: these models protect nobody. "
            "With `bits=SystemBits()`, the default of the engine, they come from the operating system.",
        ],
    )


def _chapter(name: str, config: PrivateTrainingConfig, run: Run) -> Chapter:
    # Each brings packages of its own, which the others have no need to wait for.
    if name == "learn":
        from demos.private_training.learn.report import learn

        return learn(config, run)
    if name == "flights":
        from demos.private_training.flights.report import flights

        return flights(config, run)
    if name == "audit":
        from demos.private_training.audit.report import audit

        return audit(config, run)
    if name == "trust":
        from demos.private_training.trust.report import trust

        return trust(config, run)
    raise ValueError(f"no such chapter: {name}")
