"""The peer of `match`: latent consistency distillation, as diffusers' own training script has it, here in pixels.

Luo et al., Latent Consistency Models, 2023, as LoRA (Luo et al., LCM-LoRA, 2023): a guided step of the teacher's DDIM
leads from one time to the time before; the student is to say the same picture at both. It begins at noisy real
pictures, asks the teacher twice and itself twice a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from demos.diffusion.config import TIMES
from demos.diffusion.model.schedulers import training_scheduler
from demos.diffusion.training.objective import guided, missed, predicted
from shared.seed import generator

if TYPE_CHECKING:
    from accelerate import Accelerator
    from numpy.typing import NDArray

    from demos.diffusion.config import StudentSection
    from demos.diffusion.model.pipeline import PictogramPipeline, Words
    from demos.diffusion.training.captions import Captions

GRID = 50  # times of the teacher's DDIM, as diffusers' LCMScheduler takes them
SCALE, SIGMA_DATA = 10.0, 0.5  # of the times in its boundary condition, and of the data, as diffusers has them
HUBER = 1e-3


class ConsistencyObjective:
    """The loss of a step, by its number. pictures: (n, s, s, 3) of the captions; odds: (n,) of each, of sum 1; tags: as
    the teacher was trained with."""

    def __init__(
        self,
        teacher: PictogramPipeline,
        pictures: NDArray[np.uint8],
        captions: Captions,
        odds: NDArray[np.float64],
        settings: StudentSection,
        *,
        tags: float,
        seed: int,
    ) -> None:
        self._teacher, self._captions, self._odds, self._settings = teacher, captions, odds, settings
        self._tags, self._seed = tags, seed
        self._pictures = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).contiguous()
        self._signal = training_scheduler().alphas_cumprod.float()
        self._times = torch.arange(1, GRID + 1) * (TIMES // GRID) - 1

    def __call__(self, network: Any, step: int, accelerator: Accelerator) -> torch.Tensor:
        random = generator(self._seed, "consistency", step, accelerator.process_index)
        noise_of = torch.Generator().manual_seed(int(random.integers(2**31)))
        device, count = accelerator.device, self._settings.batch
        rows = random.choice(len(self._odds), count, p=self._odds)
        words = self._captions.words(self._captions.draw(rows, self._tags, 0.0, random))
        shown = self._pictures[torch.from_numpy(rows)].float() / 127.5 - 1
        picture = functional.pixel_unshuffle(shown, self._teacher.config.patch)
        noise = torch.randn(picture.shape, generator=noise_of)
        at = torch.from_numpy(random.integers(GRID, size=count))
        late, early = self._times[at], (self._times[at] - TIMES // GRID).clamp(min=0)
        (signal, rest), (signal_then, rest_then) = self._shares(late), self._shares(early)
        begin = (signal * picture + rest * noise).to(device, memory_format=torch.channels_last)
        with torch.no_grad():
            nothing = self._captions.words(np.zeros(count, np.int64))
            unet, kept, guidance = self._teacher.unet, self._signal[late], self._settings.guidance
            seen = guided(unet, begin, late, kept, words, nothing, guidance, accelerator)
            left = (begin - signal.to(device) * seen) / rest.to(device)
            before = signal_then.to(device) * seen + rest_then.to(device) * left
            target = self._said(network, before, early, words, accelerator).clamp(-1, 1)
            # At time 0 the state itself is the answer, and has a little noise left.
            target = torch.where((early == 0).view(-1, 1, 1, 1).to(device), seen, target)
        # What the network says beyond white is cut when it draws, as in the student's training.
        found = missed(self._said(network, begin, late, words, accelerator), target)
        return (found.square() + HUBER**2).sqrt().mean() - HUBER

    def _said(
        self, network: Any, state: torch.Tensor, times: torch.Tensor, words: Words, accelerator: Accelerator
    ) -> torch.Tensor:
        """The picture that the student says, which is the state itself at time 0."""
        scaled = SCALE * times.float().view(-1, 1, 1, 1).to(state)
        spread = scaled.square() + SIGMA_DATA**2
        picture = predicted(network, state, times, self._signal[times], words, accelerator)
        return SIGMA_DATA**2 / spread * state + scaled / spread.sqrt() * picture

    def _shares(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kept = self._signal[times].view(-1, 1, 1, 1)
        return kept.sqrt(), (1 - kept).sqrt()
