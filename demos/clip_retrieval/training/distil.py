"""The second stage: what a kernel machine can say of pictures, the tower learns to say by itself.

A tower that was trained to tell 1,800 pictures apart sees more in them than its own linear head makes of it: kernel
ridge regression on its features, and more so on these beside HOG and colours, finds the words of new pictures better.
But it has to keep all training pictures, and it is no CLIP. So it becomes the teacher (knowledge distillation: Hinton
et al., 2015): it is asked about tens of thousands of composites, pictures without a name (`emoji.composites`), and a
tower with an MLP for a head learns its answers. Nothing of it looks at the validation or test families.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn import functional
from torch.utils.data import DataLoader

from demos.clip_retrieval.emoji.composites import composites_of
from demos.clip_retrieval.emoji.descriptors import normalised as unit
from demos.clip_retrieval.model.build import build
from demos.clip_retrieval.model.build import normalised as inputs_of
from demos.clip_retrieval.training.augment import augmented
from demos.clip_retrieval.training.fit import CLIP_NORM, History, normalised, optimizer_of, set_rate
from demos.clip_retrieval.training.teacher import KernelMachine, typical
from shared import device as devices
from shared.pretrained.minilm import minilm_folder
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.config import ClipConfig, DistilSection
    from demos.clip_retrieval.model.shape import Shape
    from demos.clip_retrieval.training.draws import Drawings

    Floats = NDArray[np.float32]

CHUNK = 256  # composites that one task makes
ASKED = 2048  # pictures that the teacher is asked about at a time
SEEN = 256  # pictures that the tower looks at at a time
HEAD_BATCH, HEAD_RATE, HEAD_DECAY = 512, 3e-3, 0.05
WARMUP = 0.05  # share of the steps in which the rate rises


@dataclass(frozen=True)
class Lessons:
    """pictures: (n, s, s, 3); said: (n, d) what to answer, normalised; weight: (n,) how much it counts; features:
    (n, w) what the tower of the first stage sees; shown: (k,) which of them a pass shows, some more than once."""

    pictures: NDArray[np.uint8]
    said: Floats
    weight: Floats
    features: Floats
    shown: NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """Pictures whose names are their lesson: those with skin tones, of which the machine knows nothing. pictures:
    (n, s, s, 3); texts: (n, d)."""

    pictures: NDArray[np.uint8]
    texts: Floats


def composites(
    rows: NDArray[np.int64], config: ClipConfig, seed: int, spread: Callable[..., list[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """(n, s, s, 3) pictures made of the shapes of the records `rows`, and (n, f) their HOG features."""
    settings = config.composite
    make = partial(composites_of, rows=rows, size=config.model.size, settings=settings, drawn=config.vector, seed=seed)
    numbers = [tuple(range(at, min(at + CHUNK, settings.count))) for at in range(0, settings.count, CHUNK)]
    found = [part for part in spread("composites", make, numbers) if len(part[0])]
    if not found:
        size = config.model.size
        return np.zeros((0, size, size, 3), np.uint8), np.zeros((0, 1), np.float16)
    return np.concatenate([pictures for pictures, _ in found]), np.concatenate([features for _, features in found])


def lessons(
    model: Any,
    shape: Shape,
    drawings: Drawings,
    texts: Floats,
    made: tuple[NDArray[np.uint8], NDArray[np.float16]],
    told: Told,
    settings: DistilSection,
) -> Lessons:
    """What the kernel machine says of the drawings and of composites `made`, and what is told of the rest.

    model: after the first stage; drawings: with their features, (m, 1 + v, ...); texts: (m, d) the captions of the
    first of each, which the machine is told.
    """
    if drawings.features is None:
        raise ValueError("the drawings have no features")
    drawn, size = drawings.pictures.reshape(-1, *drawings.pictures.shape[2:]), drawings.pictures.shape[1]
    shapes = [drawings.features.reshape(len(drawn), -1), made[1]]
    seen = [trunk_features(model, shape, pictures) for pictures in (drawn, made[0])]
    plain = _joined(seen[0][::size], shapes[0][::size], settings.shapes)
    machine = KernelMachine.fit(plain, texts, settings.gamma, settings.ridge, typical(plain))
    said = np.concatenate(
        [
            machine(_joined(tower[at : at + ASKED], hog[at : at + ASKED], settings.shapes))
            for tower, hog in zip(seen, shapes, strict=True)
            for at in range(0, len(tower), ASKED)
        ]
    )
    length = np.linalg.norm(said, axis=1)
    weight = np.minimum(length / np.median(length), settings.surest)
    known = np.full(len(told.texts), settings.surest, np.float32)
    # So few are lost among the composites unless they come often.
    times = np.concatenate([np.ones(len(said), np.int64), np.full(len(told.texts), settings.tone_repeats)])
    return Lessons(
        np.concatenate([drawn, made[0], told.pictures]),
        np.concatenate([unit(said), told.texts]),
        np.concatenate([weight, known]).astype(np.float32),
        np.concatenate([*seen, trunk_features(model, shape, told.pictures)]),
        np.repeat(np.arange(len(times)), times),
    )


def _joined(tower: Floats, shapes: NDArray[np.floating], share: float) -> Floats:
    """(n, w + f) features whose squared distance is the weighted mean of those of both, each of length 1."""
    return np.concatenate([unit(tower) * np.sqrt(1 - share), unit(shapes) * np.sqrt(share)], axis=1, dtype=np.float32)


@torch.inference_mode()
def trunk_features(model: Any, shape: Shape, pictures: NDArray[np.uint8]) -> Floats:
    """(n, w) what the image tower of open_clip's `model` sees before its head, of (n, s, s, 3) pictures."""
    device = next(model.parameters()).device
    model.eval()
    found = [np.zeros((0, model.visual.trunk.num_features), np.float32)]
    for at in range(0, len(pictures), SEEN):
        inputs = inputs_of(pictures[at : at + SEEN], shape.mean, shape.std, device)
        with devices.autocast(device.type):
            found.append(model.visual.trunk(inputs).float().cpu().numpy())
    return np.concatenate(found)


