"""From a config to a trained pipeline in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.diffusion.data import training_records
from demos.diffusion.model.build import build
from demos.diffusion.model.origin import keep_training
from demos.diffusion.sampling.draw import Track, plain
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.checkpoint import checkpoint_file
from demos.diffusion.training.fit import History, fit
from demos.diffusion.training.objective import Objective, odds_of
from shared import device as devices
from shared.openmoji.families import families
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.pretrained.quiet import quiet_and_offline
from shared.seed import generator

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.pipeline import PictogramPipeline


@dataclass(frozen=True)
class Trained:
    """pipeline: with the averaged weights; raw: the weights of its U-Net as the last step left them; state: the file to
    go on from, to be removed when nothing that follows can fail."""

    pipeline: PictogramPipeline
    raw: dict[str, torch.Tensor]
    history: History
    state: Path

    def forget(self) -> None:
        """Remove what was kept in case of a stop."""
        self.state.unlink(missing_ok=True)


def train_model(config: DiffusionConfig, folder: Path, track: Track = plain) -> Trained:
    """Train on all but the held-out fold and the validation part, and leave the averaged pipeline in `folder`."""
    rows, seed = training_records(), int(generator(config.seed, "teacher").integers(2**31))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pipeline = build(config.model).to(devices.resolve(config.device))
    captions = Captions(pipeline, [records()[row] for row in rows], generator(seed, "tags"))
    shown = np.asarray(pictures(config.model.size)[rows])
    odds = odds_of(families()[rows], config.train.balance)
    objective = Objective(shown, captions, odds, config.train, patch=config.model.patch, seed=seed)
    file, unet = checkpoint_file("teacher", config.model, config.train, seed), pipeline.unet
    history, average = fit(unet, objective, config.train, devices.resolve(config.device), file=file, track=track)
    raw = {name: tensor.detach().clone() for name, tensor in unet.state_dict().items()}
    average.copy_to(unet.parameters())
    # Kept in half precision, half the size: what is judged is what is read back.
    with quiet_and_offline():
        unet.to(memory_format=torch.contiguous_format).half()
        pipeline.save_pretrained(folder, safe_serialization=True)
    unet.float()
    keep_training(folder, config.seed, history.losses)
    pipeline.set_progress_bar_config(disable=True)
    return Trained(pipeline, raw, history, file)
