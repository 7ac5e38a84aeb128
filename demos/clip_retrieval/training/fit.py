"""Train an image tower to meet the texts of MiniLM, through accelerate: one CPU, one GPU or several run the same code.

trendlab run clip_retrieval --profile cpu model.name=train

Fast for its size because little is done twice: pictures are rendered once and stay as bytes in memory, a locked text
tower reads each caption once, augmentation is one affine map for the whole batch, convolutions run channels last and,
where the processor multiplies bfloat16 in hardware, in bfloat16.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from demos.clip_retrieval.training.augment import augmented
from demos.clip_retrieval.training.objective import Objective
from shared import device as devices
from shared.seed import generator

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig, TrainSection
    from demos.clip_retrieval.emoji.openmoji import Emoji
    from demos.clip_retrieval.model.shape import Shape
    from demos.clip_retrieval.training.text_bank import TextBank

CLIP_NORM = 5.0  # of the gradient
LARGEST_SCALE = math.log(100)  # as in CLIP: Radford et al. 2021, section 2.5
PROJECTION_RATE = 0.1  # the text projection starts from a good place and learns slower


@dataclass
class History:
    """What training went through: mean loss of each epoch, and what `watch` returned at the epochs it was asked."""

    losses: list[float] = field(default_factory=list)
    watched: list[tuple[int, float]] = field(default_factory=list)


def precision(device: str) -> str:
    """ "bf16" where the hardware multiplies it natively, else "no", for accelerate."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bf16" if device == "cpu" and amx() else "no"


def fit(
    model: Any,
    shape: Shape,
    pictures: NDArray[np.uint8],
    emojis: Sequence[Emoji],
    train: NDArray[np.int64],
    bank: TextBank,
    config: ClipConfig,
    *,
    seed: int,
    tokens: torch.Tensor | None = None,
    watch: Callable[[Any], float] | None = None,
    track: Callable[[str, range], Any] | None = None,
) -> History:
    """Train `model` in place; its random numbers all come from `seed`.

    pictures: (n, s, s, 3); emojis: n records; train: which of them. watch: a number to follow, at ten epochs.
    track: wraps the epochs in a progress bar.
    """
    settings = config.train
    device = devices.resolve(config.device)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=precision(device))
    draws = Draws(emojis, train, settings.skin_tones, generator(seed, "draws", accelerator.process_index))
    order = torch.Generator().manual_seed(int(generator(seed, "order").integers(2**31)))
    bases: Any = range(len(draws))  # a data set as far as a loader cares
    loader: Any = DataLoader(bases, min(settings.batch, len(draws)), True, drop_last=True, generator=order)
    objective: Any = Objective(model, bank, train, settings.captions, config.loss, tokens).to(
        memory_format=torch.channels_last
    )
    optimizer = torch.optim.AdamW(_groups(model, settings), lr=settings.learning_rate)
    objective, optimizer, loader = accelerator.prepare(objective, optimizer, loader)
    memory = torch.from_numpy(np.array(pictures)).to(accelerator.device)  # a copy: torch wants to own what it reads
    random = generator(seed, "augment", accelerator.process_index)
    steps, history = settings.epochs * len(loader), History()
    model.train()
    for epoch in (track or _plain)("training", range(settings.epochs)):
        losses = []
        for step, drawn in enumerate(loader, start=epoch * len(loader)):
            _set_rate(optimizer, settings, step / steps)
            records = torch.from_numpy(draws.records(drawn.cpu().numpy())).to(accelerator.device)
            inputs = _inputs(memory[records], shape, config, random)
            with accelerator.autocast():
                loss = objective(inputs, records)
            optimizer.zero_grad()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(objective.parameters(), CLIP_NORM)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, LARGEST_SCALE)
            losses.append(loss.detach())
        history.losses.append(float(torch.stack(losses).mean()))
        if watch and (epoch + 1) % max(1, settings.epochs // 10) == 0:
            model.eval()
            history.watched.append((epoch + 1, watch(model)))
            model.train()
    model.eval()
    accelerator.free_memory()
    return history


class Draws:
    """Which records stand for the base emoji of an epoch: each once, as itself or as one of its skin tones."""

    def __init__(
        self, emojis: Sequence[Emoji], train: NDArray[np.int64], tones: float, random: np.random.Generator
    ) -> None:
        bases: defaultdict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for record in train.tolist():
            bases[emojis[record].base][emojis[record].skin_tone > 0].append(record)
        self.bases, self.tones, self.random = list(bases.values()), tones, random

    def __len__(self) -> int:
        return len(self.bases)

    def records(self, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) a record for each of the bases drawn."""
        chosen = []
        for base in drawn.tolist():
            plain, toned = self.bases[base]
            pool = toned if toned and (not plain or self.random.random() < self.tones) else plain
            chosen.append(pool[self.random.integers(len(pool))])
        return np.array(chosen, dtype=np.int64)


def _plain(_: str, epochs: range) -> range:
    return epochs


def _inputs(pictures: torch.Tensor, shape: Shape, config: ClipConfig, random: np.random.Generator) -> torch.Tensor:
    """Bytes (n, s, s, 3) to augmented, normalised (n, 3, s, s)."""
    varied = augmented(pictures.permute(0, 3, 1, 2).float() / 255, config.augment, random)
    centre, spread = (torch.tensor(part, device=varied.device).view(1, 3, 1, 1) for part in (shape.mean, shape.std))
    return ((varied - centre) / spread).contiguous(memory_format=torch.channels_last)


def _groups(model: Any, settings: TrainSection) -> list[dict[str, Any]]:
    """Weights decay; gains, biases, the temperature and the text projection do not."""
    projection = set(model.text.proj.parameters())
    learned = [weight for weight in model.parameters() if weight.requires_grad and weight not in projection]
    return [
        {
            "params": [weight for weight in learned if weight.ndim > 1],
            "weight_decay": settings.weight_decay,
            "part": 1.0,
        },
        {"params": [weight for weight in learned if weight.ndim <= 1], "weight_decay": 0.0, "part": 1.0},
        {"params": list(projection), "weight_decay": 0.0, "part": PROJECTION_RATE},
    ]


def _set_rate(optimizer: Any, settings: TrainSection, progress: float) -> None:
    """A linear rise, then half a cosine down to zero; progress: from 0 to 1."""
    rise = min(1.0, progress / settings.warmup) if settings.warmup else 1.0
    rate = settings.learning_rate * rise * (0.5 + 0.5 * math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = rate * group["part"]
