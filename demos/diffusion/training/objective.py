"""The loss of the teacher: the picture, with min-SNR weights, on pictures drawn by the size of their families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from demos.diffusion.model.pipeline import picture_of
from demos.diffusion.model.schedulers import training_scheduler
from shared.seed import generator

if TYPE_CHECKING:
    from accelerate import Accelerator
    from numpy.typing import NDArray

    from demos.diffusion.config import TrainSection
    from demos.diffusion.model.pipeline import Words
    from demos.diffusion.training.captions import Captions

HALF_LEVEL = 1 / 255  # of 255, in pictures in -1 to 1


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
        # Hang et al., Efficient Diffusion Training via Min-SNR Weighting Strategy, 2023.
        self.weight = ratio.clamp(max=settings.min_snr)

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
        kept = self._scheduler.alphas_cumprod[times]
        found = predicted(network, noisy, times, kept, self._captions.words(texts), accelerator)
        each = missed(found, squares.to(found.device)).square().mean((1, 2, 3))
        return each * self.weight[times].to(each.device)


def predicted(
    network: Any,
    state: torch.Tensor,
    times: torch.Tensor,
    kept: torch.Tensor,
    words: Sequence[torch.Tensor],
    accelerator: Accelerator,
) -> torch.Tensor:
    """(n, c, s, s) the pictures that the network finds in states, on the accelerator's device.

    kept: (n,) the share of a state's variance that is picture.
    """
    device = accelerator.device
    states, mask, pooled = (part.to(device) for part in words)
    state = state.to(device, memory_format=torch.channels_last)
    with accelerator.autocast():
        found = network(
            state, times.to(device), encoder_hidden_states=states, encoder_attention_mask=mask, class_labels=pooled
        ).sample
    return picture_of(found.float(), state, kept.to(state).view(-1, 1, 1, 1))


def guided(
    network: Any,
    state: torch.Tensor,
    times: torch.Tensor,
    kept: torch.Tensor,
    words: Words,
    nothing: Words,
    guidance: float,
    accelerator: Accelerator,
) -> torch.Tensor:
    """(n, c, s, s) the pictures that a guided network sees in states, between black and white as when it draws.

    As `predicted`; nothing: the words of an empty prompt, n times.
    """
    told, untold = (predicted(network, state, times, kept, of, accelerator).clamp(-1, 1) for of in (words, nothing))
    return (untold + guidance * (told - untold)).clamp(-1, 1)


def missed(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """What found pictures are off, of any shape; none where what is beyond white is white, and beyond black is black.

    So flat white, which is half of all that is drawn, takes no part of the network to hold it at one value.
    """
    beyond = ((wanted >= 1 - HALF_LEVEL) & (found > wanted)) | ((wanted <= HALF_LEVEL - 1) & (found < wanted))
    return (found - wanted).masked_fill(beyond, 0.0)


def odds_of(family: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """(n,) odds of each picture: a family of k has k ** balance shares of the draws.

    family: (n,) of each picture, any numbers.
    """
    _, at, counts = np.unique(family, return_inverse=True, return_counts=True)
    odds = counts[at] ** (balance - 1.0)
    return np.asarray(odds / odds.sum())
