"""Dispatch: sell tomorrow's power today, then run battery and reservoir through the day that comes.

trendlab run renewables --profile smoke 'chapters=[dispatch]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.renewables.chapter import Chapter
from demos.renewables.dispatch.composite import load_composite
from demos.renewables.dispatch.days import DayInputs, calendar, make_inputs
from demos.renewables.dispatch.evaluate import Study, fleet_name, headlines, metrics, tables, targets
from demos.renewables.dispatch.figures import draw_all
from demos.renewables.dispatch.policies import play_day, try_margins, try_spread

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.demo import Run


def run_chapter(config: RenewablesConfig, run: Run) -> Chapter:
    """Tune on validation days, play all policies on the test days, settle them alike, compare."""
    dispatch = config.dispatch
    composite = load_composite(dispatch.data.profiles, dispatch.fleet)
    days = dispatch.days
    tuned_on = calendar(days.tune_first, days.tune_last, days.tune_step)
    inputs = make_inputs(composite, dispatch, tuned_on + calendar(days.first, days.last, days.step))
    tuning, testing = inputs[: len(tuned_on)], inputs[len(tuned_on) :]
    level = _tuned(tuning, run)
    results = run.map("dispatch: test days", play_day, [(day, level) for day in testing])
    spreads = _spreads(testing[:: days.spread_step], run)
    study = Study(results, level, spreads, dispatch, config.seed)
    return Chapter(
        name="dispatch",
        title=f"Dispatch of {fleet_name(dispatch)}",
        intro=(OWN if composite.own else COMPOSITE) + INTRO,
        headlines=headlines(study),
        metrics=metrics(study),
        tables=tables(study),
        figures=draw_all(study, run),
        data=composite.used,
        notes=composite.notes + NOTES,
        targets=[] if composite.own else targets(study),
    )


def _tuned(tuning: list[DayInputs], run: Run) -> float:
    """The quantile of the hedged plan with the least cost over the validation days."""
    costs = np.array(run.map("dispatch: tuning the margin of a peer", try_margins, tuning))
    return float(tuning[0].config.evaluation.margins[int(costs.sum(axis=0).argmin())])


def _spreads(testing: list[DayInputs], run: Run) -> dict[tuple[float, float], np.ndarray]:
    pairs = testing[0].config.evaluation.spreads
    jobs = [(inputs, short, long) for short, long in pairs for inputs in testing]
    if not jobs:
        return {}
    found = np.array(run.map("dispatch: other imbalance prices", try_spread, jobs))
    return {pair: found[at * len(testing) : (at + 1) * len(testing)] for at, pair in enumerate(pairs)}


OWN = "Your own profiles."
COMPOSITE = (
    "A composite: profiles that real German plants and loads had in 2016, scaled to one fleet that does not exist"
    " anywhere."
)
INTRO = (
    " Prices, grid, battery and reservoir are assumed. Retrospective: recorded days are played one by one, with our own"
    " forecasts of them, made from what was known by then."
)
NOTES = [
    "All prices are assumptions: day-ahead follows our own net load forecast at the gate and is known when plans are"
    " made; being short pays a fixed premium on it, being long loses a fixed discount on it. Grid, battery and"
    " reservoir are made up.",
    "The two-stage plan lets each scenario be known as soon as the day begins, so it trusts battery and reservoir more"
    " than a controller can; that costs our plan, not its peers.",
    "Days are played one by one from the same start, energy left over at a fixed value; no strategy across days.",
]
