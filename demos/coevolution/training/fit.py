"""One training loop for all models, which have a `pooled` and a `head`: hard labels and another's soft ones are targets
alike.

Distillation as in Hinton, Vinyals and Dean (2015), with a temperature, and where the student has as wide a state as its
teacher, by that too. As many steps as are asked for, however many texts there are: who has more texts sees each seldom.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from demos.coevolution.data import SLUG
from demos.coevolution.models.batches import batches, by_length, padded
from demos.coevolution.models.device import Device
from shared import device as devices
from shared.seed import generator

if TYPE_CHECKING:
    from collections.abc import Iterator


M = TypeVar("M", bound=nn.Module)
Rows = Sequence[Sequence[int] | Tensor]
Objective = Literal["ours", "KD", "DIST"]
MODULE = {"path": ".", "io": "output"}  # how torchdistill is told where the logits are
WARM = 0.1  # share of the steps in which the rate rises
DECAY = 0.01
CLIP_NORM = 1.0
JUDGED = 64  # texts at once


@dataclass(frozen=True)
class Lesson:
    """What is learned from. rows: word pieces of n texts, or of a `Top` their (l, w) states below the cut; targets:
    (n, 2) probabilities; states: (n, w) of the teacher, or None; temperature: by which the logits behind the targets
    were divided; 1 for labels, and for what somebody said as it was said."""

    rows: Rows
    targets: Tensor
    states: Tensor | None = None
    temperature: float = 1.0


@dataclass(frozen=True)
class Course:
    """How. steps: of `batch` texts; rate: the highest; state_weight: of the loss by states, where a lesson has some;
    head_factor: of the rate, for the head of an encoder, which is much higher when it begins by chance; objective:
    "ours", or one of torchdistill's losses, which take all else as it is here; own_share: of a target that is the
    model's own answer at that moment, made certain, so that it may hold to what it knows better (Burns et al. 2023)."""

    steps: int
    batch: int
    rate: float
    state_weight: float = 0.0
    head_factor: float = 10.0
    objective: Objective = "ours"
    own_share: float = 0.0


def fit(model: M, lesson: Lesson, course: Course, seed: int, device: str = "cpu") -> M:
    """Train `model` in place and return it, on the CPU, ready to judge. Raises ValueError when there are no texts."""
    if not len(lesson.rows):
        raise ValueError("there is nothing to learn from")
    accelerator = devices.accelerator(device, devices.precision(device))
    optimizers: list[Any] = _optimizers(model, course)
    schedules = [LambdaLR(each, lambda step: _share(step / course.steps)) for each in optimizers]
    trained, *optimizers = accelerator.prepare(model, *optimizers)
    lengths = [len(row) for row in lesson.rows]
    order = generator(seed, SLUG, "order")
    trained.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, SLUG, "dropout").integers(2**31)))
        for places in _endless(lengths, course, order):
            with accelerator.autocast():
                loss = _loss(trained, lesson, course, places, accelerator.device)
            for optimizer in optimizers:
                optimizer.zero_grad()
            accelerator.backward(loss)
            _clip(model)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
    # Its forward would compute in 16 bits from now on, also where 32 are asked for.
    accelerator.unwrap_model(trained, keep_fp32_wrapper=False)
    accelerator.free_memory()
    model.to("cpu").eval()
    return model


def _endless(lengths: list[int], course: Course, order: np.random.Generator) -> Iterator[list[int]]:
    left = course.steps
    while left:
        for places in batches(lengths, course.batch, order)[:left]:
            left -= 1
            yield places


def _share(progress: float) -> float:
    """Of the highest rate, after a share of the steps."""
    return min(1.0, progress / WARM + 1e-3, (1 - progress) / (1 - WARM))


