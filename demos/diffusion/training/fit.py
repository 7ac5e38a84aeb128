"""Train the teacher: v-prediction with min-SNR weights and a moving average, through accelerate.

trendlab run diffusion --profile cpu
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn import functional

from demos.diffusion.model.schedulers import training_scheduler
from demos.diffusion.sampling.draw import Track, plain
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.checkpoint import Checkpoint
from shared import device as devices
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.pipeline import PictogramPipeline

CLIP_NORM = 1.0  # of the gradient
TOLD = 100  # steps in one number of the history


@dataclass
class History:
    """Mean loss of each TOLD steps."""

    losses: list[float] = field(default_factory=list)


def fit(
    pipeline: PictogramPipeline,
    pictures: NDArray[np.uint8],
    captions: Captions,
    config: DiffusionConfig,
    *,
    seed: int,
    file: Path | None = None,
    track: Track = plain,
) -> tuple[History, Any]:
    """Train the pipeline's U-Net in place; returns how it went, and diffusers' EMAModel of it.

    pictures: (n, s, s, 3) of the captions; file: where the state is kept meanwhile, and found again by the same call
    after a stop; who calls removes it when the result is safe. All random numbers of a step come from the seed and its
    number.
    """
    from diffusers.training_utils import EMAModel

    settings, device = config.train, devices.resolve(config.device)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=devices.precision(device))
    unet: Any = pipeline.unet.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        unet.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.99), fused=True
    )
    average = EMAModel(
        unet.parameters(), decay=settings.ema, use_ema_warmup=True, power=settings.ema_power, foreach=True
    )
    network, optimizer = accelerator.prepare(unet, optimizer)
    average.to(accelerator.device)
    step_loss = Objective(pipeline, pictures, captions, config, seed, accelerator.device)
    network = torch.compile(network) if settings.compile else network
    checkpoint = Checkpoint(file, settings.checkpoint, network=unet, optimizer=optimizer, average=average)
    start, told = checkpoint.restore()
    history, losses = History(told), []
    for step in track("training", range(start, settings.steps)):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate(step, config)
        loss = step_loss(network, step, accelerator)
        optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(unet.parameters(), CLIP_NORM)
        optimizer.step()
        average.step(unet.parameters())
        losses.append(loss.detach())
        last = step + 1 == settings.steps
        if (step + 1) % TOLD == 0 or last:
            history.losses.append(float(torch.stack(losses).mean()))
            losses = []
            checkpoint.keep(step + 1, history.losses, last)
    unet.eval()
    accelerator.free_memory()
    return history, average


class Objective:
    """The loss of a step, by its number."""

    def __init__(
        self,
        pipeline: PictogramPipeline,
        pictures: NDArray[np.uint8],
        captions: Captions,
        config: DiffusionConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        self._scheduler, self._config, self._seed, self._device = training_scheduler(), config, seed, device
        self._captions, self._count = captions, len(pictures)
        self._patch = pipeline.config.patch
        self._pictures = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).contiguous()
        kept = self._scheduler.alphas_cumprod
        ratio = kept / (1 - kept)
        # Of the velocity: Hang et al., Efficient Diffusion Training via Min-SNR Weighting Strategy, 2023.
        self._weight = (ratio.clamp(max=config.train.min_snr) / (ratio + 1)).to(device)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Which pictures a step shows: each once in a pass, in an order of the pass's own."""
        batch = self._config.train.batch
        places = np.arange(step * batch, (step + 1) * batch)
        orders = {
            number: generator(self._seed, "order", number).permutation(self._count)
            for number in np.unique(places // self._count).tolist()
        }
        return np.array([orders[place // self._count][place % self._count] for place in places.tolist()])

    def __call__(self, network: Any, step: int, accelerator: Accelerator) -> torch.Tensor:
        random = generator(self._seed, "step", step, accelerator.process_index)
        noise_of = torch.Generator().manual_seed(int(random.integers(2**31)))
        settings, rows = self._config.train, self.rows(step * accelerator.num_processes + accelerator.process_index)
        texts = self._captions.draw(rows, settings.tags, settings.drop, random)
        states, mask, pooled = (part.to(self._device) for part in self._captions.words(texts))
        shown = self._pictures[torch.from_numpy(rows)].float() / 127.5 - 1
        squares = functional.pixel_unshuffle(shown, self._patch)
        noise = torch.randn(squares.shape, generator=noise_of)
        times = torch.from_numpy(random.integers(len(self._weight), size=len(rows))).to(self._device)
        squares, noise = (part.to(self._device, memory_format=torch.channels_last) for part in (squares, noise))
        noisy = self._scheduler.add_noise(squares, noise, times)
        wanted = self._scheduler.get_velocity(squares, noise, times)
        with accelerator.autocast():
            found = network(
                noisy, times, encoder_hidden_states=states, encoder_attention_mask=mask, class_labels=pooled
            ).sample
        each = functional.mse_loss(found.float(), wanted, reduction="none").mean((1, 2, 3))
        return (each * self._weight[times]).mean()


def rate(step: int, config: DiffusionConfig) -> float:
    """Share of the peak rate: a linear rise, a plateau, half a cosine down."""
    settings = config.train
    rise = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    left = (settings.steps - step) / max(1, settings.steps * settings.decay)
    return rise * (0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))
