"""Pictures for prompts: the samplers of diffusers, one generator a picture, in batches that change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.diffusion.model.schedulers import scheduler_of
from shared import device as devices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import Sampler, SampleSection
    from demos.diffusion.model.pipeline import PictogramPipeline

Correction = Callable[[torch.Tensor, float], torch.Tensor]
Track = Callable[[str, Iterable[int]], Iterable[int]]


def evaluations(settings: SampleSection) -> int:
    """Evaluations of the network that one picture takes: guidance doubles them, and Heun looks twice at each step but
    the last."""
    looks = 2 * settings.steps - 1 if settings.sampler == "heun" else settings.steps
    return looks * (2 if settings.guidance > 1 else 1)


def plain(_: str, items: Iterable[int]) -> Iterable[int]:
    """A `Track` that shows nothing."""
    return items


@contextlib.contextmanager
def drawing(pipeline: PictogramPipeline, sampler: Sampler, mixed: bool) -> Iterator[None]:
    """With another sampler, and if `mixed` in bfloat16 where the hardware multiplies it, for a while."""
    before = pipeline.scheduler, pipeline.mixed
    pipeline.scheduler = scheduler_of(sampler, pipeline.scheduler)
    pipeline.mixed = mixed and devices.precision(pipeline.device.type) == "bf16"
    try:
        yield
    finally:
        pipeline.scheduler, pipeline.mixed = before


def draw(
    pipeline: PictogramPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SampleSection,
    track: Track = plain,
    guide: Callable[[Sequence[str]], Correction] | None = None,
) -> NDArray[np.uint8]:
    """(n, s, s, 3) a picture for each prompt and its seed.

    guide: makes for some prompts what corrects their predicted pictures, as `PictogramPipeline` takes it.
    """
    if len(prompts) != len(seeds):
        raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds")
    found = []
    with drawing(pipeline, settings.sampler, settings.mixed):
        for at in track("drawing", range(0, len(prompts), settings.batch)):
            part = slice(at, at + settings.batch)
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[part]]
            answer: Any = pipeline(
                list(prompts[part]),
                settings.steps,
                settings.guidance,
                generators,
                output_type="np",
                correct=guide(prompts[part]) if guide else None,
            )
            found.append((answer.images * 255).round().astype(np.uint8))
    return np.concatenate(found)