def _loss(model: Any, lesson: Lesson, course: Course, places: list[int], device: Any) -> Tensor:
    ids_nl, mask_nl = (part.to(device) for part in padded([lesson.rows[place] for place in places]))
    targets_n2 = lesson.targets[places].to(device)
    heat = lesson.temperature
    if course.objective != "ours":
        return _torchdistill(course.objective, heat)(
            _as_output(model(ids_nl, mask_nl)), _as_output(targets_n2.log() * heat)
        )
    if lesson.states is None or course.state_weight == 0:
        logits_n2 = model(ids_nl, mask_nl)
        if course.own_share > 0:
            own_n2 = functional.one_hot(logits_n2.detach().argmax(1), targets_n2.shape[1]).to(targets_n2)
            targets_n2 = torch.lerp(targets_n2, own_n2, course.own_share)
        return functional.cross_entropy(logits_n2 / heat, targets_n2) * heat**2
    pooled_nw = model.pooled(ids_nl, mask_nl)
    alike = functional.cosine_similarity(pooled_nw, lesson.states[places].to(device)).mean()
    heard = functional.cross_entropy(model.head(pooled_nw) / heat, targets_n2) * heat**2
    return heard + course.state_weight * (1 - alike)


@functools.cache
def _torchdistill(objective: Objective, temperature: float) -> Any:
    """Its loss, as its documentation sets it up: KD at this temperature, DIST at 1."""
    from torchdistill.losses.mid_level import DISTLoss, KDLoss

    places = {f"{who}_module_{what}": value for who in ("student", "teacher") for what, value in MODULE.items()}
    return KDLoss(**places, temperature=temperature, alpha=0) if objective == "KD" else DISTLoss(**places)


def _as_output(logits: Tensor) -> dict[str, dict[str, Tensor]]:
    return {MODULE["path"]: {MODULE["io"]: logits}}


def _clip(model: nn.Module) -> None:
    # Rows of an embedding that were not looked up have no gradient, and are no tensors to be clipped.
    dense = [part for part in model.parameters() if part.grad is not None and not part.grad.is_sparse]
    nn.utils.clip_grad_norm_(dense, CLIP_NORM)


def _optimizers(model: nn.Module, course: Course) -> list[torch.optim.Optimizer]:
    # Fused: of a step of the edge, 12 million numbers of it word vectors, the plain optimizer took two fifths.
    if isinstance(model, Device):
        looked_up = [*model.vectors.parameters(), *model.weights.parameters()]
        rest = [*model.threes.parameters(), *model.head.parameters()]
        return [
            torch.optim.SparseAdam(looked_up, lr=course.rate),
            torch.optim.AdamW(rest, lr=course.rate, weight_decay=DECAY, fused=True),
        ]
    body: list[nn.Parameter] = []
    head: list[nn.Parameter] = []
    for name, part in model.named_parameters():
        if part.requires_grad:
            (head if name.startswith("head.") else body).append(part)
    groups: list[dict[str, Any]] = [{"params": body}, {"params": head, "lr": course.head_factor * course.rate}]
    return [torch.optim.AdamW(groups, lr=course.rate, weight_decay=DECAY, fused=True)]


def soft(logits: Tensor, temperature: float) -> Tensor:
    """(n, 2): a teacher's probabilities at a temperature."""
    return torch.softmax(logits / temperature, dim=1)


def judged(model: nn.Module, rows: Rows, size: int = JUDGED, exact: bool = False, device: str = "cpu") -> Tensor:
    """(n, classes) logits of texts. exact: in 32 bits, as a file computes, also where trainings do in 16; device: where
    it is computed, for which a model on the CPU goes there and comes back."""
    found = _each(model.to(device), rows, size, exact or isinstance(model, Device), device)
    model.to("cpu")
    return found


def states_of(model: Any, rows: Rows, size: int = JUDGED) -> Tensor:
    """(n, w) of texts: what the head is given."""
    return _each(model.eval().pooled, rows, size, isinstance(model, Device))


@torch.inference_mode()
def _each(function: Any, rows: Rows, size: int, exact: bool, device: str = "cpu") -> Tensor:
    found, order = [], []
    with contextlib.nullcontext() if exact else devices.autocast(device):
        for places in by_length([len(row) for row in rows], size):
            ids_nl, mask_nl = padded([rows[place] for place in places])
            found.append(function(ids_nl.to(device), mask_nl.to(device)).cpu())
            order += places
    together = torch.cat(found).float()
    result = torch.empty_like(together)
    result[torch.tensor(order)] = together
    return result
