"""How much of the large model the small ones keep, by what they learned from."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import HOME, SCENES, used
from demos.coevolution.down.compare import LOSSES, PLAIN, TAUGHT, TEST, Found, compare, learned_from
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import LAST, MATERIALS
from shared.chapter import Chapter
from shared.evaluation.intervals import bootstrap, paired_difference, paired_ratio
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig
    from demos.coevolution.training.jobs import Scores
    from demos.coevolution.training.trained import Cell, Trained
    from shared.demo import Run
    from shared.result import Figure, Interval

# Of a peer that does not learn from labels alone: the place of its material.
LEARNED = {TAUGHT: 3, **dict.fromkeys(LOSSES.values(), len(MATERIALS) - 1)}


def down(trained: Trained) -> Chapter:
    """Train, test, tell."""
    config, run, found = trained.config, trained.run, compare(trained)
    return Chapter(
        headlines=[_headline(found, student) for student in config.down.students],
        metrics=_metrics(found),
        tables=[_home(found, config), _gains(found, config), _parts(found), _scenes(found)],
        figures=[_figure(found, run)],
        data=used(),
        notes=[
            "A teacher's answers and texts without labels are two things, and the columns keep them apart. All "
            "trainings of a student have as many steps.",
            "Those of all scenes are texts that would come to the device later, without any label.",
            "torchdistill's KD, set up as documented, is the cross-entropy that we use, without its factor. Of DIST, "
            "with two classes, the part between classes says nothing, and the part within one alone is learned.",
            "The steps are those that suit the last column: on labels alone they are many times over the same texts.",
        ],
    )


def percent(scores: list[Scores], scene: str = HOME) -> list[float]:
    """Accuracy of each seed in a scene [%]."""
    return [100 * score[scene] for score in scores]


def names(cell: Cell) -> str:
    """Of a student, in words."""
    return f"{cell[0]}, from chance" if cell[2] else str(cell[0])


def _headline(found: Found, student: str) -> Headline:
    (cell,) = (cell for cell in found.students if cell[0] == student and cell[1] == LAST[cell[0]] and not cell[2])
    cloud = np.array(percent(found.cloud))
    kept = 100 * np.array(percent(found.students[cell])) / cloud
    value, interval = _kept(found, student, TEST)
    return Headline(
        name=f"What the {student} keeps of the large model's accuracy",
        value=value,
        unit="%",
        direction="higher",
        peer=TAUGHT,
        peer_value=float(100 * np.mean(percent(found.peers[TAUGHT])) / cloud.mean()),
        interval=interval,
        note=f"at home; of each seed {', '.join(f'{each:.1f}' for each in kept)}",
    )


def _kept(found: Found, student: str, part: str) -> tuple[float, Interval]:
    """Of the large model's accuracy, by all seeds together [%]."""
    ours, whole = (found.by_text[part][name] for name in (student, "cloud"))
    return float(100 * ours.sum() / whole.sum()), paired_ratio(100 * ours, whole, unit="texts")


def _parts(found: Found) -> Table:
    rows: list[list[str | float | None]] = []
    for part, means in found.by_text.items():
        for student in means:
            if student != "cloud":
                kept, interval = _kept(found, student, part)
                accuracies = [100 * float(means[name].mean()) for name in ("cloud", student)]
                bounds = f"{interval.low:.1f} to {interval.high:.1f}"
                rows.append([f"{student}, {part}", len(means[student]), *accuracies, kept, bounds])
    return Table(
        title="What is kept at home, by which texts",
        columns=[
            Column(name="student, texts"),
            Column(name="texts", digits=0),
            Column(name="cloud", unit="%"),
            Column(name="student", unit="%"),
            Column(name="kept", unit="%"),
            Column(name="95 %"),
        ],
        rows=rows,
        caption="Students that learned from all; no training saw either part, but by the second some choices fell, "
        "with other seeds. 95 %, bootstrap over texts, each with its answers by all seeds.",
    )


def _metrics(found: Found) -> list[Metric]:
    rows = {"cloud": found.cloud, **found.peers}
    rows |= {f"{names(cell)}, {cell[1]}": scores for cell, scores in found.students.items()}
    return [
        Metric(
            name=f"{name}, {scene}",
            value=float(np.mean(percent(scores, scene))),
            unit="%",
            direction="higher",
            interval=bootstrap(percent(scores, scene), unit="seeds"),
        )
        for name, scores in rows.items()
        for scene in SCENES
    ]


