"""What a student learns from: drawings of its teacher, guided, with the states that the teacher went through."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.sampling.draw import Track, drawing, plain
from shared.files import written_whole
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import StudentSection
    from demos.diffusion.model.pipeline import PictogramPipeline
    from demos.diffusion.training.captions import Captions

BATCH = 64


@dataclass(frozen=True)
class Lessons:
    """texts: (n,) places of captions; states: (n, draws + 1, c, s, s), half precision: the noise, where the teacher was
    at the end of each of the student's steps, and the picture at last; signal: (draws + 1,) the share of the variance
    that is picture; times: (draws,) at which the student looks."""

    texts: NDArray[np.int64]
    states: NDArray[np.float16]
    signal: NDArray[np.float64]
    times: NDArray[np.int64]


def lessons(
    pipeline: PictogramPipeline,
    captions: Captions,
    odds: NDArray[np.float64],
    settings: StudentSection,
    *,
    tags: float,
    seed: int,
    folder: Path | None = None,
    track: Track = plain,
) -> Lessons:
    """Let the teacher draw captions of the training.

    odds, tags: as the teacher was trained with; folder: where each batch is kept, so that a run that is stopped goes
    on.
    """
    random = generator(seed, "lessons")
    rows = random.choice(len(odds), settings.lessons, p=odds)
    texts = captions.draw(rows, tags, 0.0, random)
    if folder is not None:
        # Of these captions in this order, and no others.
        told = "\n".join(captions.texts[place] for place in texts)
        folder = folder / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}-{BATCH}"
        folder.mkdir(parents=True, exist_ok=True)
    known, parts = pipeline.scheduler.alphas_cumprod.double().numpy(), []
    with drawing(pipeline, "dpm++", mixed=True):
        starts: Iterable[int] = range(0, len(texts), BATCH)
        for at in track("the teacher's drawings", starts):
            file = folder / f"{at}.npy" if folder is not None else None
            if file is None or not file.is_file():
                prompts = [captions.texts[place] for place in texts[at : at + BATCH]]
                found = _drawn(pipeline, prompts, [seed + at + number for number in range(len(prompts))], settings)
                if file is not None:
                    with written_whole(file) as temporary, temporary.open("wb") as stream:
                        np.save(stream, found)
            parts.append(found if file is None else np.load(file))
        pipeline.scheduler.set_timesteps(settings.draws * settings.teacher)
        times = pipeline.scheduler.timesteps.numpy()[:: settings.teacher]
    signal = np.append(known[times], 1.0)
    return Lessons(texts, np.concatenate(parts), signal, times)


def _drawn(
    pipeline: PictogramPipeline, prompts: list[str], seeds: list[int], settings: StudentSection
) -> NDArray[np.float16]:
    states: list[torch.Tensor] = []

    def noted(_: Any, number: int, __: int, inputs: dict[str, torch.Tensor]) -> None:
        if (number + 1) % settings.teacher == 0:
            states.append(inputs["latents"].half().cpu())

    noises = [torch.Generator().manual_seed(seed) for seed in seeds]
    first = pipeline.noise(len(prompts), noises).half().cpu()
    noises = [torch.Generator().manual_seed(seed) for seed in seeds]
    steps = settings.draws * settings.teacher
    pipeline(prompts, steps, settings.guidance, noises, output_type="np", callback_on_step_end=noted)
    return np.asarray(torch.stack([first, *states], 1).numpy())
