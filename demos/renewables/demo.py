"""Renewables: forecast the power, dispatch it, and notice when a plant fails.

trendlab run renewables --profile smoke              all three chapters, under 90 s on 2 cores
trendlab run renewables --profile cpu                the tables of the card
trendlab run renewables 'chapters=[dispatch]'        one chapter
trendlab bench renewables                            solvers, fan-out, latency of the detectors
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from demos.renewables.config import RenewablesConfig
from shared.config import load
from shared.demo import Demo
from shared.errors import UserError

if TYPE_CHECKING:
    from shared.demo import Run
    from shared.result import Result

BENCHES = ("dispatch", "faults")


def run(config: RenewablesConfig, run: Run) -> Result:
    """Run the chapters asked for, each on its own data."""
    from demos.renewables.evaluate import DECIDES, combined, has_settings_of

    chapters = []
    for name in config.chapters:
        run.say(f"chapter: {name}")
        chapters.append(import_module(f"demos.renewables.{name}.chapter").run_chapter(config, run))
    return combined(chapters, decides=has_settings_of(config, load(RenewablesConfig, DEMO.slug, DECIDES)))


def bench(config: RenewablesConfig, run: Run) -> Result:
    """Solvers and fan-out of the dispatch, single updates of the fault detectors; whatever the chapters asked for."""
    from demos.renewables.evaluate import side_by_side

    names = [name for name in config.chapters if name in BENCHES]
    if not names:
        raise UserError(f"trendlab bench renewables: chapters must hold {' or '.join(BENCHES)}")
    return side_by_side([import_module(f"demos.renewables.{name}.bench").measure(config, run) for name in names])


DEMO = Demo(
    slug="renewables",
    title="Renewables: forecast, dispatch, faults",
    trend="AI for renewable energy (2022)",
    question="How much will the sun and the wind give, what should storage do about it, and which plant is failing?",
    config=RenewablesConfig,
    run=run,
    bench=bench,
    extra="renewables",
)
