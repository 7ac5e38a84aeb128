"""Draw pictograms from words, on a pipeline of diffusers' own classes.

trendlab run diffusion                      trains for a few steps and judges what comes of it
trendlab run diffusion --profile cpu        trains the teacher
trendlab run diffusion model.name=local-dir:FOLDER
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.diffusion.config import DiffusionConfig
from shared.demo import Demo

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result


def run(config: DiffusionConfig, run: Run) -> Result:
    """Train or open a pipeline, draw, judge."""
    from demos.diffusion.evaluate import evaluate

    return evaluate(config, run)


DEMO = Demo(
    slug="diffusion",
    title="Words to pictures",
    trend="Generative AI (2022)",
    question="What does a small model draw for words whose pictures it never saw, and how few steps does it need?",
    config=DiffusionConfig,
    run=run,
    extra="diffusion",
)
