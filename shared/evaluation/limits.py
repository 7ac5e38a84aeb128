"""What a computation could reach at best on this machine, to say what share of it is reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def gemm_peak(dtype: torch.dtype, side: int = 2048, repeats: int = 5, device: str = "cpu") -> float:
    """Floating-point operations a second of a square matrix product, the best of some: what this machine can do."""
    import torch

    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    settle = torch.cuda.synchronize if device == "cuda" else _nothing

    def product() -> None:
        _ = left @ right
        settle()

    return 2 * side**3 / min(seconds_of(product) for _ in range(repeats + 1))


def operations(work: Callable[[], Any]) -> float:
    """Floating-point operations of what a function computes with torch, by torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def seconds_of(work: Callable[[], Any]) -> float:
    """Wall time of a call [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _nothing() -> None:
    pass
