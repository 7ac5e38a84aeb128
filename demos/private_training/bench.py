"""What privacy costs in time: a private step beside a plain one, ours and Opacus's ways, and what noise takes of it.

trendlab bench private_training
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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
LARGEST = 2**28  # numbers in the gradients of all units (1 GB), up to which the ways that make them are measured
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
    for name in MODELS:
        for batch in config.bench.batches:
            run.say(f"steps of: {name}, batch of {batch:,}")
            cases = [Case(name, batch, way, device, config.seed) for way in _ways(name, batch)]
            works = {case.way: work_of(case) for case in cases}
            timings = paired_timing(works, config.bench.repeats)
            works.clear()
            peaks = dict(zip([case.way for case in cases], run.map("peak memory", peak_memory, cases), strict=True))
            tables.append(_table(name, timings, peaks, f"Batch of {batch:,} on {device}"))
            headlines.append(_headline(name, batch, timings))
    return Result(headlines=headlines, metrics=[], tables=tables, figures=[], data=[])


@dataclass(frozen=True)
class Case:
    """A step of the model `name` on `batch` units, done in one `way`."""

    name: str
    batch: int
    way: str
    device: str
    seed: int


def _ways(name: str, batch: int) -> list[str]:
    size = sum(parameter.numel() for parameter in MODELS[name][0]().parameters())
    gradients = size * batch <= LARGEST
    return [PLAIN, OURS, *[f"Opacus, {mode}" for mode in OPACUS if gradients or mode == "ghost"], NOISE]


def work_of(case: Case) -> Work:
    """What is timed: a step, of a model and data of its own."""
    build, shape = MODELS[case.name]
    torch.manual_seed(case.seed)
    inputs = torch.rand(case.batch, *shape, device=case.device)
    labels = torch.randint(0, CLASSES, (case.batch,), device=case.device)
    model = build().to(case.device)
    if case.way == PLAIN:
        return _plain(model, inputs, labels)
    if case.way == NOISE:
        sums, bits = [torch.zeros_like(parameter) for parameter in model.parameters()], SystemBits()
        return lambda: noisy(sums, BOUND, 1.0, bits)
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=len(inputs))
    mode = case.way.removeprefix("Opacus, ")
    return _private(model, inputs, labels, loader, None if case.way == OURS else mode)


def peak_memory(case: Case) -> float | None:
    """What a step holds at most beside the model and its data [MB], or None where the system does not tell."""
    work = work_of(case)
    work()
    if case.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    return _resident_peak(work)


def _resident_peak(work: Work) -> float | None:
    """Linux counts the most memory that a process held since it was told to count anew."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not (status.is_file() and reset.exists()):
        return None
    # What the first step freed would be held still, and hide what the second one takes.
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    reset.write_text("5")
    before = _kilobytes(status, "VmRSS")
    work()
    return max(0.0, _kilobytes(status, "VmHWM") - before) / 1e3


def _kilobytes(status: Path, name: str) -> float:
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return float(line.split()[1])


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


def _table(name: str, timings: dict[str, Timing], peaks: dict[str, float | None], where: str) -> Table:
    plain = timings[PLAIN]
    return Table(
        title=f"A step of the {name}, {where[0].lower()}{where[1:]}",
        columns=[
            Column(name="way"),
            Column(name="time", unit="ms", direction="lower", digits=2),
            Column(name="times plain", digits=2),
            Column(name="middle half of the ratios"),
            Column(name="peak memory", unit="MB", direction="lower", digits=0),
        ],
        rows=[
            [
                way,
                timing.median * 1e3,
                timing.ratio,
                f"{timing.ratio_quartiles[0]:.2f} to {timing.ratio_quartiles[2]:.2f}",
                peaks[way],
            ]
            for way, timing in timings.items()
        ],
        caption=(
            f"{where}, {torch.get_num_threads()} threads, medians of {len(plain.seconds)} turns. "
            "Ours draws its noise from the operating system's generator; Opacus's ways draw theirs from torch's. Peak "
            "memory is what a step takes beside the model and its data. Ways that make each unit's gradient are left "
            "out where those would take more than 1 GB."
        ),
    )


def _headline(name: str, batch: int, timings: dict[str, Timing]) -> Headline:
    ours = timings[OURS]
    best = min((timing for way, timing in timings.items() if way.startswith("Opacus")), key=lambda timing: timing.ratio)
    low, _, high = ours.ratio_quartiles
    return Headline(
        name=f"Private step of the {name}, batch of {batch:,}, in plain steps",
        value=ours.ratio,
        unit="x",
        direction="lower",
        peer=best.name,
        peer_value=best.ratio,
        interval=Interval(low=low, high=high, level=0.5, unit="turns"),
    )
