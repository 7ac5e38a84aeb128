"""A quantile network: one small torch model gives all quantiles at once, and they cannot cross.

The middle quantile is free; every further one adds a positive step. Outputs are multiplied by a scale that the caller
knows (for PV the clear-sky irradiance, so that dawn and noon are one problem). Trained on the pinball loss of all
levels, through accelerate, so that one CPU, one GPU or several run the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from demos.renewables.forecast.models_config import NetworkConfig
from shared import device as devices
from shared.seed import generator

CLIP = 5.0  # standard deviations; a weather value never seen in training must not carry the output away
FIRST_STEP = -3.0  # softplus(-3) x STEP is about 0.5 % of the scale: the first spread before training
STEP = 0.1
GAIN_RATE = 6.0  # the gains of the inputs learn faster than the weights (after RealMLP, Holzmueller et al. 2024)


class QuantileNet(nn.Module):
    """Features (n, f) and scale (n,) to quantiles (n, q), increasing in q. Each feature has a gain that is learned."""

    def __init__(self, features: int, levels: int, config: NetworkConfig) -> None:
        super().__init__()
        self.gain_F = nn.Parameter(torch.ones(features))
        widths = [features, *[config.hidden] * config.layers]
        parts: list[nn.Module] = []
        for before, after in pairwise(widths):
            parts += [nn.Linear(before, after), nn.SiLU(), nn.Dropout(config.dropout)]
        self.body = nn.Sequential(*parts[:-1], nn.Linear(config.hidden, levels))
        self.middle = levels // 2

    def forward(self, x_NF: Tensor, scale_N: Tensor) -> Tensor:
        """(n, q) quantiles in the unit of the scale."""
        raw_NQ = self.body(x_NF * self.gain_F)
        middle_N1 = raw_NQ[:, self.middle : self.middle + 1]
        steps_NQ = STEP * nn.functional.softplus(raw_NQ + FIRST_STEP)
        up = middle_N1 + steps_NQ[:, self.middle + 1 :].cumsum(1)
        down = middle_N1 - steps_NQ[:, : self.middle].flip(1).cumsum(1).flip(1)
        return torch.cat([down, middle_N1, up], dim=1) * scale_N[:, None]


def pinball(y_N: Tensor, quantiles_NQ: Tensor, levels_Q: Tensor) -> Tensor:
    """Mean pinball loss over all rows and levels."""
    error = y_N[:, None] - quantiles_NQ
    return torch.maximum(levels_Q * error, (levels_Q - 1) * error).mean()


class Rows(TensorDataset):
    """Tensors of equal length, from which a loader takes a whole batch at once: row by row costs more than the net."""

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        """The rows at `indices` of each tensor."""
        return tuple(tensor[indices] for tensor in self.tensors)


@dataclass(frozen=True)
class Trained:
    """Networks that differ in their seed alone, and how their inputs are standardised."""

    nets: list[QuantileNet]
    mean_F: NDArray[np.float32]
    spread_F: NDArray[np.float32]

    def quantiles(self, features: NDArray[np.floating], scale: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, q): the networks' quantiles averaged level by level (Vincentization); averages of sorted stay sorted."""
        x_NF = torch.from_numpy(_standard(features, self.mean_F, self.spread_F))
        scale_N = torch.from_numpy(scale.astype(np.float32))
        with torch.inference_mode():
            each = [net(x_NF, scale_N).double().numpy() for net in self.nets]
        return np.asarray(np.mean(each, axis=0))


def fit(
    features: NDArray[np.floating],
    target: NDArray[np.floating],
    scale: NDArray[np.floating],
    levels: Sequence[float],
    config: NetworkConfig,
    *,
    seed: int,
    device: str = "auto",
) -> Trained:
    """Train `config.members` networks.

    features: (n, f), NaN where unknown; target and scale: (n,), one unit; levels: q increasing, in (0, 1).
    device: as in the config of a run. A batch is never more than all rows.
    """
    mean_F = np.nanmean(features, axis=0).astype(np.float32)
    spread_F = (np.nanstd(features, axis=0) + 1e-6).astype(np.float32)
    x_NF = _standard(features, mean_F, spread_F)
    rows = Rows(*(torch.from_numpy(np.asarray(part, dtype=np.float32)) for part in (x_NF, target, scale)))
    level_Q = torch.tensor(levels, dtype=torch.float32)
    seeds = generator(seed, "quantile network").integers(0, 2**31, config.members)
    nets = [_train(rows, level_Q, config, int(one), device) for one in seeds]
    return Trained(nets, mean_F, spread_F)


def _train(rows: Rows, levels_Q: Tensor, config: NetworkConfig, seed: int, device: str) -> QuantileNet:
    """One network; the random state of the caller is left as it was."""
    accelerator = devices.accelerator(devices.resolve(device))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = QuantileNet(rows.tensors[0].shape[1], len(levels_Q), config)
        order = RandomSampler(rows, generator=torch.Generator().manual_seed(seed))
        batches = DataLoader(rows, min(config.batch, len(rows)), sampler=order, drop_last=True, collate_fn=tuple)
        slow = [weight for name, weight in net.named_parameters() if name != "gain_F"]
        groups = [{"params": slow, "weight_decay": config.weight_decay}, {"params": [net.gain_F], "weight_decay": 0.0}]
        rates = [config.learning_rate, GAIN_RATE * config.learning_rate]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        net, optimizer, batches = accelerator.prepare(net, optimizer, batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=config.epochs * len(batches) + 1)
        levels_Q = levels_Q.to(accelerator.device)
        net.train()
        for _ in range(config.epochs):
            for x_NF, y_N, scale_N in batches:
                optimizer.zero_grad()
                accelerator.backward(pinball(y_N, net(x_NF, scale_N), levels_Q))
                optimizer.step()
                schedule.step()
        trained: QuantileNet = accelerator.unwrap_model(net).eval().cpu()
    return trained


def _standard(
    features: NDArray[np.floating], mean_F: NDArray[np.float32], spread_F: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Standardised, clipped, with the mean where the value is unknown."""
    scaled = (np.asarray(features, dtype=np.float32) - mean_F) / spread_F
    return np.nan_to_num(scaled.clip(-CLIP, CLIP), nan=0.0)
