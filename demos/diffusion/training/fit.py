"""Fit a U-Net, or an adapter of it: accelerate, a moving average, and a state to go on from after a stop."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator

from demos.diffusion.sampling.draw import Track, plain
from demos.diffusion.training.checkpoint import Checkpoint
from shared import device as devices
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.diffusion.config import Schedule

CLIP_NORM = 1.0  # of the gradient
TOLD, NUMBERS = 100, 10  # steps in one number of the history, and fewer where there would be fewer numbers

StepLoss = Callable[[Any, int, Accelerator], torch.Tensor]  # of the network, at a step of a number
Begin = Callable[[Accelerator], dict[str, Any]]


@dataclass
class History:
    """Mean loss of each `every` steps."""

    losses: list[float] = field(default_factory=list)
    every: int = TOLD


def fit(
    unet: Any,
    step_loss: StepLoss,
    settings: Schedule,
    device: str,
    *,
    label: str = "training",
    file: Path | None = None,
    track: Track = plain,
    begin: Begin | None = None,
) -> tuple[History, Any]:
    """Train in place what of a U-Net wants a gradient; returns how it went, and diffusers' EMAModel of it.

    step_loss: all its random numbers come from the step's number, so that a training that goes on is the same; device:
    "cpu", "cuda" or "mps"; file: where the state is kept meanwhile, and found again by the same call after a stop; who
    calls removes it when the result is safe; begin: makes ready what else a step trains, and tells the parts of its
    state. Raises UserError when the network is to be compiled and cannot be, and when the loss is no longer finite.
    """
    from diffusers.training_utils import EMAModel

    accelerator = devices.accelerator(device, devices.precision(device))
    attention = unet.attn_processors
    weights = trainable(unet, device)
    optimizer = optimizer_of(list(weights.values()), settings)
    average = EMAModel(
        weights.values(), decay=settings.ema, use_ema_warmup=True, power=settings.ema_power, foreach=True
    )
    network, optimizer = accelerator.prepare(unet, optimizer)
    network = compiled(network) if settings.compile else network
    parts = {"network": Weights(weights), "optimizer": optimizer, "average": average}
    checkpoint = Checkpoint(file, settings.checkpoint, **parts, **(begin(accelerator) if begin else {}))
    start, told = checkpoint.restore()
    average.to(accelerator.device)
    history, losses = History(told, min(TOLD, max(1, settings.steps // NUMBERS))), []
    for step in track(label, range(start, settings.steps)):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate(step, settings)
        loss = step_loss(network, step, accelerator)
        _learn(loss, accelerator, optimizer, average, list(weights.values()))
        losses.append(loss.detach())
        last = step + 1 == settings.steps
        if (step + 1) % history.every == 0 or last:
            history.losses.append(float(torch.stack(losses).mean()))
            if not math.isfinite(history.losses[-1]):
                raise UserError(f"{label}: the loss is no number after {step + 1:,} updates; try a lower learning_rate")
            losses = []
            checkpoint.keep(step + 1, history.losses, last)
    # As it was found: accelerate leaves its precision on the network, and would draw with it.
    accelerator.unwrap_model(unet, keep_fp32_wrapper=False)
    unet.set_attn_processor(attention)
    unet.eval()
    accelerator.free_memory()
    return history, average


def trainable(unet: Any, device: str) -> dict[str, Any]:
    """Make a U-Net ready to be trained, in place; returns its weights that want a gradient, by name."""
    from diffusers.models.attention_processor import AttnProcessor

    unet.train().to(memory_format=torch.channels_last)
    if device == "cpu":
        # torch's fused attention takes, backward and on a CPU, many times as long as its parts.
        unet.set_attn_processor(AttnProcessor())
    return {name: weight for name, weight in unet.named_parameters() if weight.requires_grad}


def _learn(loss: torch.Tensor, accelerator: Accelerator, optimizer: Any, average: Any, weights: list[Any]) -> None:
    optimizer.zero_grad()
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(weights, CLIP_NORM)
    optimizer.step()
    average.step(weights)


class Weights:
    """Named weights as a part of a state: those that are trained, and no others."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self._weights = weights

    def state_dict(self) -> dict[str, torch.Tensor]:
        """As torch's."""
        return {name: weight.detach() for name, weight in self._weights.items()}

    @torch.no_grad()
    def load_state_dict(self, kept: dict[str, torch.Tensor]) -> None:
        """As torch's; each weight has to be there."""
        for name, weight in self._weights.items():
            weight.copy_(kept[name])


def compiled(network: Any) -> Any:
    """Compiled when it is first called. Raises UserError where there is no C++ compiler for it."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception:  # a class of inductor's own, which moves
        raise UserError("compile=true needs a C++ compiler (g++ or clang++), and none is found") from None
    # What compiling says of caches and of absent GPUs concerns those who write compilers.
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    return torch.compile(network)


def optimizer_of(weights: list[Any], settings: Schedule) -> torch.optim.Optimizer:
    """timm's, of that name; gains and biases do not decay, and Muon leaves them to AdamW."""
    from timm import optim

    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    made: torch.optim.Optimizer = optim.create_optimizer_v2(  # type: ignore[attr-defined]
        [group for group in groups if group["params"]], opt=settings.optimizer, lr=settings.learning_rate
    )
    return made


def rate(step: int, settings: Schedule) -> float:
    """Share of the peak rate: a linear rise, a plateau, half a cosine down."""
    rise = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    left = (settings.steps - step) / max(1, settings.steps * settings.decay)
    return rise * (0.5 - 0.5 * math.cos(math.pi * min(1.0, left)))
