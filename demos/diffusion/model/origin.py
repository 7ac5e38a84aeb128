"""What a pipeline's folder says of its weights: on which division of the data they were trained, and how the student
beside them draws."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from demos.diffusion.data import FOLD
from demos.diffusion.model.build import STUDENT
from shared.errors import UserError
from shared.files import written_whole
from shared.openmoji.splits import group_split
from shared.result import DataUse

TRAINING = "training.json"
LEARNED = "learned.json"  # in the student's folder


def keep_training(folder: Path, seed: int, losses: list[float]) -> None:
    """Say in a pipeline's folder what it was trained on, with the run's seed and the losses of the training."""
    told = {"split": group_split().digest, "fold": FOLD, "seed": seed, "losses": [round(loss, 5) for loss in losses]}
    _write(folder / TRAINING, told)


def doubt_of_split(folder: Path) -> str | None:
    """What a report must say of a model that is opened, as far as the names on which it is judged are concerned.

    Raises UserError when it was trained on another division of the data.
    """
    if (told := _read(folder / TRAINING)) is None:
        return f"{folder.name} does not say what it was trained on: the names it is judged on may have been among it."
    if (told.get("split"), told.get("fold")) != (group_split().digest, FOLD):
        raise UserError(f"{folder}: was trained on another division of OpenMoji; what is judged here may be among it")
    return None


def weights_digest(*folders: Path) -> str:
    """SHA-256 of the names, shapes and numbers of the weights in folders, as hexadecimal digits; not of the files,
    whose notes safetensors and peft write in another order each time."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.safetensors")):
        for name, tensor in sorted(load_file(file).items()):
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def weights_use(folder: Path, version: str, adapter: str = "") -> DataUse:
    """What a report says of a teacher's weights in a folder, or of an adapter's beside them. version: as `model.name`
    has it; adapter: whose, in a word."""
    kind, _, place = version.partition(":")
    return DataUse(
        name=f"the {adapter}'s adapter" if adapter else "the teacher",
        version=kind,
        sha256=weights_digest(folder / STUDENT if adapter else folder / "unet"),
        licence="not told" if place else "Apache-2.0",
    )


def keep_learned(folder: Path, draws: int, guidance: float) -> None:
    """Say beside a student's adapter in how many steps it draws, and which guidance of its teacher it learned."""
    _write(folder / STUDENT / LEARNED, {"draws": draws, "guidance": guidance})


def draws_of(folder: Path) -> int:
    """In how many steps the student in a teacher's folder draws. Raises UserError where that is not told."""
    draws = (_read(folder / STUDENT / LEARNED) or {}).get("draws")
    if not isinstance(draws, int) or draws < 1:
        raise UserError(
            f"{folder / STUDENT / LEARNED}: does not say in how many steps the student draws; train it anew"
        )
    return draws


def _write(file: Path, told: dict[str, Any]) -> None:
    with written_whole(file) as temporary:
        temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