def distilled(
    first: Any,
    shape: Shape,
    learned: Lessons,
    config: ClipConfig,
    *,
    seed: int,
    watch: Callable[[Any], float] | None = None,
    track: Callable[..., Any],
) -> tuple[Any, Shape, History]:
    """A model with an MLP head that learned its lessons, its shape, and how it went.

    first: the model of the first stage, whose tower it starts from; text side and temperature are the same.
    """
    settings, shape = config.distil, replace(shape, head="mlp")
    device = devices.resolve(config.device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = build(shape, minilm_folder())
    kept = {name: tensor for name, tensor in first.state_dict().items() if not name.startswith("visual.head.")}
    model.load_state_dict(kept, strict=False)
    model.text.requires_grad_(False)
    model.logit_scale.requires_grad_(False)
    accelerator = devices.accelerator(device, devices.precision(device))
    model.to(accelerator.device, memory_format=torch.channels_last)
    _begin_head(model.visual.head, learned, settings.head_epochs, seed)
    history = _fit(model, shape, learned, config, accelerator, seed, watch, track)
    accelerator.free_memory()
    return model.eval(), shape, history


def _fit(
    model: Any,
    shape: Shape,
    learned: Lessons,
    config: ClipConfig,
    accelerator: Accelerator,
    seed: int,
    watch: Callable[[Any], float] | None,
    track: Callable[..., Any],
) -> History:
    settings, device = config.distil, accelerator.device
    pictures, said, weight = (
        torch.from_numpy(part).to(device) for part in (learned.pictures, learned.said, learned.weight)
    )
    random = generator(seed, "distil", accelerator.process_index)
    order = torch.Generator().manual_seed(int(generator(seed, "distil order").integers(2**31)))
    numbers: Any = learned.shown.tolist()
    loader: Any = DataLoader(numbers, min(settings.batch, len(numbers)), shuffle=True, drop_last=True, generator=order)
    optimizer = optimizer_of(model, config.train.optimizer, settings.learning_rate, settings.weight_decay)
    tower, optimizer, loader = accelerator.prepare(model.visual, optimizer, loader)
    steps, history = settings.epochs * len(loader), History()
    for epoch in track("distilling", range(settings.epochs)):
        tower.train()
        losses = []
        for step, drawn in enumerate(loader, start=epoch * len(loader)):
            set_rate(optimizer, settings.learning_rate, WARMUP, step / steps)
            rows = drawn.to(device)
            varied = augmented(pictures[rows].permute(0, 3, 1, 2).float() / 255, config.augment, random)
            with accelerator.autocast():
                answers = tower(normalised(varied, shape))
            loss = _loss(answers.float(), said[rows], weight[rows])
            optimizer.zero_grad()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(tower.parameters(), CLIP_NORM)
            optimizer.step()
            losses.append(loss.detach())
        history.losses.append(float(torch.stack(losses).mean()))
        if watch:
            model.eval()
            history.watched.append((epoch + 1, watch(model)))
    return history


def _loss(answers: torch.Tensor, said: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return ((1 - (functional.normalize(answers, dim=1) * said).sum(1)) * weight).mean()


def _begin_head(head: Any, learned: Lessons, epochs: int, seed: int) -> None:
    """Train the new head alone on what the tower already sees: seconds, and the tower is not torn away from it."""
    device = next(head.parameters()).device
    shown = torch.from_numpy(learned.shown)
    mean, spread = learned.features.mean(0), learned.features.std(0) + 1e-6
    features = torch.from_numpy((learned.features - mean) / spread).to(device)
    said, weight = torch.from_numpy(learned.said).to(device), torch.from_numpy(learned.weight).to(device)
    order = torch.Generator().manual_seed(int(generator(seed, "head").integers(2**31)))
    optimizer = torch.optim.AdamW(head.parameters(), lr=HEAD_RATE, weight_decay=HEAD_DECAY)
    batches = max(1, len(shown) // HEAD_BATCH)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    head.train()
    for _ in range(epochs):
        for drawn in torch.randperm(len(shown), generator=order).tensor_split(batches):
            rows = shown[drawn]
            loss = _loss(head(features[rows.to(device)]), said[rows], weight[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    # The first layer takes over the standardisation of its inputs.
    layer = head.mlp.fc1
    with torch.no_grad():
        layer.weight.div_(torch.from_numpy(spread).to(device))
        layer.bias.sub_(layer.weight @ torch.from_numpy(mean).to(device))
