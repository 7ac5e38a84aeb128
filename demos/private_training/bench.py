"""What privacy costs in time: a private step beside a plain one, ours and Opacus's ways, and what noise takes of it.

trendlab bench private_training
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from demos.private_training.data import CLASSES, SIDE
from demos.private_training.learn.networks import linear, small_cnn
from demos.private_training.step.bits import SystemBits
from demos.private_training.step.engine import BookKeepingEngine
from demos.private_training.step.noise import noisy
from shared import device as devices
from shared.evaluation.timing import Timing, paired_timing
from shared.result import Column, Headline, Interval, Result, Table

if TYPE_CHECKING:
    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run

WIDTH = 400  # of the linear layer
OPACUS = ("hooks", "functorch", "ew", "ghost")
PLAIN, OURS, NOISE = "plain, not private", "ours", "ours, the noise alone"
BOUND = 1.0
Work = Callable[[], Any]


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(SIDE**2, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, CLASSES)
    )


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    f"linear, {WIDTH} to {CLASSES}": (lambda: linear(WIDTH), (WIDTH,)),
    "MLP, 784-256-256-10": (_mlp, (SIDE, SIDE)),
    "small CNN": (lambda: small_cnn(0), (SIDE, SIDE)),
}


def measure(config: PrivateTrainingConfig, run: Run) -> Result:
    """Steps of random pictures: what they show changes no time."""
    device = devices.resolve(config.device)
    tables, headlines = [], []
    for name, (build, shape) in MODELS.items():
        run.say(f"steps of: {name}")
        torch.manual_seed(config.seed)
        inputs = torch.rand(config.bench.batch, *shape, device=device)
        labels = torch.randint(0, CLASSES, (config.bench.batch,), device=device)
        timings = paired_timing(_steps(build, inputs, labels), config.bench.repeats)
        tables.append(_table(name, timings, f"Batch of {config.bench.batch:,} on {device}"))
        headlines.append(_headline(name, timings))
    return Result(headlines=headlines, metrics=[], tables=tables, figures=[], data=[])


def _steps(build: Callable[[], nn.Module], inputs: Tensor, labels: Tensor) -> dict[str, Work]:
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=len(inputs))
    models = [build().to(inputs.device) for _ in range(3 + len(OPACUS))]
    steps = {PLAIN: _plain(models[0], inputs, labels), OURS: _private(models[1], inputs, labels, loader, None)}
    for mode, model in zip(OPACUS, models[3:], strict=True):
        steps[f"Opacus, {mode}"] = _private(model, inputs, labels, loader, mode)
    sums = [torch.zeros_like(parameter) for parameter in models[2].parameters()]
    bits = SystemBits()
    return steps | {NOISE: lambda: noisy(sums, BOUND, 1.0, bits)}


def _plain(model: nn.Module, inputs: Tensor, labels: Tensor) -> Work:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def work() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        _settle(inputs)

    return work


def _private(model: nn.Module, inputs: Tensor, labels: Tensor, loader: DataLoader, mode: str | None) -> Work:
    """mode: of Opacus; None: ours."""
    from opacus import PrivacyEngine

    options = {} if mode is None else {"grad_sample_mode": mode}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Opacus's generator is not secure
        engine = BookKeepingEngine() if mode is None else PrivacyEngine()
        module, optimizer, *more = engine.make_private(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-3),
            criterion=nn.CrossEntropyLoss(),
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=BOUND,
            **options,
        )
    criterion = more[0] if len(more) == 2 else nn.CrossEntropyLoss()

    def work() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hooks on a layer whose input needs no gradient
            optimizer.zero_grad()
            criterion(module(inputs), labels).backward()
            optimizer.step()
        _settle(inputs)

    return work


def _settle(inputs: Tensor) -> None:
    if inputs.device.type == "cuda":
        torch.cuda.synchronize()


def _table(name: str, timings: dict[str, Timing], where: str) -> Table:
    plain = timings[PLAIN]
    return Table(
        title=f"A step of the {name}",
        columns=[
            Column(name="way"),
            Column(name="time", unit="ms", direction="lower", digits=2),
            Column(name="times plain", digits=2),
            Column(name="middle half of the ratios"),
        ],
        rows=[
            [
                way,
                timing.median * 1e3,
                timing.ratio,
                f"{timing.ratio_quartiles[0]:.2f} to {timing.ratio_quartiles[2]:.2f}",
            ]
            for way, timing in timings.items()
        ],
        caption=(
            f"{where}, {torch.get_num_threads()} threads, medians of {len(plain.seconds)} turns. "
            "Ours draws its noise from the operating system's generator; Opacus's ways draw theirs from torch's."
        ),
    )


def _headline(name: str, timings: dict[str, Timing]) -> Headline:
    ours = timings[OURS]
    best = min((timing for way, timing in timings.items() if way.startswith("Opacus")), key=lambda timing: timing.ratio)
    low, _, high = ours.ratio_quartiles
    return Headline(
        name=f"Private step of the {name}, in plain steps",
        value=ours.ratio,
        unit="x",
        direction="lower",
        peer=best.name,
        peer_value=best.ratio,
        interval=Interval(low=low, high=high, level=0.5, unit="turns"),
    )
