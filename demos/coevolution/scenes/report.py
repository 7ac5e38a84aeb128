"""What the data are: how many texts, how they are split, and how far people agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import ARCHIVE, POLAR, SCENES, texts, used
from demos.coevolution.scenes.ceiling import agreement
from demos.coevolution.splits import ALIKE, frozen, kept
from shared.chapter import Chapter
from shared.result import Column, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.data import Scene
    from shared.demo import Run
    from shared.result import Figure


def scenes(run: Run) -> Chapter:
    """Count, compare, draw."""
    ceilings = {scene: agreement([text for text in texts() if text.scene == scene]) for scene in SCENES}
    return Chapter(
        metrics=[
            Metric(name=f"One person against the others, {scene}", value=100 * same, unit="%", direction="none")
            for scene, (same, _) in ceilings.items()
        ],
        tables=[_counts(), _people(ceilings)],
        figures=[_ratings(run)],
        data=used(ARCHIVE),
        notes=[
            "People were shown single sentences; what the author meant is not known.",
            f"Texts whose mean rating is between -{POLAR:g} and {POLAR:g} have no label: they are in no test, but "
            "among the unlabelled ones, as they would be in a stream.",
        ],
    )


def _counts() -> Table:
    split, rows = frozen(), []
    for scene in SCENES:
        left = [texts()[place] for place in split.rest[scene]]
        rows.append(
            [
                scene,
                sum(text.scene == scene for text in texts()),
                sum(texts()[place].scene == scene for place in kept()),
                len({text.document for text in texts() if text.scene == scene}),
                len(split.test[scene]),
                len(split.calibration[scene]),
                len(left),
                100 * sum(text.label is not None for text in left) / len(left),
            ]
        )
    return Table(
        title="Texts",
        columns=[
            Column(name="scene"),
            *[
                Column(name=name, digits=0)
                for name in ("texts", "without near-duplicates", "documents", "test", "calibration", "rest")
            ],
            Column(name="of these with a label", unit="%", digits=0),
        ],
        rows=rows,
        caption=(
            f"Near-duplicates: cosine of words and pairs of words {ALIKE:g} or more; the first is kept. Split by "
            "document, and the same for all seeds; test and calibration hold texts with a label. Which document a "
            "sentence on a film or a tweet is of is not known: each counts as one."
        ),
    )


def _people(ceilings: dict[Scene, tuple[float, float]]) -> Table:
    rows: list[list[str | float | None]] = []
    for scene, (same, neither) in ceilings.items():
        mine = [text for text in texts() if text.scene == scene]
        raters = [len(text.ratings) for text in mine]
        labels = [text.label for text in mine if text.label is not None]
        people = " to ".join(str(count) for count in sorted({min(raters), max(raters)}))
        rows.append([scene, people, 100 * float(np.mean(labels)), 100 * same, 100 * neither])
    return Table(
        title="People",
        columns=[
            Column(name="scene"),
            Column(name="people for a text"),
            Column(name="positive", unit="%"),
            Column(name="one against the others", unit="%"),
            Column(name="said neither", unit="%"),
        ],
        rows=rows,
        caption=(
            "Texts with a label. One against the others: how often a person is on the side of the mean of all others; "
            "who said neither is not. A model may do better, since it learned from means of many."
        ),
    )


def _ratings(run: Run) -> Figure:
    from matplotlib import pyplot

    drawing, panels = pyplot.subplots(1, len(SCENES), figsize=(9, 2.6), sharey=True, layout="constrained")
    for axes, scene in zip(panels, SCENES, strict=True):
        means = np.array([text.mean for text in texts() if text.scene == scene])
        weights = np.full(len(means), 100 / len(means))
        _, _, bars = axes.hist(means, bins=np.arange(-4, 4.1, 0.5), weights=weights, color="C0")
        for bar in list(bars)[7:9]:
            bar.set_facecolor("#b8bec8")
        axes.set(title=scene, xlabel="mean rating", xticks=[-4, -2, 0, 2, 4])
    panels[0].set_ylabel("texts [%]")
    return run.figure(
        drawing,
        "ratings",
        title="What people said",
        caption="Mean ratings of each scene. Grey: nearer to 0, without a label.",
        alt="Histograms of mean ratings: films are rated on both sides, editorials near to 0.",
    )
