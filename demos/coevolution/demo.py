"""A large model in the cloud and small ones at the edge and on the device, on real texts of four scenes.

trendlab run coevolution                               the texts, and small models from a large one
trendlab run coevolution --profile cpu                 the table of the card
trendlab run coevolution 'chapters=[texts]'            what the data are
trendlab bench coevolution --profile cpu               SetFit, and when it pays to choose who is sent up
trendlab run coevolution own.csv=FILE                  on your own texts
trendlab students answer "not a good film"             asks the device's model of the newest run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.coevolution.config import CoevolutionConfig
from shared.demo import Demo

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result


def run(config: CoevolutionConfig, run: Run) -> Result:
    """Each chapter that is asked for, or the way down on the user's own texts."""
    if config.own.csv is not None:
        from demos.coevolution.own.evolve import own

        return own(config, run)
    from demos.coevolution.evaluate import evaluate

    return evaluate(config, run)


def bench(config: CoevolutionConfig, run: Run) -> Result:
    """SetFit, and when it pays to choose who is sent up."""
    from demos.coevolution.bench import measure

    return measure(config, run)


DEMO = Demo(
    slug="coevolution",
    title="Coevolution",
    trend="Co-evolution of large and small models (2022)",
    question="Do a large model in the cloud and small ones at the edge make each other better?",
    config=CoevolutionConfig,
    run=run,
    bench=bench,
    extra="coevolution",
)
