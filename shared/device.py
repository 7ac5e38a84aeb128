"""The only place that looks at hardware. torch is imported only when it is asked for or already installed."""

from __future__ import annotations

import importlib.util
from typing import Any

from shared.errors import UserError


def resolve(device: str = "auto") -> str:
    """The device to compute on: "cpu", "cuda" or "mps".

    device: "auto" takes the best one present. Raises UserError, with the way out, when the one named is not there.
    """
    if device == "cpu":
        return "cpu"
    torch = _torch()
    if device == "auto":
        return next((name for name in ("cuda", "mps") if torch and _available(torch, name)), "cpu")
    if device not in ("cuda", "mps"):
        raise UserError(f"unknown device {device!r}; allowed: auto, cpu, cuda, mps")
    if torch is None:
        raise UserError(f"device={device} needs torch, which is not installed; use device=cpu or install torch")
    if not _available(torch, device):
        raise UserError(f"device={device} is not available to torch {torch.__version__} here; use device=cpu or auto")
    return device


def precision(device: str) -> str:
    """How accelerate should compute on "cpu", "cuda" or "mps": "bf16" where the hardware multiplies it natively, else
    "no"."""
    torch = _torch()
    if torch is None:
        return "no"
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    known = [getattr(torch.cpu, f"_is_{name}_supported", lambda: False) for name in ("amx_tile", "avx512_bf16")]
    return "bf16" if device == "cpu" and any(is_there() for is_there in known) else "no"


def autocast(device: str) -> Any:
    """A context in which torch computes on "cpu", "cuda" or "mps" as `precision` says."""
    torch = _torch()
    return torch.autocast(device, torch.bfloat16, enabled=precision(device) == "bf16")


def accelerator(device: str, mixed_precision: str = "no") -> Any:
    """accelerate's Accelerator on "cpu", "cuda" or "mps", whatever a training before it in this process asked for.

    accelerate keeps device and precision of its first one for the whole process: another precision is an error then,
    and none named is silently that of the first. mixed_precision: "no", or of `precision`.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision)


def devices() -> list[str]:
    """The devices present, in words, for `trendlab doctor`."""
    torch = _torch()
    found = ["cpu"]
    if torch and _available(torch, "cuda"):
        found += [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    if torch and _available(torch, "mps"):
        found.append("mps")
    return found


def _torch() -> Any:
    if importlib.util.find_spec("torch") is None:
        return None
    return importlib.import_module("torch")


def _available(torch: Any, name: str) -> bool:
    return bool(torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available())
