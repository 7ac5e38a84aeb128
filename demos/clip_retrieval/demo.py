"""Search pictures with words, on a CLIP of open_clip's own classes.

trendlab run clip_retrieval                          the shipped model on pictures it never saw, and its peers
trendlab run clip_retrieval --profile cpu            trains a model for each test fold and one for combinations
trendlab run clip_retrieval data.corpus=FOLDER       a model on your own captioned pictures
trendlab search "a red apple" --k 8                  search the embedded pictures, or --corpus your folder
trendlab bench clip_retrieval                        training, exact search and a whole query beside their peers
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.clip_retrieval.config import ClipConfig
from shared.demo import Demo
from shared.errors import UserError

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result


def run(config: ClipConfig, run: Run) -> Result:
    """Train or load, index, judge beside the peers; or judge on the user's own pictures."""
    if config.data.corpus is not None:
        from demos.clip_retrieval.own.report import evaluate_own

        return evaluate_own(config, run)
    from demos.clip_retrieval.evaluate import evaluate

    return evaluate(config, run)


def bench(config: ClipConfig, run: Run) -> Result:
    """Training, exact search and a whole query, each beside its peers."""
    if config.data.corpus is not None:
        raise UserError("data.corpus is for `trendlab run`: what `trendlab bench` times are the embedded pictures")
    from demos.clip_retrieval.bench import measure

    return measure(config, run)


DEMO = Demo(
    slug="clip_retrieval",
    title="Search pictures with words",
    trend="Pre-trained multimodal models (2022)",
    question="Which picture is meant by these words, when nobody ever labelled the pictures with them?",
    config=ClipConfig,
    run=run,
    bench=bench,
    extra="clip_retrieval",
)
