"""The loss of the teacher: the velocity, with min-SNR weights, on pictures drawn by the size of their families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from demos.diffusion.model.schedulers import training_scheduler
from shared.seed import generator

if TYPE_CHECKING:
    from accelerate import Accelerator
    from numpy.typing import NDArray

    from demos.diffusion.config import TrainSection
    from demos.diffusion.training.captions import Captions


class Objective:
    """The loss of a step, by its number. pictures: (n, s, s, 3) of the captions; odds: (n,) of each to be drawn, of sum
    1; patch: side of the squares that become channels [pixels]."""

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        captions: Captions,
        odds: NDArray[np.float64],
        settings: TrainSection,
        *,
        patch: int,
        seed: int,
    ) -> None:
        self._scheduler, self._settings, self._seed = training_scheduler(), settings, seed
        self._captions, self._odds, self._patch = captions, odds, patch
        self._pictures = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).contiguous()
        kept = self._scheduler.alphas_cumprod
        ratio = kept / (1 - kept)
        # Of the velocity: Hang et al., Efficient Diffusion Training via Min-SNR Weighting Strategy, 2023.
        self.weight = ratio.clamp(max=settings.min_snr) / (ratio + 1)

    def __call__(self, network: Any, step: int, accelerator: Accelerator) -> torch.Tensor:
        random = generator(self._seed, "step", step, accelerator.process_index)
        seed, settings = int(random.integers(2**31)), self._settings
        rows = random.choice(len(self._odds), settings.batch, p=self._odds)
        texts = self._captions.draw(rows, settings.tags, settings.drop, random)
        times = random.integers(len(self.weight), size=len(rows))
        return self.errors(network, rows, texts, times, seed, accelerator).mean()

    def names(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the texts that are the names alone of pictures `rows`."""
        return self._captions.draw(rows, 0.0, 0.0, generator(self._seed, "names"))

    def errors(
        self,
        network: Any,
        rows: NDArray[np.int64],
        texts: NDArray[np.int64],
        at: NDArray[np.int64],
        seed: int,
        accelerator: Accelerator,
    ) -> torch.Tensor:
        """(n,) the weighted errors for pictures `rows`, told `texts`, at times `at`; seed: of the noise."""
        shown = self._pictures[torch.from_numpy(rows)].float() / 127.5 - 1
        squares, times = functional.pixel_unshuffle(shown, self._patch), torch.from_numpy(at)
        noise = torch.randn(squares.shape, generator=torch.Generator().manual_seed(seed))
        noisy = self._scheduler.add_noise(squares, noise, times)
        wanted = self._scheduler.get_velocity(squares, noise, times)
        each = velocity_error(network, noisy, times, self._captions.words(texts), wanted, accelerator)
        return each * self.weight[times].to(each.device)


def velocity_error(
    network: Any,
    state: torch.Tensor,
    times: torch.Tensor,
    words: Sequence[torch.Tensor],
    wanted: torch.Tensor,
    accelerator: Accelerator,
) -> torch.Tensor:
    """(n,) mean square error of the velocity that the network finds, on the accelerator's device."""
    device = accelerator.device
    states, mask, pooled = (part.to(device) for part in words)
    with accelerator.autocast():
        found = network(
            state.to(device, memory_format=torch.channels_last),
            times.to(device),
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            class_labels=pooled,
        ).sample
    return functional.mse_loss(found.float(), wanted.to(device), reduction="none").mean((1, 2, 3))


def odds_of(family: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """(n,) odds of each picture: a family of k has k ** balance shares of the draws.

    family: (n,) of each picture, any numbers.
    """
    _, at, counts = np.unique(family, return_inverse=True, return_counts=True)
    odds = counts[at] ** (balance - 1.0)
    return np.asarray(odds / odds.sum())
