"""Draw pictograms from words, on a pipeline of diffusers' own classes.

trendlab run diffusion                      draws a few names with the shipped weights, and judges that
trendlab run diffusion --profile cpu        trains the teacher, its student and the student's peer, and judges all
trendlab run diffusion model.name=local-dir:FOLDER
trendlab run diffusion own.folder=FOLDER    fine-tunes on your captioned pictures
trendlab bench diffusion                    speed
trendlab generate "a red apple"             draws
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.diffusion.config import DiffusionConfig
from shared.demo import Demo

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result


def run(config: DiffusionConfig, run: Run) -> Result:
    """Train or open a pipeline, draw, judge; or fine-tune it on the user's pictures."""
    if config.own.folder is not None:
        from demos.diffusion.own import fine_tune

        return fine_tune(config, run)
    from demos.diffusion.evaluate import evaluate

    return evaluate(config, run)


def bench(config: DiffusionConfig, run: Run) -> Result:
    """Evaluations, pictures and steps of training, timed side by side."""
    from demos.diffusion.bench import measure

    return measure(config, run)


DEMO = Demo(
    slug="diffusion",
    title="Words to pictures",
    trend="Generative AI (2022)",
    question="What does a small model draw for words whose pictures it never saw, and how few steps does it need?",
    config=DiffusionConfig,
    run=run,
    bench=bench,
    extra="diffusion",
)
