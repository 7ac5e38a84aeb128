"""The quantile network: no crossing, learns known quantiles, repeats itself, ignores what it must."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.renewables.forecast import network
from demos.renewables.forecast.models_config import NetworkConfig

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
SMALL = NetworkConfig(members=1, hidden=16, layers=2, dropout=0.0, epochs=30, batch=64, learning_rate=0.02)


def noisy(rows: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y = 2 x0 + (0.5 + x1) e, e uniform on -1 to 1; x2 is noise, sometimes unknown."""
    random = np.random.default_rng(0)
    x = random.random((rows, 3))
    y = 2 * x[:, 0] + (0.5 + x[:, 1]) * random.uniform(-1, 1, rows)
    x[::7, 2] = np.nan
    return x, y, np.ones(rows)


@pytest.fixture(scope="module")
def trained() -> network.Trained:
    return network.fit(*noisy(), LEVELS, SMALL, seed=1, device="cpu")


def test_it_learns_the_quantiles_of_a_known_distribution(trained: network.Trained) -> None:
    x, _, one = noisy(400)
    true = 2 * x[:, :1] + (0.5 + x[:, 1:2]) * (2 * np.array(LEVELS) - 1)
    error = trained.quantiles(x, one) - true
    assert np.abs(error).mean() < 0.12
    assert np.abs(error.mean(axis=0)).max() < 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 100), st.floats(0.001, 10))
def test_quantiles_never_cross_and_follow_the_scale(seed: int, spread: float, scale: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = network.QuantileNet(4, 99, NetworkConfig(hidden=8, layers=1)).eval()
        x = spread * torch.randn(16, 4)
    with torch.inference_mode():
        table, scaled = net(x, torch.ones(16)), net(x, torch.full((16,), scale))
    assert (table.diff(dim=1) >= 0).all()
    assert torch.allclose(scaled, scale * table, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_network_and_leaves_the_callers_state_alone() -> None:
    short = SMALL.model_copy(update={"epochs": 1})
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    x, y, one = noisy(200)
    first, again, other = (network.fit(x, y, one, LEVELS, short, seed=s, device="cpu") for s in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(first.quantiles(x, one), again.quantiles(x, one))
    assert not np.allclose(first.quantiles(x, one), other.quantiles(x, one))


def test_members_differ_and_are_averaged() -> None:
    x, y, one = noisy(200)
    three = network.fit(x, y, one, LEVELS, SMALL.model_copy(update={"epochs": 1, "members": 3}), seed=0, device="cpu")
    alone = [network.Trained([net], three.mean_F, three.spread_F).quantiles(x, one) for net in three.nets]
    assert not np.allclose(alone[0], alone[1])
    assert three.quantiles(x, one) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)


def test_unknown_values_are_the_mean_and_outliers_are_held(trained: network.Trained) -> None:
    x, _, one = noisy(8)
    unknown, mean, far, farther = x.copy(), x.copy(), x.copy(), x.copy()
    unknown[:, 0], mean[:, 0] = np.nan, trained.mean_F[0]
    far[:, 1], farther[:, 1] = 1e3, 1e6
    assert trained.quantiles(unknown, one) == pytest.approx(trained.quantiles(mean, one), abs=1e-5)
    assert trained.quantiles(far, one) == pytest.approx(trained.quantiles(farther, one))


def test_dropout_is_off_when_forecasting() -> None:
    x, y, one = noisy(200)
    config = SMALL.model_copy(update={"epochs": 1, "dropout": 0.5})
    model = network.fit(x, y, one, LEVELS, config, seed=0, device="cpu")
    assert np.array_equal(model.quantiles(x, one), model.quantiles(x, one))


def test_the_loss_is_the_pinball_loss() -> None:
    y, table = torch.tensor([1.0, 3.0]), torch.tensor([[0.0, 2.0], [4.0, 5.0]])
    loss = network.pinball(y, table, torch.tensor([0.1, 0.9]))
    assert float(loss) == pytest.approx((0.1 * 1 + 0.1 * 1 + 0.9 * 1 + 0.1 * 2) / 4)


def test_rows_fewer_than_a_batch_are_one_batch() -> None:
    x, y, one = noisy(20)
    small = network.fit(x, y, one, LEVELS, SMALL, seed=0, device="cpu")
    whole = network.fit(x, y, one, LEVELS, SMALL.model_copy(update={"batch": 20}), seed=0, device="cpu")
    assert np.array_equal(small.quantiles(x, one), whole.quantiles(x, one))


@pytest.mark.gpu
def test_cpu_and_gpu_agree() -> None:
    x, y, one = noisy(600)
    config = SMALL.model_copy(update={"epochs": 5})
    cpu, gpu = (network.fit(x, y, one, LEVELS, config, seed=0, device=where) for where in ("cpu", "cuda"))
    assert cpu.quantiles(x, one) == pytest.approx(gpu.quantiles(x, one), abs=0.02)
