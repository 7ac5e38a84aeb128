"""A training of hours that is stopped goes on where it was: the state of its last minutes, kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from demos.diffusion.data import work_folder
from shared.config import Section
from shared.files import written_whole
from shared.openmoji.splits import group_split

HOW = {"checkpoint", "compile"}  # settings that change nothing of what is trained
DEMO = Path(__file__).parents[1]
CODE = [*DEMO.glob("training/*.py"), *DEMO.glob("model/*.py")]  # that decides on what a state means
OLD = 30 * 24 * 3600  # seconds after which nobody is thought to come back for a state


def checkpoint_file(*settings: Section | str | int) -> Path:
    """Where the state of a training lies. All its `settings` are in its name, and torch, the division of the data and
    the code of `training` and `model`."""
    told = "".join(part.model_dump_json(exclude=HOW) if isinstance(part, Section) else f" {part} " for part in settings)
    name = hashlib.sha256((told + torch.__version__).encode())
    name.update(group_split().digest.encode())
    for file in sorted(CODE):
        name.update(file.read_bytes())
    folder = work_folder() / "checkpoints"
    folder.mkdir(exist_ok=True)
    _forget_old(folder)
    return folder / f"{name.hexdigest()[:16]}.pt"


def _forget_old(folder: Path) -> None:
    for place in folder.glob("*.pt"):
        with contextlib.suppress(FileNotFoundError):  # another run may be done with it meanwhile
            if time.time() - place.stat().st_mtime > OLD:
                place.unlink()


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
