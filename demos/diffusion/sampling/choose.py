"""The best of several pictures for a prompt, by CLIP. N pictures cost N times the evaluations of one; CLIP's own
looks are in the time alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.diffusion.sampling.draw import Correction, Track, draw, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import SampleSection
    from demos.diffusion.model.clip import Clip
    from demos.diffusion.model.pipeline import PictogramPipeline

BATCH = 256
ANOTHER = 1_000_003  # between the seeds of one prompt's pictures


def best_of(
    pipeline: PictogramPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SampleSection,
    count: int,
    clip: Clip,
    track: Track = plain,
    guide: Callable[[Sequence[str]], Correction] | None = None,
) -> tuple[NDArray[np.uint8], float]:
    """(n, s, s, 3) for each prompt the picture, of `count`, that CLIP finds most like its words, and the seconds that
    one prompt took. guide: as `draw` takes it."""
    began = time.perf_counter()
    many = [prompt for prompt in prompts for _ in range(count)]
    others = [seed + ANOTHER * number for seed in seeds for number in range(count)]
    drawn = draw(pipeline, many, others, settings, track, guide)
    likeness = likenesses(clip, drawn, many).reshape(len(prompts), count)
    best = drawn.reshape(len(prompts), count, *drawn.shape[1:])[np.arange(len(prompts)), likeness.argmax(1)]
    return best, (time.perf_counter() - began) / len(prompts)


@torch.inference_mode()
def likenesses(clip: Clip, pictures: NDArray[np.uint8], prompts: Sequence[str]) -> NDArray[np.float32]:
    """(n,) cosine of each of (n, s, s, 3) pictures to its prompt."""
    found, texts = [], clip.texts(prompts)
    for at in range(0, len(pictures), BATCH):
        shown = torch.from_numpy(pictures[at : at + BATCH]).permute(0, 3, 1, 2).float().to(texts.device) / 127.5 - 1
        found.append((clip.pictures(shown) * texts[at : at + BATCH]).sum(1).cpu().numpy())
    return np.concatenate(found)
