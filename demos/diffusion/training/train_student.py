"""From a teacher's pipeline to its student: an adapter beside it, in the same folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from demos.diffusion.data import training_records
from demos.diffusion.model.build import STUDENT, with_student
from demos.diffusion.model.origin import keep_learned
from demos.diffusion.sampling.draw import Track, plain
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.checkpoint import checkpoint_file
from demos.diffusion.training.consistency import ConsistencyObjective
from demos.diffusion.training.distil import StudentObjective, add_adapter, equal_updates
from demos.diffusion.training.fit import History, StepLoss, fit
from demos.diffusion.training.lessons import Lessons, School
from demos.diffusion.training.objective import odds_of
from shared import device as devices
from shared.openmoji.families import families
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.pretrained.quiet import quiet_and_offline
from shared.seed import generator

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.pipeline import PictogramPipeline

Method = Literal["parts", "consistency"]
DEMO = Path(__file__).parents[1]
DRAWING = [*DEMO.glob("model/*.py"), *(DEMO / name for name in ("sampling/draw.py", "training/lessons.py"))]
LABELS = {"parts": "the student", "consistency": "the consistency peer"}


@dataclass(frozen=True)
class Taught:
    """pipeline: the student's, its adapter fused; state: files to go on from, to be removed when nothing that follows
    can fail."""

    pipeline: PictogramPipeline
    history: History
    steps: int
    state: tuple[Path, ...]

    def forget(self) -> None:
        """Remove what was kept in case of a stop."""
        for place in self.state:
            shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)


def train_student(
    teacher: PictogramPipeline,
    config: DiffusionConfig,
    folder: Path,
    identity: str,
    track: Track = plain,
    method: Method = "parts",
) -> Taught:
    """Train a student for captions of the training, and leave its adapter in `folder`.

    folder: of the teacher's pipeline; identity: of the teacher's weights, so that a run that is stopped goes on with
    the lessons of this teacher and no other; method: "parts" as `distil`, or its peer "consistency".
    """
    settings, seed = config.student, int(generator(config.seed, "student").integers(2**31))
    if method == "consistency":
        rate = {"learning_rate": settings.peer_rate}
        settings = settings.model_copy(update={"steps": equal_updates(settings), **rate})
    told = f"{config.train.tags} {config.train.balance}"
    file = checkpoint_file(method, identity, settings, seed, told)
    # Other settings of the training learn from the same lessons.
    shown = f"{settings.draws} {settings.teacher} {settings.guidance} {settings.lessons}"
    kept = checkpoint_file("lessons", identity, shown, seed, told, code=DRAWING).with_suffix(".lessons")
    unet: Any = type(teacher.unet).from_config(teacher.unet.config)
    unet.load_state_dict(teacher.unet.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        add_adapter(unet, settings.rank)
    own = file.with_suffix(".lessons")
    objective = _objective(teacher, unet, config, method, seed, (kept, own), track)
    device = devices.resolve(config.device)
    history, average = fit(unet, objective, settings, device, label=LABELS[method], file=file, track=track)
    average.copy_to([weight for weight in unet.parameters() if weight.requires_grad])
    with quiet_and_offline():
        unet.to(memory_format=torch.contiguous_format).half()
        unet.save_lora_adapter(folder / STUDENT, safe_serialization=True)
    keep_learned(folder, settings.draws, settings.guidance)
    return Taught(with_student(teacher, folder), history, settings.steps, (file, kept, own))


def _objective(
    teacher: PictogramPipeline,
    unet: Any,
    config: DiffusionConfig,
    method: Method,
    seed: int,
    kept: tuple[Path, Path],
    track: Track,
) -> StepLoss:
    rows, settings = training_records(), config.student
    captions = Captions(teacher, [records()[row] for row in rows], generator(seed, "tags"))
    odds, tags = odds_of(families()[rows], config.train.balance), config.train.tags
    if method == "parts":
        school = School(teacher, captions, odds, settings, tags=tags, seed=seed, track=track)

        def again(lessons: Lessons, number: int) -> Lessons:
            return school.again(lessons, unet, kept[1] / str(number))

        return StudentObjective(school.first(kept[0]), captions, settings, seed, again)
    shown = np.asarray(pictures(teacher.unet.config.sample_size * teacher.config.patch)[rows])
    return ConsistencyObjective(teacher, shown, captions, odds, settings, tags=tags, seed=seed)
