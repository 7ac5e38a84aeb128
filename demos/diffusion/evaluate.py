"""What is measured, part by part: pictures of names that were in no training, judged by networks that drew nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from demos.diffusion.data import training_records, used
from demos.diffusion.judging import parts
from demos.diffusion.judging.figures import prompts_figure
from demos.diffusion.judging.judge import Judge
from demos.diffusion.judging.parts import Findings, Studio
from demos.diffusion.judging.tables import ways
from demos.diffusion.model.build import folder_of, opened, with_student
from demos.diffusion.model.origin import TRAINING, doubt_of_split, draws_of, weights_digest, weights_use
from shared import device as devices
from shared.openmoji.records import ATTRIBUTION
from shared.pretrained.efficientnet import efficientnet_file
from shared.pretrained.quiet import quiet_and_offline
from shared.result import Column, DataUse, Figure, Metric, Part, Result, Table

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.clip import Clip
    from demos.diffusion.model.pipeline import PictogramPipeline
    from demos.diffusion.training.fit import History
    from demos.diffusion.training.train_model import Trained
    from demos.diffusion.training.train_student import Taught
    from shared.demo import Run

PARTS = {
    "quality": Part(
        title="How near to real pictures",
        intro="Pictures drawn for names that were in no training, beside the real pictures of those names.",
    ),
    "samplers": Part(
        title="Steps",
        intro="What a picture costs, in evaluations of the network, and how good it is then, by sampler.",
    ),
    "student": Part(
        title="The student",
        intro="An adapter that draws in a few unguided steps what its teacher draws in many guided ones.",
    ),
    "clip": Part(title="Guidance by CLIP", intro="Whether pictures that please CLIP please others too."),
    "memory": Part(title="Memorisation", intro="Whether what is drawn is a copy of what was trained on."),
    "composition": Part(
        title="New compositions", intro="Colours and things that no caption of the training names together."
    ),
    "training": Part(title="Training", intro="How the weights came about."),
}
WEIGHTED = "Weighted mean square error of the picture"
LOSSES = {
    "student": "Half the square of the move that is asked of a picture, which need not fall",
    "peer": "Pseudo-Huber difference of the pictures",
}
FEW = 100  # steps up to which an opened model's training is shown anew, from scratch


@dataclass
class Models:
    """pipelines: the teacher's, the student's and its peer's; draws: steps in which the student draws; doubt: what
    a report must say of an opened teacher; weights: files of the teacher and its student; trained, taught: how they
    came about, where this run made them."""

    pipelines: dict[parts.Who, PictogramPipeline]
    draws: int
    doubt: str | None = None
    weights: list[DataUse] = field(default_factory=list)
    trained: Trained | None = None
    taught: dict[parts.Who, Taught] = field(default_factory=dict)

    @property
    def teacher(self) -> PictogramPipeline:
        """Of `pipelines`."""
        return self.pipelines["teacher"]


def evaluate(config: DiffusionConfig, run: Run) -> Result:
    """Train or open, draw, judge."""
    # What cannot be had is said before hours of training, not after.
    efficientnet_file()
    if "clip" in config.evaluation.parts:
        _clip(config)
    models = _models(config, run)
    teacher = models.teacher
    # A student that was opened draws as it has learned, whatever the settings of one to be trained.
    config = config.model_copy(update={"student": config.student.model_copy(update={"draws": models.draws})})
    judge = Judge(config, teacher.unet.config.sample_size * teacher.config.patch, run)
    studio = Studio(models.pipelines, judge, config, run)
    found = {PARTS[name].title: _part(name, studio, models, config) for name in config.evaluation.parts}
    if empty := [title for title, part in found.items() if not part.tables]:
        run.say(f"nothing to tell here, left out: {', '.join(empty)}")
    if models.trained is not None:
        run.afterwards(models.trained.forget)
    for taught in models.taught.values():
        run.afterwards(taught.forget)
    return Result(
        headlines=[headline for part in found.values() for headline in part.headlines],
        # A way to draw may stand in several tables.
        metrics=list({metric.name: metric for part in found.values() for metric in part.metrics}.values()),
        tables=[table.model_copy(update={"part": name}) for name, part in found.items() for table in part.tables],
        figures=[
            *_fixed_prompts(models, config, run),
            *[figure.model_copy(update={"part": name}) for name, part in found.items() for figure in part.figures],
        ],
        parts=[PARTS[name] for name in config.evaluation.parts if PARTS[name].title not in empty],
        data=used("openmoji.whl", "efficientnet-lite0.pth"),
        weights=[*used("model.safetensors"), *models.weights],
        notes=[
            f"Pictures: {ATTRIBUTION}. Rendered on white. Drawn pictures are made by a model that was trained on them.",
            "The kernel distance has the estimator of KID and other features than published ones: compare it within "
            "this report only.",
            *([models.doubt] if models.doubt else []),
        ],
    )


def _fixed_prompts(models: Models, config: DiffusionConfig, run: Run) -> list[Figure]:
    figures = [prompts_figure(models.teacher, config.sample, run, "prompts", "The teacher's pictures")]
    if "student" in models.pipelines:
        few = config.sample.model_copy(update={"sampler": "lcm", "steps": config.student.draws, "guidance": 1.0})
        figures.append(
            prompts_figure(models.pipelines["student"], few, run, "prompts-student", "The student's pictures")
        )
    return figures


def _part(name: str, studio: Studio, models: Models, config: DiffusionConfig) -> Findings:
    if name == "clip":
        return parts.clip(studio, _clip(config))
    if name == "composition":
        return parts.composition(studio, training_records())
    if name == "training":
        return _training(studio, models, config)
    plain = {"quality": parts.quality, "samplers": parts.samplers, "student": parts.student, "memory": parts.memory}
    return plain[name](studio)


def _clip(config: DiffusionConfig) -> Clip:
    from demos.diffusion.model.clip import Clip

    return Clip(device=devices.resolve(config.device))


def _models(config: DiffusionConfig, run: Run) -> Models:
    if config.model.name == "train":
        from demos.diffusion.training.train_model import train_model

        run.say(f"training on {len(training_records()):,} pictures")
        folder = run.folder / "pipeline"
        trained = train_model(config, folder, run.track)
        models = Models({"teacher": trained.pipeline}, config.student.draws, trained=trained)
    else:
        folder = folder_of(config.model.name)
        teacher, doubt = opened(folder).to(devices.resolve(config.device)), doubt_of_split(folder)
        models = Models({"teacher": teacher}, config.student.draws, doubt)
    if config.student.name == "train":
        _teach(models, folder, config, run)
    elif config.student.name == "beside":
        models.pipelines["student"], models.draws = with_student(models.teacher, folder), draws_of(folder)
    models.weights = [weights_use(folder, config.model.name)]
    if "student" in models.pipelines:
        taught = run.folder / "pipeline"
        place, version = (taught, "train") if models.taught else (folder, config.model.name)
        models.weights.append(weights_use(place, version, "student"))
    if "peer" in models.pipelines:
        models.weights.append(weights_use(run.folder / "peer", "train", "peer"))
    return models


def _teach(models: Models, folder: Path, config: DiffusionConfig, run: Run) -> None:
    """The student, in the folder of the run, and its peer, in another."""
    from demos.diffusion.training.train_student import train_student

    identity, teacher = weights_digest(folder / "unet"), models.teacher
    run.say("training the student")
    if models.trained is None:  # a student lies beside its teacher
        with quiet_and_offline():
            teacher.save_pretrained(run.folder / "pipeline", safe_serialization=True)
        if (folder / TRAINING).is_file():
            shutil.copy(folder / TRAINING, run.folder / "pipeline")
    models.taught["student"] = train_student(teacher, config, run.folder / "pipeline", identity, run.track)
    if config.student.peer:
        place = run.folder / "peer"
        models.taught["peer"] = train_student(teacher, config, place, identity, run.track, method="consistency")
    models.pipelines |= {who: taught.pipeline for who, taught in models.taught.items()}


def _training(studio: Studio, models: Models, config: DiffusionConfig) -> Findings:
    """The losses, and the average of the weights beside those of the last step."""
    found = Findings()
    if models.trained is not None:
        averaged = studio.row("averaged weights", **config.sample.model_dump())
        teacher = models.teacher
        kept = {name: tensor.clone() for name, tensor in teacher.unet.state_dict().items()}
        teacher.unet.load_state_dict(models.trained.raw)
        raw = studio.judge.drawn(teacher, config.sample, "weights of the last step")
        teacher.unet.load_state_dict(kept)
        rows = [averaged, raw]
        found.tables.append(
            ways("Average of the weights", rows, config, peer=averaged, caption="Same prompts, same seeds.")
        )
        found.tables.append(_losses("The teacher's training", models.trained.history, config.train.steps, WEIGHTED))
    elif config.train.steps <= FEW:
        from demos.diffusion.training.train_model import train_model

        scratch = train_model(config, studio.run.folder / "from-scratch", studio.run.track)
        shutil.rmtree(studio.run.folder / "from-scratch")  # of so few steps, nothing to draw with
        found.tables.append(
            _losses(f"{config.train.steps:,} steps from scratch", scratch.history, config.train.steps, WEIGHTED)
        )
        found.metrics.append(
            Metric(name="loss from scratch", value=scratch.history.losses[-1], unit="", direction="lower")
        )
        scratch.forget()
    for who, taught in models.taught.items():
        found.tables.append(_losses(f"The {who}'s training", taught.history, taught.steps, LOSSES[who]))
    return found


def _losses(title: str, history: History, steps: int, what: str) -> Table:
    rows: list[list[str | float | None]] = [
        [f"{min(steps, (number + 1) * history.every):,}", loss] for number, loss in enumerate(history.losses)
    ]
    return Table(
        title=title,
        columns=[Column(name="step"), Column(name="loss", direction="lower", digits=4)],
        rows=rows[max(0, len(rows) // 20 - 1) :: max(1, len(rows) // 20)],
        caption=f"{what}, mean over up to {history.every} steps.",
    )
