"""What both networks gain from pictures that were sent up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.coevolution.data import used
from demos.coevolution.pictures.digits import HOME, SHARES, SMALL, TURN, digits
from demos.coevolution.pictures.ground import Pictures, Schooling, school
from demos.coevolution.pictures.networks import LARGE
from demos.coevolution.up.compare import Found
from demos.coevolution.up.evolve import Evolution, evolve
from demos.coevolution.up.report import gain_of, metrics_of, policies_table, scenes_table
from shared import device as devices
from shared.chapter import Chapter

if TYPE_CHECKING:
    from demos.coevolution.config import CoevolutionConfig, UpSection
    from demos.coevolution.training.trained import Trained
    from shared.demo import Run
    from shared.result import Figure

MODELS = {"cloud": "large network", "small": "small network"}
SHOWN = 6  # pictures of a scene


def pictures(trained: Trained) -> Chapter:
    """Train, stream, tell."""
    config, run, section = trained.config, trained.run, trained.config.pictures
    device = devices.resolve(config.device)
    seeds = [config.seed + number for number in range(section.seeds)]
    files = [trained.folder / f"digits-{seed}.pt" for seed in seeds]
    jobs = [Schooling(section, seed, file, device) for seed, file in zip(seeds, files, strict=True)]
    run.map("networks at home", school, jobs)
    up = _up(config)
    streams = [
        Evolution(policy, seed, Pictures(seed, file, section.wrong), up, trained.folder, device)
        for policy in section.policies
        for seed, file in zip(seeds, files, strict=True)
    ]
    found = Found({policy: [] for policy in section.policies}, HOME)
    for job, rounds in zip(streams, run.map("streams of pictures", evolve, streams), strict=True):
        found.streams[job.policy].append(rounds)
    first = section.policies[0]
    metrics = [each.model_copy(update={"name": f"pictures, {each.name}"}) for each in metrics_of(found)]
    tables = [policies_table(found, up), scenes_table(found, first)]
    return Chapter(
        headlines=[
            gain_of(found, first, model).model_copy(update={"name": f"What the {name} gains in the new scenes"})
            for model, name in MODELS.items()
        ],
        metrics=metrics,
        tables=[table.model_copy(update={"title": f"{table.title}, pictures"}) for table in tables],
        figures=[_figure(run)],
        data=used("mnist_5k.csv.gz"),
        notes=[
            f"Each of the 5,000 pictures is in one scene. Simulated are the scenes (turned by {TURN:g} degrees, in "
            f"negative, at {SMALL:g} of the size) and the person, who names another digit by lot for "
            f"{100 * section.wrong:g} of 100. The large network is timm's {LARGE}, all of it trained from chance, on "
            f"{section.labelled} labelled pictures of {HOME}; in a round all of it learns.",
            f"A round: {section.stream} pictures come, {section.uploads} go up and are named, the least sure "
            f"{100 * up.asked:g} % go up as questions. It is the loop of the texts, line by line.",
        ],
    )


def _up(config: CoevolutionConfig) -> UpSection:
    section = config.pictures
    changes = {
        "seeds": section.seeds,
        "whole": 0,
        "policies": section.policies,
        "rounds": section.rounds,
        "stream": section.stream,
        "uploads": section.uploads,
        "cloud": section.cloud_again,
        "device": section.device_again,
    }
    return config.up.model_copy(update=changes)


def _figure(run: Run) -> Figure:
    from matplotlib import pyplot

    drawing, grid = pyplot.subplots(len(SHARES), SHOWN, figsize=(6, 4.2), layout="constrained")
    for row, (scene, places) in zip(grid, digits().rest.items(), strict=True):
        for axes, place in zip(row, places[:SHOWN], strict=True):
            axes.imshow(digits().images[int(place)].numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
        row[0].set_ylabel(scene, fontsize=9)
    return run.figure(
        drawing,
        "pictures",
        title="Digits in four scenes",
        caption=f"MNIST {HOME}, which is home, and in three scenes that are simulated from others of its pictures.",
        alt=f"{SHOWN} digits of each scene: {', '.join(SHARES)}",
    )
