"""What each device gains from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import HOME, used
from demos.coevolution.participants.measure import Gathered, Gathering, gather, scenes_of, shares_of
from demos.coevolution.training.jobs import course
from demos.coevolution.up.compare import evolution
from demos.coevolution.up.stream import NEW
from shared.chapter import Chapter
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.training.trained import Trained
    from shared.demo import Run
    from shared.result import Figure

WAYS = {False: "through the large model", True: "federated averaging"}
Found = dict[tuple[int, bool], list[Gathered]]


def participants(trained: Trained) -> Chapter:
    """Gather, test, tell."""
    section = trained.config.participants
    found = _found(trained)
    most = max(section.devices)
    return Chapter(
        headlines=[_headline(found, most)],
        metrics=[
            Metric(
                name=f"{count} devices, {WAYS[way]}, own scenes",
                value=float(np.mean(_own(each, count))),
                unit="points",
                direction="higher",
                interval=bootstrap(_own(each, count), unit="streams"),
            )
            for (count, way), each in found.items()
        ],
        tables=[_table(found), _first(found)],
        figures=[_figure(found, trained.run)],
        data=used(),
        notes=[
            f"Each device has a scene of its own ({', '.join(scenes_of(most))}), {section.stream} texts in each of "
            f"{section.rounds} rounds and a budget of {section.uploads} words of people a round; through the large "
            "model the budgets of all are spent together, and what the device is not sure of goes up, too, for an "
            "answer. All get the same model. Own scenes: the mean of what each device has in its own.",
            "Federated averaging has no large model: each device goes on from the common model with its own words and "
            "as many texts of home, and the common model is the mean of theirs. It sends weights, not texts.",
        ],
    )


def _found(trained: Trained) -> Found:
    section, up = trained.config.participants, trained.config.up
    jobs = []
    for count in section.devices:
        shared = {
            "rounds": section.rounds,
            "stream": section.stream * count,
            "uploads": section.uploads * count,
            "shares": shares_of(count),
        }
        for way in WAYS:
            for number in range(section.seeds):
                loop = evolution(trained, number, up.model_copy(update=shared))
                jobs.append(Gathering(loop, count, way, course(section.device)))
    found: Found = {}
    for job, gathered in zip(jobs, trained.run.map("participants", gather, jobs), strict=True):
        found.setdefault((job.devices, job.averaged), []).append(gathered)
    return found


def _gains(gathered: list[Gathered], scenes: tuple[str, ...]) -> list[float]:
    """Points in these scenes, their mean, of each stream."""
    return [100 * float(np.mean([each.after[scene] - each.before[scene] for scene in scenes])) for each in gathered]


def _own(gathered: list[Gathered], count: int) -> list[float]:
    """Points of each device in its own scene, their mean, of each stream."""
    return np.mean([_gains(gathered, (scene,)) for scene in scenes_of(count)], axis=0).tolist()


def _headline(found: Found, most: int) -> Headline:
    gains, least = _own(found[most, False], most), min(count for count, _ in found)
    return Headline(
        name=f"What each device gains in its own scene when {most} take part",
        value=float(np.mean(gains)),
        unit="points",
        direction="higher",
        peer="federated averaging",
        peer_value=float(np.mean(_own(found[most, True], most))),
        interval=bootstrap(gains, unit="streams"),
        note=f"when {least} {'takes' if least == 1 else 'take'} part {np.mean(_own(found[least, False], least)):+.1f}",
    )


def _table(found: Found) -> Table:
    rows: list[list[str | float | None]] = []
    for (count, way), gathered in found.items():
        rows.append(
            [
                f"{count}, {WAYS[way]}",
                *[float(np.mean(_gains(gathered, (scene,)))) for scene in (*NEW, HOME)],
                float(np.mean(_own(gathered, count))),
                float(np.mean([each.labels for each in gathered])),
            ]
        )
    return Table(
        title="The more take part",
        columns=[
            Column(name="devices"),
            *[Column(name=scene, unit="points", direction="higher") for scene in NEW],
            Column(name="home", unit="points"),
            Column(name="own scenes", unit="points", direction="higher"),
            Column(name="words of people", digits=0),
        ],
        rows=rows,
        caption=f"What the device's model gains, mean of {len(next(iter(found.values())))} streams.",
    )


def _first(found: Found) -> Table:
    """The device that is there from the beginning, in its own scene."""
    own = scenes_of(1)[0]
    least = min(count for count, _ in found)
    rows: list[list[str | float | None]] = []
    for (count, way), gathered in found.items():
        gains, alone = _gains(gathered, (own,)), _gains(found[least, way], (own,))
        over = paired_difference(gains, alone, unit="streams")
        rows.append(
            [
                f"{count}, {WAYS[way]}",
                float(np.mean(gains)),
                None
                if count == least
                else f"{np.mean(gains) - np.mean(alone):+.1f} ({over.low:+.1f} to {over.high:+.1f})",
            ]
        )
    return Table(
        title=f"What the first device gains from the others in its own scene, {own}",
        columns=[Column(name="devices"), Column(name="gain", unit="points"), Column(name="over alone")],
        rows=rows,
        caption="95 %, paired over streams.",
    )


def _figure(found: Found, run: Run) -> Figure:
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    counts = sorted({count for count, _ in found})
    for way, name in WAYS.items():
        gains = [_own(found[count, way], count) for count in counts]
        means = np.array([np.mean(each) for each in gains])
        intervals = [bootstrap(each, unit="streams") for each in gains]
        lengths = np.abs(np.array([[each.low, each.high] for each in intervals]).T - means)
        places = np.array(counts) * (1.02 if way else 0.98)  # beside each other
        axes.errorbar(places, means, lengths, marker="o", capsize=3, label=name)
    axes.axhline(0, color="#8a8f98", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("devices, each with its own budget")
    axes.set_ylabel("gain in the own scene [points]")
    axes.legend(fontsize=9)
    return run.figure(
        drawing,
        "participants",
        title="The more take part",
        caption="Each device in its own scene, mean of all; 95 % over streams.",
        alt="; ".join(
            f"{count} devices, {WAYS[way]}: {np.mean(_own(each, count)):+.1f}" for (count, way), each in found.items()
        ),
    )
