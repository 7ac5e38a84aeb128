"""What takes longer than a run: SetFit on the same labels, and streams in which it may pay to choose who is sent up.

trendlab bench coevolution --profile cpu
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.coevolution.data import HOME, SCENES, used
from demos.coevolution.down.setfit import Pairs, setfit
from demos.coevolution.training.trained import Trained
from demos.coevolution.up.compare import Found, compare
from demos.coevolution.up.stream import NEW
from shared.errors import UserError
from shared.evaluation.compare import headline
from shared.result import Column, Result, Table

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig
    from demos.coevolution.training.jobs import Scores
    from shared.demo import Run

PAIRS = 16  # in a step of SetFit: as many texts as in a step of ours
LONGER = 5  # times as many steps for SetFit, on one seed: its pairs are far more than its texts
STUDIES: dict[str, dict[str, Any]] = {
    "a rare scene, one text in twenty": {
        "shares": {"product": 0.475, "editorial": 0.475, "tweet": 0.05},
        "stream": 800,
    },
    "a small budget, 20 of 1,000": {"uploads": 20},
    "tweets alone": {"shares": {"product": 0.0, "editorial": 0.0, "tweet": 1.0}, "stream": 400, "uploads": 40},
}


def measure(config: CoevolutionConfig, run: Run) -> Result:
    """Train, stream, tell. Raises UserError for a profile that is too small."""
    if config.models.seeds < 2 or config.models.unlabelled is not None:
        raise UserError("the bench needs two seeds and all texts: trendlab bench coevolution --profile cpu")
    with tempfile.TemporaryDirectory(prefix="trendlab-") as folder:
        trained = Trained(config, run, Path(folder))
        clouds = trained.clouds()
        models = config.models
        jobs = [Pairs(seed, models.labelled, models.test, models.cloud.steps, PAIRS) for seed in trained.seeds]
        longer = replace(jobs[0], steps=LONGER * jobs[0].steps)
        *peers, patient = run.map("SetFit", setfit, [*jobs, longer])
        studies = {name: _study(trained, changes) for name, changes in STUDIES.items()}
    ours, theirs = ([100 * scores[HOME] for scores in each] for each in (clouds, peers))
    return Result(
        headlines=[
            headline(
                "The large model on the labels at home",
                {"ours": ours, "SetFit": theirs},
                ours="ours",
                peer="SetFit",
                unit="%",
                direction="higher",
                resampled="seeds",
                note=f"{models.labelled} labels, {models.cloud.steps} steps each",
            )
        ],
        metrics=[],
        tables=[_setfit(clouds, peers, patient), _pays(studies)],
        figures=[],
        data=used(),
        notes=[
            "SetFit: MiniLM drawn by pairs of texts, as many texts in as many steps, at its documented rate; logistic "
            "regression on its vectors.",
            "Each study is a set of streams of its own; within it the policies see the same.",
        ],
    )


def _study(trained: Trained, changes: dict[str, Any]) -> Found:
    up = trained.config.up.model_copy(update={"policies": ["random", "hard", "diverse"], "whole": 0, **changes})
    return compare(trained, up)


def _setfit(clouds: list[Scores], peers: list[Scores], patient: Scores) -> Table:
    ways = {
        "with a layer on top, all trained": clouds,
        "SetFit": peers,
        "with a layer on top, first seed": clouds[:1],
        f"SetFit, {LONGER} times as many steps, first seed": [patient],
    }
    return Table(
        title="On the labels alone",
        columns=[
            Column(name="large model"),
            *[Column(name=scene, unit="%", direction="higher") for scene in SCENES],
        ],
        rows=[
            [name, *[100 * float(np.mean([scores[scene] for scores in each])) for scene in SCENES]]
            for name, each in ways.items()
        ],
        caption=f"Test texts, mean of {len(clouds)} seeds where none is named.",
    )


def _pays(studies: dict[str, Found]) -> Table:
    rows: list[list[str | float | None]] = []
    for name, found in studies.items():
        random = found.gains("random", "cloud")
        for policy in found.streams:
            gains = found.gains(policy, "cloud")
            rows.append(
                [
                    f"{name}, {policy}",
                    gains.mean,
                    f"{gains.interval.low:+.1f} to {gains.interval.high:+.1f}",
                    None if policy == "random" else (gains - random).told,
                    *[found.in_scene(policy, "cloud", scene).mean for scene in NEW],
                    found.gains(policy, "small").mean,
                ]
            )
    return Table(
        title="When it pays to choose",
        columns=[
            Column(name="stream, policy"),
            Column(name="large model, new scenes", unit="points"),
            Column(name="95 %"),
            Column(name="over random"),
            *[Column(name=scene, unit="points") for scene in NEW],
            Column(name="device, new scenes", unit="points"),
        ],
        rows=rows,
        caption="Gains after the last round; 95 %, streams and test texts drawn again, differences paired. The streams "
        "as they are otherwise: `trendlab run coevolution --profile cpu`.",
    )
