"""The models of home in few bytes: matrices in 8 bits with a scale for each row, and no word vectors, which the large
model and the edge have as MiniLM was published with.

A trained run leaves them in its folder `weights`; those of `demos/coevolution/weights` are of such a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from demos.coevolution.config import ModelsSection
from demos.coevolution.data import texts
from demos.coevolution.models.device import by_chance
from demos.coevolution.models.encoder import EDGE_LAYERS, Encoder
from demos.coevolution.models.words import pieces, tokenizer
from demos.coevolution.training.fit import judged
from demos.coevolution.training.jobs import MATERIALS, Answers, Scores, answer, judging, scored, student_file
from shared.files import written_whole

if TYPE_CHECKING:
    from demos.coevolution.config import StudentName

FOLDER = Path(__file__).parent.parent / "weights"
KINDS = ("cloud", "edge", "device")
PUBLISHED = "body.embeddings."
SCALE = "scale of "
LARGEST = 127


@dataclass(frozen=True)
class Opening:
    """Open what is shipped and let it answer, as `Teaching` and `Learning` do with what they trained."""

    models: ModelsSection
    seed: int
    folder: Path


def packed(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a model, in 8 bits where they are matrices."""
    found: dict[str, Tensor] = {}
    for name, weight in model.state_dict().items():
        if name.startswith(PUBLISHED):
            continue
        if weight.ndim < 2 or weight.shape[-1] == 1:
            found[name] = weight.float().contiguous()
            continue
        rows = weight.reshape(len(weight), -1)
        scale = rows.abs().amax(1).clamp_min(1e-12) / LARGEST
        found[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(weight.shape).contiguous()
        found[SCALE + name] = scale
    return found


def unpack(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put them back into a model."""
    found = dict(model.state_dict())
    for name, weight in weights.items():
        if name.startswith(SCALE):
            continue
        scale = weights.get(SCALE + name)
        found[name] = weight if scale is None else weight.float() * scale.reshape(-1, *[1] * (weight.ndim - 1))
    model.load_state_dict(found)


def write(folder: Path, models: dict[str, nn.Module]) -> None:
    """Leave the models, by kind, in a folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for kind, model in models.items():
        with written_whole(folder / f"{kind}.safetensors") as temporary:
            save_file(packed(model), temporary)


def opened(kind: str, folder: Path = FOLDER) -> nn.Module:
    """A model that is shipped."""
    from safetensors.torch import load_file

    if kind == "device":
        model: nn.Module = by_chance(tokenizer().get_vocab_size(), 0)
    else:
        model = Encoder(None if kind == "cloud" else EDGE_LAYERS)
    unpack(model, load_file(folder / f"{kind}.safetensors"))
    return model.eval()


def open_shipped(job: Opening) -> tuple[Scores, dict[StudentName, Scores]]:
    """The large model and the small ones, tested; they are left where trained ones would be."""
    cloud = opened("cloud")
    assert isinstance(cloud, Encoder)
    scores = answer(cloud, job.models, job.seed, job.folder)
    places = torch.as_tensor(np.concatenate(judging(job.models)))
    rows = pieces([texts()[place].text for place in places.tolist()])
    students: dict[StudentName, Scores] = {}
    for student in ("edge", "device"):
        model = opened(student)
        answers = Answers(places, judged(model, rows))
        students[student] = scored(answers, job.models)
        for material in MATERIALS:
            file = student_file(job.folder, student, material, job.seed, False)
            torch.save(model.state_dict() | {"answers": vars(answers)}, file)
    return scores, students
