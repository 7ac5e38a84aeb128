"""Train an image tower to meet the texts of MiniLM, through accelerate: one CPU, one GPU or several run the same code.

trendlab run clip_retrieval --profile cpu

Fast for its size because little is done twice: pictures are rendered once and stay as bytes in memory, a locked text
tower reads each caption once, augmentation is one affine map for the whole batch, convolutions run channels last and,
where the processor multiplies bfloat16 in hardware, in bfloat16. The optimizer is Muon (Jordan et al. 2024, from timm).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from demos.clip_retrieval.training.augment import augmented
from demos.clip_retrieval.training.draws import Drawings, Draws, Memory
from demos.clip_retrieval.training.objective import Batch, Objective, Shown
from shared import device as devices
from shared.seed import generator

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig
    from demos.clip_retrieval.model.shape import Shape
    from demos.clip_retrieval.training.text_bank import TextBank
    from shared.openmoji.records import Emoji

CLIP_NORM = 5.0  # of the gradient
LARGEST_SCALE = math.log(100)  # as in CLIP: Radford et al. 2021, section 2.5
PROJECTION_RATE = 0.1  # the text projection starts from a good place and learns slower, if at all
WATCHED = 10  # times that a number is followed


@dataclass
class History:
    """What training went through: mean loss of each epoch, and what `watch` returned at the epochs it was asked."""

    losses: list[float] = field(default_factory=list)
    watched: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Pairs:
    """What is trained on. pictures: (n, s, s, 3) of n records; train: which of them; bank: their captions;
    drawings: variants of some, with what the teacher says; tokens: (u, c) of the bank's texts where the text tower is
    trained too."""

    emojis: Sequence[Emoji]
    pictures: NDArray[np.uint8]
    train: NDArray[np.int64]
    bank: TextBank
    drawings: Drawings | None = None
    tokens: torch.Tensor | None = None


def plain(_: str, epochs: Iterable[int]) -> Iterable[int]:
    """A `track` that shows nothing."""
    return epochs


def fit(
    model: Any,
    shape: Shape,
    pairs: Pairs,
    config: ClipConfig,
    *,
    seed: int,
    watch: Callable[[Any], float] | None = None,
    track: Callable[[str, range], Any] = plain,
) -> History:
    """Train `model` in place; its random numbers all come from `seed`.

    watch: a number to follow, at some epochs and the last, that changes nothing. track: wraps the epochs in a
    progress bar.
    """
    settings = config.train
    device = devices.resolve(config.device)
    accelerator = devices.accelerator(device, devices.precision(device))
    objective: Any = Objective(
        model, pairs.bank, pairs.train, settings.captions, config.loss, config.teacher.weight, pairs.tokens
    )
    objective = objective.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(model, settings.optimizer, settings.learning_rate, settings.weight_decay)
    batches = Batches(pairs, shape, config, seed, accelerator)
    objective, optimizer, batches.loader = accelerator.prepare(objective, optimizer, batches.loader)
    steps, history = settings.epochs * len(batches.loader), History()
    model.train()
    for epoch in track("training", range(settings.epochs)):
        losses = []
        for step, batch in enumerate(batches, start=epoch * len(batches.loader)):
            set_rate(optimizer, settings.learning_rate, settings.warmup, step / steps)
            with accelerator.autocast():
                loss = objective(batch)
            optimizer.zero_grad()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(objective.parameters(), CLIP_NORM)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, LARGEST_SCALE)
            losses.append(loss.detach())
        history.losses.append(float(torch.stack(losses).mean()))
        if watch and ((epoch + 1) % max(1, settings.epochs // WATCHED) == 0 or epoch + 1 == settings.epochs):
            model.eval()
            history.watched.append((epoch + 1, watch(model)))
            model.train()
    model.eval()
    accelerator.free_memory()
    return history


class Batches:
    """The batches of an epoch each time it is iterated. Mixing two pictures and their targets (Zhang et al., mixup,
    2018) keeps a small set from being learned by heart.
    """

    def __init__(self, pairs: Pairs, shape: Shape, config: ClipConfig, seed: int, accelerator: Accelerator) -> None:
        process, settings = accelerator.process_index, config.train
        self._config, self._shape, self._device = config, shape, accelerator.device
        self._draws = Draws(pairs.emojis, pairs.train, settings.skin_tones, generator(seed, "draws", process))
        random = generator(seed, "variants", process)
        self._memory = Memory(
            pairs.pictures, pairs.drawings, config.vector.share, shape.dimension, random, accelerator.device
        )
        self._random = generator(seed, "augment", process)
        order = torch.Generator().manual_seed(int(generator(seed, "order").integers(2**31)))
        bases: Any = range(len(self._draws))  # a data set as far as a loader cares
        size = min(settings.batch, len(self._draws))
        self.loader: Any = DataLoader(bases, size, shuffle=True, drop_last=True, generator=order)

    def __iter__(self) -> Iterator[Batch]:
        for drawn in self.loader:
            records = self._draws.records(drawn.cpu().numpy())
            pictures, said = self._memory.take(records)
            varied = augmented(pictures.permute(0, 3, 1, 2).float() / 255, self._config.augment, self._random)
            alpha, share, other = self._config.augment.mixup, 1.0, np.arange(len(records))
            if alpha:
                share, other = float(self._random.beta(alpha, alpha)), self._random.permutation(len(records))
                varied = share * varied + (1 - share) * varied[torch.from_numpy(other)]
            shown, mixed = (torch.from_numpy(part).to(self._device) for part in (records, records[other]))
            others = Shown(mixed, said[torch.from_numpy(other)])
            yield Batch(normalised(varied, self._shape), Shown(shown, said), others, share)


def normalised(pictures: torch.Tensor, shape: Shape) -> torch.Tensor:
    """(n, 3, s, s) pictures in 0 to 1 as the tower wants them, channels last in memory."""
    centre, spread = (torch.tensor(part, device=pictures.device).view(1, 3, 1, 1) for part in (shape.mean, shape.std))
    return ((pictures - centre) / spread).contiguous(memory_format=torch.channels_last)


def optimizer_of(model: Any, name: str, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Of all weights that learn; gains, biases, the temperature and the text projection do not decay, and Muon leaves
    them to AdamW. name: as timm calls it."""
    from timm import optim

    projection = set(model.text.proj.parameters())
    learned = [weight for weight in model.parameters() if weight.requires_grad and weight not in projection]
    matrices, vectors = ([w for w in learned if w.ndim > 1], [w for w in learned if w.ndim <= 1])
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": weight_decay, "part": 1.0},
        {"params": vectors, "weight_decay": 0.0, "part": 1.0},
    ]
    if learns := [weight for weight in projection if weight.requires_grad]:
        groups.append({"params": learns, "weight_decay": 0.0, "part": PROJECTION_RATE, "use_fallback": True})
    made: torch.optim.Optimizer = optim.create_optimizer_v2(groups, opt=name, lr=learning_rate)  # type: ignore[attr-defined]
    return made


def set_rate(optimizer: Any, learning_rate: float, warmup: float, progress: float) -> None:
    """A linear rise for the share `warmup` of training, then half a cosine down to zero; progress: from 0 to 1."""
    rise = min(1.0, progress / warmup) if warmup else 1.0
    rate = learning_rate * rise * (0.5 + 0.5 * math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = rate * group["part"]
