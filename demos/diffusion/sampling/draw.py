"""Pictures for prompts: the samplers of diffusers, one generator a picture, in batches that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.model.schedulers import scheduler_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import SampleSection
    from demos.diffusion.model.pipeline import PictogramPipeline

Track = Callable[[str, Iterable[int]], Iterable[int]]


def evaluations(settings: SampleSection) -> int:
    """Evaluations of the network that one picture takes: guidance doubles them, and Heun looks twice at each step but
    the last."""
    looks = 2 * settings.steps - 1 if settings.sampler == "heun" else settings.steps
    return looks * (2 if settings.guidance > 1 else 1)


def plain(_: str, items: Iterable[int]) -> Iterable[int]:
    """A `Track` that shows nothing."""
    return items


def draw(
    pipeline: PictogramPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SampleSection,
    track: Track = plain,
) -> NDArray[np.uint8]:
    """(n, s, s, 3) a picture for each prompt and its seed."""
    if len(prompts) != len(seeds):
        raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds")
    before, found = pipeline.scheduler, []
    pipeline.scheduler = scheduler_of(settings.sampler, before)
    try:
        for at in track("drawing", range(0, len(prompts), settings.batch)):
            part = slice(at, at + settings.batch)
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[part]]
            answer: Any = pipeline(list(prompts[part]), settings.steps, settings.guidance, generators, output_type="np")
            found.append((answer.images * 255).round().astype(np.uint8))
    finally:
        pipeline.scheduler = before
    return np.concatenate(found)
