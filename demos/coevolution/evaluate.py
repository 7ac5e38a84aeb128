"""What is measured, chapter by chapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.chapter import put_together
from shared.result import Part

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig
    from shared.chapter import Chapter
    from shared.demo import Run
    from shared.result import Result

CHAPTERS = {
    "texts": Part(
        title="The texts",
        intro=(
            "Sentences that people rated: is a text positive or negative? Films are home, where models are trained; "
            "the other scenes arrive later. Beside them stands how often one person agrees with all others."
        ),
    ),
    "down": Part(
        title="From the large model to the small ones",
        intro=(
            "The large model learns from few labels and answers for many texts without; two of its layers, and a model "
            "of word vectors, learn from its answers."
        ),
    ),
}


def evaluate(config: CoevolutionConfig, run: Run) -> Result:
    """All chapters that are asked for."""
    return put_together([(CHAPTERS[name], _chapter(name, config, run)) for name in config.chapters])


def _chapter(name: str, config: CoevolutionConfig, run: Run) -> Chapter:
    # Each brings packages of its own, which the others have no need to wait for.
    if name == "texts":
        from demos.coevolution.scenes.report import scenes

        return scenes(run)
    if name == "down":
        from demos.coevolution.down.report import down

        return down(config, run)
    raise ValueError(f"no such chapter: {name}")
