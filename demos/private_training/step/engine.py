"""Book-keeping behind the conventions of Opacus: a PrivacyEngine whose private step costs little more than a plain one.

    engine = BookKeepingEngine()
    model, optimizer, criterion, loader = engine.make_private(
        module=model, optimizer=optimizer, criterion=nn.CrossEntropyLoss(), data_loader=loader,
        noise_multiplier=1.0, max_grad_norm=1.0,
    )
    for inputs, labels in loader:
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()
        optimizer.step()
    engine.get_epsilon(delta=1e-5)

It differs from Opacus's own in three ways: the sum of clipped gradients comes from one backward pass (`book`), noise
and sampling come from the operating system's generator (`bits`, `noise`) unless a seeded source is passed, and epsilon
is that of the accountant of record. `opacus.utils.batch_memory_manager.BatchMemoryManager` works on it.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from opacus import PrivacyEngine
from opacus.accountants.accountant import IAccountant
from opacus.grad_sample import AbstractGradSampleModule
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.utils.uniform_sampler import UniformWithReplacementSampler
from torch import Tensor, nn
from torch.utils.data import DataLoader

from demos.private_training.budget.accountant import Mechanism, checked_delta, epsilon_of_all, multiplier_for
from demos.private_training.step.bits import SystemBits, included
from demos.private_training.step.book import Book
from demos.private_training.step.noise import noisy
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from demos.private_training.step.bits import Bits


class BookKeepingEngine(PrivacyEngine):
    """Opacus's PrivacyEngine with our step, our noise and the accountant of record. bits: the system's when None."""

    def __init__(self, *, bits: Bits | None = None) -> None:
        with warnings.catch_warnings():
            # "Secure RNG turned off": Opacus's own, which is not used.
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(accountant="prv")
        self.accountant = PldAccountant()
        self.bits = bits or SystemBits()

    def make_private(self, **arguments: Any) -> Any:
        """As `opacus.PrivacyEngine.make_private` in the mode "ghost": model, optimizer, criterion and data loader.

        Always flat clipping and Poisson sampling. Raises UserError for a layer that cannot be trained privately, and
        for a bound or noise that is no number to reckon with.
        """
        unknown = {"clipping", "grad_sample_mode", "poisson_sampling", "noise_generator"} & arguments.keys()
        if unknown:
            raise TypeError(f"book-keeping clips flat and samples by Poisson; leave out {', '.join(sorted(unknown))}")
        bound, multiplier = arguments["max_grad_norm"], arguments["noise_multiplier"]
        if not 0 < bound < math.inf:
            raise UserError(f"max_grad_norm must be a number above 0, got {bound}")
        if not 0 <= multiplier < math.inf:
            raise UserError(f"noise_multiplier must be a number from 0, got {multiplier}")
        return super().make_private(grad_sample_mode="ghost", **arguments)

    def make_private_with_epsilon(
        self, *, data_loader: DataLoader, target_epsilon: float, target_delta: float, epochs: int, **arguments: Any
    ) -> Any:
        """As `make_private`, with the least noise that keeps `epochs` passes within the budget.

        Raises UserError for a delta that is not below 1 / units.
        """
        units: Any = data_loader.dataset
        rate, steps = 1 / len(data_loader), epochs * len(data_loader)
        noise = multiplier_for(target_epsilon, checked_delta(target_delta, len(units)), rate, steps)
        return self.make_private(data_loader=data_loader, noise_multiplier=noise, **arguments)

    def _prepare_model(self, module: nn.Module, *, loss_reduction: str = "mean", **_: Any) -> BookModule:
        return BookModule(module, loss_reduction=loss_reduction)

    def _prepare_optimizer(self, *, optimizer: torch.optim.Optimizer, **arguments: Any) -> LatticeOptimizer:
        wanted = ("noise_multiplier", "max_grad_norm", "expected_batch_size", "loss_reduction")
        return LatticeOptimizer(optimizer, bits=self.bits, **{name: arguments[name] for name in wanted})

    def _prepare_criterion(self, *, module: BookModule, optimizer: Any, criterion: nn.Module, **_: Any) -> BookLoss:
        return BookLoss(module, optimizer, criterion)

    def _prepare_data_loader(self, data_loader: DataLoader, **_: Any) -> DataLoader:
        dataset: Any = data_loader.dataset
        self.accountant.units = len(dataset)
        collate: Any = data_loader.collate_fn
        return DataLoader(
            dataset,
            batch_sampler=PoissonSampler(len(dataset), len(data_loader), self.bits),
            num_workers=data_loader.num_workers,
            pin_memory=data_loader.pin_memory,
            collate_fn=partial(_collated, collate, _without_rows(collate([dataset[0]]))),
        )


def _collated(collate: Callable[[list[Any]], Any], empty: Any, batch: list[Any]) -> Any:
    return collate(batch) if batch else empty


def _without_rows(batch: Any) -> Any:
    """A batch of one, as the user's own loader makes it, with no row in any of its tensors."""
    if isinstance(batch, Tensor):
        return batch[:0]
    if isinstance(batch, dict):
        return {name: _without_rows(part) for name, part in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [_without_rows(part) for part in batch]
    return batch


class PldAccountant(IAccountant):
    """dp_accounting's privacy loss distributions behind Opacus's interface."""

    def __init__(self) -> None:
        self.history: list[tuple[float, float, int]] = []
        self.units: int | None = None

    def step(self, *, noise_multiplier: float, sample_rate: float) -> None:
        """Count a step."""
        if self.history and self.history[-1][:2] == (noise_multiplier, sample_rate):
            self.history[-1] = (noise_multiplier, sample_rate, self.history[-1][2] + 1)
        else:
            self.history.append((noise_multiplier, sample_rate, 1))

    def get_epsilon(self, delta: float, *_: Any, **__: Any) -> float:
        """Upper bound of epsilon of all steps so far, at `delta`, which must be below 1 / units."""
        return epsilon_of_all([Mechanism(*entry) for entry in self.history], checked_delta(delta, self.units))

    def __len__(self) -> int:
        return sum(steps for *_, steps in self.history)

    @classmethod
    def mechanism(cls) -> str:
        """Its name."""
        return "pld"


class PoissonSampler(UniformWithReplacementSampler):
    """Opacus's Poisson sampler, with coins of `bits`: each unit is in each of `steps` batches, some of which may be
    empty, with probability 1 / steps."""

    def __init__(self, num_samples: int, steps: int, bits: Bits) -> None:
        # Left to itself it takes int(1 / rate), which for 1 / 93 is 92.
        super().__init__(num_samples=num_samples, sample_rate=1 / steps, steps=steps)
        self._bits = bits

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.steps):
            yield included(self._bits, self.num_samples, self.sample_rate).tolist()


