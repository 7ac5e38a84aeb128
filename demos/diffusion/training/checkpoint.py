"""A training of hours that is stopped goes on where it was: the state of its last minutes, kept in the cache."""

from __future__ import annotations

import hashlib
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from demos.diffusion.data import work_folder
from shared.files import written_whole

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig


def checkpoint_file(config: DiffusionConfig, seed: int) -> Path:
    """Where the state of this training lies: settings of network and schedule, seed and torch are in its name."""
    told = f"{config.model.model_dump_json()}{config.train.model_dump_json()}{seed}{torch.__version__}"
    folder = work_folder() / "checkpoints"
    folder.mkdir(exist_ok=True)
    return folder / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.pt"


class Checkpoint:
    """The state of a training: `parts` have state_dict and load_state_dict. minutes: between two writings."""

    def __init__(self, file: Path | None, minutes: float, **parts: Any) -> None:
        self._file, self._seconds, self._parts = file, 60 * minutes, parts
        self._began = self._last = time.monotonic()

    def restore(self) -> tuple[int, list[float]]:
        """The step to go on with and the losses so far; 0 and none where nothing can be read."""
        if self._file is None or not self._file.is_file():
            return 0, []
        try:
            kept = torch.load(self._file, weights_only=True, map_location="cpu")
            step, losses = int(kept["step"]), list(kept["losses"])
        except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError):
            return 0, []
        for name, part in self._parts.items():
            part.load_state_dict(kept[name])
        return step, losses

    def keep(self, step: int, losses: list[float], last: bool = False) -> None:
        """Write the state before step `step`, if the last writing, or before the `last` step the beginning, is long
        enough ago."""
        if self._file is None or time.monotonic() - (self._began if last else self._last) < self._seconds:
            return
        state = {name: part.state_dict() for name, part in self._parts.items()}
        with written_whole(self._file) as temporary:
            torch.save({**state, "step": step, "losses": losses}, temporary)
        self._last = time.monotonic()
