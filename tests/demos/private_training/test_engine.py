"""Our engine behind Opacus's conventions, beside Opacus."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from demos.private_training.budget.accountant import Mechanism, epsilon_of
from demos.private_training.step.bits import SeededBits, SystemBits
from demos.private_training.step.engine import BookKeepingEngine, PoissonSampler
from demos.private_training.step.noise import SLACK
from shared.errors import UserError


def network(*more: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), *more, nn.Linear(8, 3))


def loader(units: int, batch: int) -> DataLoader:
    torch.manual_seed(1)
    return DataLoader(TensorDataset(torch.randn(units, 5), torch.randint(0, 3, (units,))), batch_size=batch)


def private(model: nn.Module, data: DataLoader, multiplier: float = 1.0, **options: Any) -> tuple[Any, ...]:
    engine = BookKeepingEngine(bits=SeededBits(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    made = engine.make_private(
        module=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        data_loader=data,
        noise_multiplier=multiplier,
        max_grad_norm=0.7,
        **options,
    )
    return engine, *made


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_empty_batches_are_noisy_steps_and_all_are_counted() -> None:
    model = network()
    engine, wrapped, optimizer, criterion, batches = private(model, loader(40, 1))
    sizes = []
    for inputs, labels in batches:
        before = weights(model)
        optimizer.zero_grad()
        loss = criterion(wrapped(inputs), labels)
        loss.backward()
        optimizer.step()
        sizes.append(len(inputs))
        assert (weights(model) != before).any()
    assert 0 in sizes
    assert len(sizes) == len(engine.accountant) == 40
    assert engine.get_epsilon(1e-5) == epsilon_of(Mechanism(1.0, 1 / 40, 40), 1e-5)


def test_noise_is_of_the_size_that_is_accounted_and_of_the_system_unless_told() -> None:
    # Inputs of zero, no bias: all that a step moves is noise.
    model = nn.Linear(200, 50, bias=False)
    data = DataLoader(TensorDataset(torch.zeros(10, 200), torch.zeros(10).long()), batch_size=5)
    _, wrapped, optimizer, criterion, _ = private(model, data, multiplier=3.0)
    before = weights(model)
    criterion(wrapped(torch.zeros(5, 200)), torch.zeros(5).long()).backward()
    optimizer.step()
    moved = (weights(model) - before) / 0.5  # the rate
    assert float(moved.std()) == pytest.approx(3.0 * 0.7 * (1 + SLACK) / 5, rel=0.02)
    assert abs(float(moved.mean())) < 5 * float(moved.std()) / 100
    assert isinstance(BookKeepingEngine().bits, SystemBits)


@pytest.mark.parametrize("steps", [1, 3, 93, 123])
def test_there_are_as_many_batches_as_the_rate_says(steps: int) -> None:
    sampler = PoissonSampler(5000, steps, SeededBits(0))
    assert len(sampler) == len(list(sampler)) == steps
    assert sum(map(len, sampler)) == pytest.approx(5000, rel=0.1)


def test_an_empty_batch_is_as_the_users_loader_makes_them() -> None:
    data = [{"words": np.zeros(3, dtype=np.float32), "price": 1.5} for _ in range(8)]
    _, _, _, _, batches = private(nn.Linear(3, 1), DataLoader(data, batch_size=1))
    empty = [batch for batch in batches if not len(batch["price"])]
    assert empty
    assert empty[0]["words"].shape == (0, 3)
    assert empty[0]["words"].dtype == torch.float32
    assert empty[0]["price"].dtype == torch.float64


def test_a_second_backward_pass_before_a_step_is_refused() -> None:
    _, wrapped, _, criterion, _ = private(network(), loader(10, 5))
    inputs, labels = torch.randn(5, 5), torch.zeros(5).long()
    criterion(wrapped(inputs), labels).backward()
    with pytest.raises(ValueError, match="two backward passes before a step"):
        criterion(wrapped(inputs), labels).backward()


@pytest.mark.parametrize(("option", "value"), [("max_grad_norm", 0.0), ("max_grad_norm", float("nan"))])
def test_a_bound_that_bounds_nothing_is_refused(option: str, value: float) -> None:
    model = network()
    options: dict[str, Any] = {"noise_multiplier": 1.0, "max_grad_norm": 1.0} | {option: value}
    with pytest.raises(UserError, match=f"{option} must be a number"):
        BookKeepingEngine().make_private(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            criterion=nn.CrossEntropyLoss(),
            data_loader=loader(10, 5),
            **options,
        )


def test_without_noise_a_step_is_that_of_opacus() -> None:
    inputs, labels = (torch.stack(part) for part in zip(*loader(30, 1).dataset, strict=True))
    ours, theirs = network(), network()
    _, wrapped, optimizer, criterion, _ = private(ours, loader(30, 10), multiplier=0.0)
    optimizer.zero_grad()
    criterion(wrapped(inputs[:7]), labels[:7]).backward()
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its generator is not secure, and hooks on a layer whose input needs none
        module, optimizer, _ = PrivacyEngine().make_private(
            module=theirs,
            optimizer=torch.optim.SGD(theirs.parameters(), lr=0.5),
            data_loader=loader(30, 10),
            noise_multiplier=0.0,
            max_grad_norm=0.7,
        )
        nn.CrossEntropyLoss()(module(inputs[:7]), labels[:7]).backward()
        optimizer.step()
    # Opacus adds 1e-6 to each norm before it divides by it.
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-6)


def test_a_batch_in_pieces_gives_the_same_weights() -> None:
    found = []
    for most in (1000, 4):
        model = network()
        engine, wrapped, optimizer, criterion, batches = private(model, loader(60, 20))
        with BatchMemoryManager(data_loader=batches, max_physical_batch_size=most, optimizer=optimizer) as pieces:
            for inputs, labels in pieces:
                assert len(inputs) <= most
                optimizer.zero_grad()
                criterion(wrapped(inputs), labels).backward()
                optimizer.step()
        found.append(weights(model))
        assert len(engine.accountant) == 3
    # Sums of pieces round otherwise, which moves a few numbers by one step of the lattice.
    torch.testing.assert_close(*found, rtol=0, atol=1e-4)


def test_a_budget_is_kept_and_used() -> None:
    model, data = network(), loader(60, 20)
    engine = BookKeepingEngine(bits=SeededBits(0))
    options: dict[str, Any] = {
        "module": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "criterion": nn.CrossEntropyLoss(),
        "data_loader": data,
        "target_epsilon": 2.0,
        "epochs": 4,
        "max_grad_norm": 1.0,
    }
    with pytest.raises(UserError, match="not below 1/N"):
        engine.make_private_with_epsilon(target_delta=0.02, **options)
    wrapped, optimizer, criterion, batches = engine.make_private_with_epsilon(target_delta=1e-4, **options)
    for _ in range(4):
        for inputs, labels in batches:
            optimizer.zero_grad()
            criterion(wrapped(inputs), labels).backward()
            optimizer.step()
    assert 1.99 < engine.get_epsilon(1e-4) <= 2.0
    with pytest.raises(UserError, match="not below 1/N"):
        engine.get_epsilon(0.02)


def test_the_model_comes_back_without_hooks() -> None:
    model = network()
    _, wrapped, *_ = private(model, loader(10, 5))
    assert wrapped.to_standard_module() is model
    model(torch.randn(2, 5))
    model(torch.randn(2, 5))
    assert not hasattr(model[0].weight, "grad_sample")


def test_what_cannot_be_private_is_refused() -> None:
    with pytest.raises(UserError, match="2 is a BatchNorm1d"):
        private(network(nn.BatchNorm1d(8)), loader(10, 5))
    with pytest.raises(TypeError, match="leave out clipping"):
        private(network(), loader(10, 5), clipping="per_layer")
