"""Which model is meant by `model.name`, and its folder on this machine. Nothing heavy is imported before it is needed.

The repository ships what was trained (image tower, text projection, temperature: one safetensors file below 25 MB).
The text tower is the published MiniLM, checked by its hash; both are put together once in the user's cache, as a folder
that open_clip itself loads: `open_clip.create_model_and_transforms("local-dir:FOLDER")`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.clip_retrieval.data import work_folder
from demos.clip_retrieval.model.shape import TEXT_FILES, WEIGHTS, Shape, is_at_home, write_config
from shared.errors import UserError
from shared.files import folder_written_whole
from shared.pretrained.minilm import minilm_folder

if TYPE_CHECKING:
    import torch

SHIPPED = Path(__file__).parent.parent / "weights" / "tower.safetensors"
TRAINED = ("visual.", "text.proj.", "logit_")  # the tensors that training changes where the text tower is locked
TEXT_TOWER = "text.transformer."
LAYER = re.compile(r"text\.transformer\.encoder\.layer\.\d+")


def save_tower(model: torch.nn.Module, shape: Shape, facts: dict[str, str], file: Path, text_layers: int = 0) -> None:
    """Write what was trained, with the shape of the model and `facts` (data, seed, commit ...) in the file's header.

    Matrices and kernels are kept in half precision: half the size, and the same answers. What is judged is what is read
    back. text_layers: of the text tower, from its end, that were trained too.
    """
    from safetensors.torch import save_file

    last = sum(1 for name, _ in model.named_modules() if LAYER.fullmatch(name))
    trained = (*TRAINED, *(f"{TEXT_TOWER}encoder.layer.{last - 1 - back}." for back in range(text_layers)))
    tensors = {
        name: (tensor.half() if tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if name.startswith(trained)
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, metadata={"shape": json.dumps(asdict(shape)), **facts})
    file.chmod(0o644)  # the library makes it readable to its owner alone


def read_header(file: Path) -> dict[str, str]:
    """The header that `save_tower` wrote. Raises UserError when the file is none of ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as tensors:
            header: dict[str, str] = tensors.metadata() or {}
    except (SafetensorError, OSError):
        raise UserError(f"{file}: is not a safetensors file that can be read") from None
    if "shape" not in header:
        raise UserError(f"{file}: has no `shape` in its header; it was not written by this demo")
    return header


def shape_of(tower: Path) -> Shape:
    """The shape that a tower file was saved with. Raises as `read_header`."""
    settings: dict[str, Any] = json.loads(read_header(tower)["shape"])
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    return Shape(**known)


def digest(file: Path) -> str:
    """The first 16 digits of a file's sha256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def assembled(tower: Path = SHIPPED) -> Path:
    """The open_clip folder of a tower file, put together with MiniLM in the cache when it is not there yet.

    Raises UserError when the file is none of ours, or MiniLM can neither be found nor fetched.
    """
    if not tower.is_file():
        raise UserError(f"{tower} is not there; train it: trendlab run clip_retrieval --profile cpu model.name=train")
    target = work_folder() / "models" / digest(tower)
    if target.is_dir():
        if not is_at_home(target):  # the cache was moved
            write_config(shape_of(tower), target)
        return target
    with folder_written_whole(target) as temporary:
        _assemble(tower, temporary)
    write_config(shape_of(tower), target)
    return target


def _assemble(tower: Path, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    texts = minilm_folder()
    tensors = {name: tensor.float() if tensor.ndim > 1 else tensor for name, tensor in load_file(tower).items()}
    # The pooler is no part of a mean-pooled tower, and open_clip loads strictly.
    text = {name: tensor for name, tensor in load_file(texts / "model.safetensors").items() if "pooler." not in name}
    published = {TEXT_TOWER + name: tensor for name, tensor in text.items() if not name.endswith("position_ids")}
    tensors = published | tensors  # layers that were trained replace the published ones
    for name in TEXT_FILES:
        shutil.copyfile(texts / name, folder / name)
    save_file(tensors, folder / WEIGHTS)
    write_config(shape_of(tower), folder)