class BookModule(AbstractGradSampleModule):
    """The user's model, whose layers keep a book of what they are fed."""

    def __init__(self, module: nn.Module, loss_reduction: str) -> None:
        super().__init__(module, loss_reduction=loss_reduction)
        self.book = Book(module)

    def remove_hooks(self) -> None:
        """Leave the model as it was."""
        self.book.close()


class BookLoss:
    """The user's criterion; what it returns is closed by `backward`."""

    def __init__(self, module: BookModule, optimizer: LatticeOptimizer, criterion: Any) -> None:
        self._module, self._optimizer, self._criterion = module, optimizer, criterion

    def __call__(self, *arguments: Any) -> OpenBook:
        before, self._criterion.reduction = self._criterion.reduction, "none"
        losses = self._criterion(*arguments)
        self._criterion.reduction = before
        return OpenBook(losses.flatten(1).mean(1) if losses.dim() > 1 else losses, self._module, self._optimizer)


class OpenBook:
    """Losses (B,) of a batch: `backward` writes the clipped sum into the gradients."""

    def __init__(self, losses: Tensor, module: BookModule, optimizer: LatticeOptimizer) -> None:
        self.losses, self._module, self._optimizer = losses, module, optimizer

    def item(self) -> float:
        """Their mean, for the log alone: it is not private."""
        return float(self.losses.detach().mean())

    def backward(self) -> None:
        """One backward pass. Raises ValueError for a second one before a step: it would take the first one's place."""
        if self._optimizer.waiting:
            raise ValueError("two backward passes before a step: for batches in pieces use BatchMemoryManager")
        self._optimizer.waiting = True
        self._module.book.clipped_sum(self.losses, self._optimizer.max_grad_norm)


class LatticeOptimizer(DPOptimizerFastGradientClipping):
    """Opacus's optimizer for sums that are clipped already, with noise of `bits` on a lattice."""

    def __init__(self, optimizer: torch.optim.Optimizer, *, bits: Bits, **arguments: Any) -> None:
        super().__init__(optimizer, **arguments)
        self._bits = bits
        self.waiting = False  # whether there are sums that no step has taken

    def accumulate(self) -> None:
        """Take over the sums, which `book` makes anew for each batch, without a copy."""
        self.waiting = False
        for parameter in self.params:
            if parameter.summed_grad is None:
                parameter.summed_grad = parameter.grad
            else:
                parameter.summed_grad.add_(parameter.grad)
            # Else the user's zero_grad would wipe out what a skipped step has gathered.
            parameter.grad = None

    def zero_grad(self, set_to_none: bool = False) -> None:
        """As Opacus's; sums that no step has taken are forgotten."""
        self.waiting = False
        super().zero_grad(set_to_none)

    def add_noise(self) -> None:
        """Add the noise of all parameters at once: they share one bound."""
        sums = [parameter.summed_grad for parameter in self.params]
        released = noisy(sums, self.max_grad_norm, self.noise_multiplier, self._bits)
        for parameter, part in zip(self.params, released, strict=True):
            parameter.grad = part.view_as(parameter)
            parameter.summed_grad = None
