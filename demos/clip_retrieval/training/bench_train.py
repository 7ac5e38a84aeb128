"""How fast training is beside the plain loop of open_clip, step by step, at equal loss and against the GEMM peak.

The plain loop does what `open_clip_train` does: PNG files decoded and transformed by open_clip's own `image_transform`
in the workers of a DataLoader, texts padded to the whole context, both towers forward in each step, ClipLoss, float32,
contiguous memory. Each further row adds one thing. Model, batch, pairs and their order are the same in all rows.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from open_clip.loss import ClipLoss
from open_clip.transform import AugmentationCfg, image_transform
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from demos.clip_retrieval.config import AugmentSection
from demos.clip_retrieval.model.build import begin_projection, build
from demos.clip_retrieval.model.shape import Shape
from demos.clip_retrieval.model.torch_encoder import trimmed
from demos.clip_retrieval.training.augment import augmented
from demos.clip_retrieval.training.fit import CLIP_NORM
from demos.clip_retrieval.training.train_model import check_tower, tokenizer
from shared import device as devices
from shared.evaluation.limits import gemm_peak, operations
from shared.fanout import worker_count
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.pretrained.minilm import MiniLM, minilm_folder
from shared.result import Column, Headline, Metric, Table
from shared.seed import generator

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig
    from shared.demo import Run

CROP = 0.9  # smallest share of the area that open_clip's default crop keeps
# The same freedom as that crop, as one affine map.
LIKE_CROP = AugmentSection(rotation=0, zoom=0.05, shear=0, shift=0.03, contrast=0)


@dataclass(frozen=True)
class Variant:
    """Which of the means a row has. workers: of the DataLoader, where pictures are decoded from files."""

    name: str
    workers: int = 0
    in_memory: bool = False
    trimmed: bool = False
    cached_text: bool = False
    channels_last: bool = False
    bfloat16: bool = False
    compiled: bool = False


def ladder(workers: int, compiled: bool) -> list[Variant]:
    """The rows, each with all means of those before it. bfloat16 only where the hardware multiplies it."""
    rows = [Variant("plain open_clip loop", workers)]
    for name, field in (
        ("+ pictures as bytes in memory, augmented as a batch", "in_memory"),
        ("+ texts trimmed to the longest of the batch", "trimmed"),
        ("+ each text through the locked tower once", "cached_text"),
        ("+ channels last", "channels_last"),
        *([("+ bfloat16", "bfloat16")] if devices.precision("cpu") == "bf16" else []),
        *([("+ torch.compile", "compiled")] if compiled else []),
    ):
        rows.append(replace(rows[-1], name=name, **{field: True}))
    return rows


class Files(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Pictures as PNG files with their tokens, as open_clip's CSV data set reads them."""

    def __init__(self, files: list[Path], tokens: torch.Tensor, transform: Any) -> None:
        self.files, self.tokens, self.transform = files, tokens, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        from PIL import Image

        with Image.open(self.files[index]) as image:
            return self.transform(image), self.tokens[index]


@dataclass(frozen=True)
class Task:
    """The pairs: pictures (n, s, s, 3), their PNG files, tokens (n, c) and pooled texts (n, w)."""

    shape: Shape
    pixels: torch.Tensor
    files: list[Path]
    tokens: torch.Tensor
    texts: torch.Tensor


def make_task(config: ClipConfig, train: np.ndarray, folder: Path) -> Task:
    """Write the training pictures as PNG files and read their names once."""
    from PIL import Image

    pixels = np.asarray(pictures(config.model.size)[train])
    spread = (0.5, 0.5, 0.5)
    shape = Shape(config.model.image_tower, config.model.size, config.model.dimension, spread, spread)
    files = [folder / f"{row}.png" for row in range(len(train))]
    for file, picture in zip(files, pixels, strict=True):
        Image.fromarray(picture).save(file)
    names = [records()[row].name for row in train]
    tokens = tokenizer()(names)
    texts = torch.from_numpy(MiniLM()(names))
    return Task(shape, torch.from_numpy(pixels.copy()), files, tokens, texts)