def _home(found: Found, config: CoevolutionConfig) -> Table:
    cloud, tests = float(np.mean(percent(found.cloud))), len(frozen().test[HOME][: config.models.test])
    rows: list[list[str | float | None]] = [["cloud", cloud, *[None] * (len(MATERIALS) - 1), 100.0]]
    for student in dict.fromkeys(names(cell) for cell in found.students):
        mine = {cell[1]: percent(scores) for cell, scores in found.students.items() if names(cell) == student}
        means = [float(np.mean(mine[kind])) if kind in mine else None for kind in MATERIALS]
        rows.append([student, *means, 100 * float(np.mean(mine[list(mine)[-1]])) / cloud])
    for peer, scores in found.peers.items():
        mean = float(np.mean(percent(scores)))
        before: list[str | float | None] = [None] * len(MATERIALS)
        before[LEARNED.get(peer, 0)] = mean
        rows.append([peer, *before, 100 * mean / cloud])
    return Table(
        title="Accuracy at home",
        columns=[
            Column(name="model"),
            *[Column(name=kind, unit="%", direction="higher") for kind in MATERIALS],
            Column(name="of the cloud's", unit="%"),
        ],
        rows=rows,
        caption=(
            f"Share of {tests:,} held-out texts on films, mean of {config.models.seeds} seeds, each with its own "
            f"{config.models.labelled:,} labelled texts. The cloud's model learns from the labels alone. Of the "
            "cloud's: the last column of a row that has a number."
        ),
    )


def _gains(found: Found, config: CoevolutionConfig) -> Table:
    rows: list[list[str | float | None]] = []
    for student in config.down.students:
        row: list[str | float | None] = [student]
        for before, after in itertools.pairwise(learned_from(student)):
            one, other = (percent(found.students[student, kind, False]) for kind in (before, after))
            interval = paired_difference(other, one, unit="seeds")
            row.append(f"{np.mean(other) - np.mean(one):+.1f} ({interval.low:+.1f} to {interval.high:+.1f})")
        rows.append([*row, *[None] * (len(MATERIALS) - len(row))])
    return Table(
        title="What each step brings",
        columns=[Column(name="student"), *[Column(name=kind) for kind in MATERIALS[1:]]],
        rows=rows,
        caption="Points at home over the column before; 95 %, paired bootstrap over seeds.",
    )


def _scenes(found: Found) -> Table:
    rows = {"cloud": found.cloud} | {
        f"{names(cell)}, {cell[1]}": scores for cell, scores in found.students.items() if not cell[2]
    }
    return Table(
        title="Accuracy in each scene",
        columns=[Column(name="model"), *[Column(name=scene, unit="%", direction="higher") for scene in SCENES]],
        rows=[[name, *[float(np.mean(percent(scores, scene))) for scene in SCENES]] for name, scores in rows.items()],
        caption="All labels are of films. Of the other scenes nobody has seen a text but the students that learned "
        "from those of all scenes, without labels.",
    )


def _figure(found: Found, run: Run) -> Figure:
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    lines = list(dict.fromkeys(names(cell) for cell in found.students))
    for number, student in enumerate(lines):
        mine = {cell[1]: percent(scores) for cell, scores in found.students.items() if names(cell) == student}
        places = np.array([MATERIALS.index(kind) for kind in mine]) + 0.06 * (number - (len(lines) - 1) / 2)
        means = np.array([np.mean(values) for values in mine.values()])
        intervals = [bootstrap(values, unit="seeds") for values in mine.values()]
        lengths = np.abs(np.array([[each.low, each.high] for each in intervals]).T - means)
        style = "--" if student.endswith("from chance") else "-"
        axes.errorbar(places, means, lengths, label=student, marker="o", capsize=3, linestyle=style)
    for scores, name, colour in ((found.cloud, "cloud", "#333842"), (found.peers[PLAIN], PLAIN, "#8a8f98")):
        axes.axhline(float(np.mean(percent(scores))), color=colour, linewidth=1.2, label=name, zorder=0)
    axes.set_xticks(range(len(MATERIALS)), [kind.replace(" on ", "\non ") for kind in MATERIALS])
    axes.set_ylabel("accuracy at home [%]")
    drawing.legend(loc="outside lower center", ncols=3)
    return run.figure(
        drawing,
        "down",
        title="From the large model to the small ones",
        caption="Accuracy on films by what a student learned from, each to the right with more; 95 % over seeds.",
        alt="; ".join(
            f"{names(cell)}, {cell[1]}: {np.mean(percent(scores)):.1f} %" for cell, scores in found.students.items()
        ),
    )
