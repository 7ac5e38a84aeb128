"""From a teacher's pipeline to its student: an adapter beside it, in the same folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from demos.diffusion.data import training_records
from demos.diffusion.model.build import STUDENT, with_student
from demos.diffusion.model.origin import keep_learned
from demos.diffusion.sampling.draw import Track, plain
from demos.diffusion.training.adapter import add_adapter
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.checkpoint import checkpoint_file
from demos.diffusion.training.consistency import ConsistencyObjective
from demos.diffusion.training.fit import History, StepLoss, fit
from demos.diffusion.training.match import MatchingObjective, equal_updates
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

Method = Literal["matching", "consistency"]
LABELS = {"matching": "the student", "consistency": "the consistency peer"}


@dataclass(frozen=True)
class Taught:
    """pipeline: the student's, its adapter fused; state: the file to go on from, to be removed when nothing that
    follows can fail."""

    pipeline: PictogramPipeline
    history: History
    steps: int
    state: Path

    def forget(self) -> None:
        """Remove what was kept in case of a stop."""
        self.state.unlink(missing_ok=True)


def train_student(
    teacher: PictogramPipeline,
    config: DiffusionConfig,
    folder: Path,
    identity: str,
    track: Track = plain,
    method: Method = "matching",
) -> Taught:
    """Train a student for captions of the training, and leave its adapter in `folder`.

    folder: of the teacher's pipeline; identity: of the teacher's weights, so that a run that is stopped goes on with
    the state of this teacher's student and no other; method: "matching" as `match`, or its peer "consistency".
    """
    settings, seed = config.student, int(generator(config.seed, "student").integers(2**31))
    if method == "consistency":
        settings = settings.model_copy(
            update={
                "steps": equal_updates(settings),
                "batch": settings.draws * settings.batch,
                "learning_rate": settings.peer_rate,
            }
        )
    told = f"{config.train.tags} {config.train.balance} {config.train.min_snr}"
    file = checkpoint_file(method, identity, settings, seed, told)
    unet: Any = type(teacher.unet).from_config(teacher.unet.config)
    unet.load_state_dict(teacher.unet.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        add_adapter(unet, settings.rank)
    rows, tags = training_records(), config.train.tags
    captions = Captions(teacher, [records()[row] for row in rows], generator(seed, "tags"))
    odds, begin = odds_of(families()[rows], config.train.balance), None
    objective: StepLoss
    if method == "matching":
        objective = matching = MatchingObjective(
            teacher, captions, odds, settings, tags=tags, min_snr=config.train.min_snr, seed=seed
        )
        begin = matching.begin
    else:
        shown = np.asarray(pictures(teacher.unet.config.sample_size * teacher.config.patch)[rows])
        objective = ConsistencyObjective(teacher, shown, captions, odds, settings, tags=tags, seed=seed)
    device, label = devices.resolve(config.device), LABELS[method]
    history, average = fit(unet, objective, settings, device, label=label, file=file, track=track, begin=begin)
    average.copy_to([weight for weight in unet.parameters() if weight.requires_grad])
    with quiet_and_offline():
        unet.to(memory_format=torch.contiguous_format).half()
        unet.save_lora_adapter(folder / STUDENT, safe_serialization=True)
    keep_learned(folder, settings.draws, settings.guidance)
    return Taught(with_student(teacher, folder), history, settings.steps, file)