class Loop:
    """One way to train; `steps` runs some and returns their losses. seed: of weights, order and augmentation."""

    def __init__(self, variant: Variant, task: Task, config: ClipConfig, seed: int) -> None:
        self.variant, self.task, self.batch = variant, task, config.train.batch
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model: Any = build(task.shape, minilm_folder())
        begin_projection(model, task.texts.numpy())
        model.train()
        model.text.eval()  # locked: the dropout of a tower that learns would tell the rows that run it from the others
        self.model = model.to(memory_format=torch.channels_last) if variant.channels_last else model
        self.visual = torch.compile(model.visual) if variant.compiled else model.visual
        learned = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, lr=config.train.learning_rate / 4)
        self.random = generator(seed, "augment")
        order = generator(seed, "order")
        self.rows = itertools.chain.from_iterable(
            order.permutation(len(task.files))[: len(task.files) // self.batch * self.batch] for _ in itertools.count()
        )
        self.loss = ClipLoss()
        self.batches = self._memory() if variant.in_memory else self._files()

    def steps(self, count: int) -> list[float]:
        """Losses of the next `count` steps."""
        return [self._step(*batch) for batch in itertools.islice(self.batches, count)]

    def _step(self, inputs: torch.Tensor, tokens: torch.Tensor, texts: torch.Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.variant.bfloat16):
            image = self.visual(inputs)
            text = self.model.text.proj(texts) if self.variant.cached_text else self.model.text(tokens)
        image, text = functional.normalize(image.float(), dim=1), functional.normalize(text.float(), dim=1)
        loss = self.loss(image, text, self.model.logit_scale.exp())
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimizer.step()
        return float(loss.detach())

    def _memory(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        while True:
            rows = torch.from_numpy(np.fromiter(itertools.islice(self.rows, self.batch), dtype=np.int64))
            inputs = augmented(self.task.pixels[rows].permute(0, 3, 1, 2).float() / 255, LIKE_CROP, self.random)
            inputs = (inputs - 0.5) / 0.5
            memory = torch.channels_last if self.variant.channels_last else torch.contiguous_format
            tokens = self.task.tokens[rows]
            tokens = trimmed(tokens, self.model) if self.variant.trimmed else tokens
            yield inputs.contiguous(memory_format=memory), tokens, self.task.texts[rows]

    def _files(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        shape = self.task.shape
        crop = AugmentationCfg(scale=(CROP, 1.0))
        transform = image_transform(shape.size, is_train=True, mean=shape.mean, std=shape.std, aug_cfg=crop)
        files = Files(self.task.files, self.task.tokens, transform)
        # One sampler for all epochs: workers stay, as they do in a long epoch.
        loader: Any = DataLoader(files, self.batch, sampler=_Endless(self.rows), num_workers=self.variant.workers)
        for inputs, tokens in loader:
            yield inputs, tokens, tokens

    def close(self) -> None:
        """Let workers go."""
        self.batches.close()  # type: ignore[attr-defined]


class _Endless(torch.utils.data.Sampler[int]):
    def __init__(self, rows: Iterator[Any]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[int]:
        return (int(row) for row in self.rows)


def pairs_a_second(loops: dict[str, Loop], steps: int, rounds: int, batch: int) -> dict[str, np.ndarray]:
    """(rounds,) pairs a second of each loop, in turns, after two steps each to warm up."""
    for loop in loops.values():
        loop.steps(2)
    found: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds):
        for name in list(loops)[:: 1 if turn % 2 == 0 else -1]:
            start = time.perf_counter()
            loops[name].steps(steps)
            found[name].append(steps * batch / (time.perf_counter() - start))
    return {name: np.array(rates) for name, rates in found.items()}


def flops_a_pair(loop: Loop) -> float:
    """Floating-point operations of the image tower, forward and backward, for one picture (torch's own counter)."""
    inputs = torch.zeros(8, 3, loop.task.shape.size, loop.task.shape.size)
    return operations(lambda: loop.model.visual(inputs).sum().backward()) / len(inputs)


def measure_training(config: ClipConfig, run: Run) -> tuple[list[Headline], list[Metric], list[Table]]:
    """The ladder on the training part of fold 0, then the plain loop and ours over the same number of pairs."""
    settings = config.bench
    check_tower(config.model.image_tower)
    train = group_split(config.split.seed).train(0, neutral_only=True)
    with tempfile.TemporaryDirectory(prefix="trendlab-") as folder:
        task = make_task(config, train, Path(folder))
        workers = _best_workers(task, config, run)
        rows = ladder(workers, settings.compile)
        loops = {row.name: Loop(row, task, config, config.seed) for row in rows}
        run.say("training: the ladder")
        rates = pairs_a_second(loops, settings.steps, settings.rounds, config.train.batch)
        operations = flops_a_pair(loops[rows[0].name])
        for loop in loops.values():
            loop.close()
        curves = _equal_loss(task, config, rows, run)
    return _report(rows, rates, operations, curves, config)


def _best_workers(task: Task, config: ClipConfig, run: Run) -> int:
    """The number of loader workers with which the plain loop is fastest here: the peer at its best."""
    cores = worker_count(None)
    counts = sorted({0, cores, *(2**power for power in range(10) if 2**power < cores)})
    tried = {f"{workers}": Loop(Variant("", workers), task, config, config.seed) for workers in counts}
    run.say("training: workers of the plain loop")
    rates = pairs_a_second(tried, config.bench.steps, 3, config.train.batch)
    for loop in tried.values():
        loop.close()
    return int(max(rates, key=lambda name: float(np.median(rates[name]))))


def _equal_loss(task: Task, config: ClipConfig, rows: list[Variant], run: Run) -> dict[str, np.ndarray]:
    """(seeds,) mean loss of the last quarter of the steps, of the plain loop and of the last row."""
    found: dict[str, list[float]] = {rows[0].name: [], rows[-1].name: []}
    jobs = [(seed, row) for seed in range(config.bench.seeds) for row in (rows[0], rows[-1])]
    for seed, row in run.track("training to equal loss", jobs):
        loop = Loop(row, task, config, seed)
        losses = loop.steps(config.bench.loss_steps)
        loop.close()
        found[row.name].append(float(np.mean(losses[-max(1, len(losses) // 4) :])))
    return {name: np.array(values) for name, values in found.items()}


def _report(
    rows: list[Variant],
    rates: dict[str, np.ndarray],
    operations: float,
    curves: dict[str, np.ndarray],
    config: ClipConfig,
) -> tuple[list[Headline], list[Metric], list[Table]]:
    plain, ours = rows[0], rows[-1]
    low, gain, high = np.quantile(rates[ours.name] / rates[plain.name], [0.25, 0.5, 0.75])
    peaks = {False: gemm_peak(torch.float32), True: gemm_peak(torch.bfloat16)}
    used = {row.name: 100 * float(np.median(rates[row.name])) * operations / peaks[row.bfloat16] for row in rows}
    first = Headline(
        name="Training on the CPU",
        value=float(np.median(rates[ours.name])),
        unit="pairs/s",
        direction="higher",
        peer=plain.name,
        peer_value=float(np.median(rates[plain.name])),
        note=f"ratio {gain:.2f} (quartiles {low:.2f} to {high:.2f}); target 1.3",
    )
    share = Metric(name="share of the GEMM peak", value=used[ours.name], unit="%", direction="higher")
    about = (
        f"{config.model.image_tower} at {config.model.size} pixels, batch {config.train.batch}, locked MiniLM, "
        f"ClipLoss, {torch.get_num_threads()} thread(s), {config.bench.rounds} rounds in turns. The plain loop has "
        f"{plain.workers} loader worker(s), the fastest of 0 to {worker_count(None)}. {operations / 1e9:.2f} GFLOP a "
        f"pair in the image tower; GEMM peak here {peaks[False] / 1e9:,.0f} GFLOP/s in float32, "
        f"{peaks[True] / 1e9:,.0f} in bfloat16."
    )
    return [first], [share], [_ladder_table(rows, rates, used, about), _loss_table(curves, config)]


def _ladder_table(rows: list[Variant], rates: dict[str, np.ndarray], used: dict[str, float], caption: str) -> Table:
    shown: list[list[str | float | None]] = []
    for row in rows:
        low, middle, high = np.quantile(rates[row.name] / rates[rows[0].name], [0.25, 0.5, 0.75])
        rate = float(np.median(rates[row.name]))
        shown.append([row.name, rate, float(middle), f"{low:.2f} to {high:.2f}", used[row.name]])
    columns = [
        Column(name="loop"),
        Column(name="pairs a second", direction="higher", digits=0),
        Column(name="ratio to the plain loop", digits=2, direction="higher"),
        Column(name="quartiles of the ratio"),
        Column(name="of the GEMM peak (MFU)", unit="%", digits=1),
    ]
    return Table(title="Training, means added one by one", columns=columns, rows=shown, caption=caption)


def _loss_table(curves: dict[str, np.ndarray], config: ClipConfig) -> Table:
    rows: list[list[str | float | None]] = [
        [name, float(losses.mean()), ", ".join(f"{loss:.3f}" for loss in losses)] for name, losses in curves.items()
    ]
    return Table(
        title="At equal loss",
        columns=[Column(name="loop"), Column(name="loss", direction="lower", digits=3), Column(name="of each seed")],
        rows=rows,
        caption=f"Mean ClipLoss of the last quarter of {config.bench.loss_steps} steps from the same weights over the "
        f"same pairs in the same order, {config.bench.seeds} seeds. The plain loop crops, ours moves and scales.",
    )
