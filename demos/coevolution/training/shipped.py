"""The models of home in few bytes: matrices in 8 bits with a scale for each row; of the large model's word vectors, how
those that were trained differ from MiniLM's as published; the edge has the large model's.

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
from demos.coevolution.models.encoder import Encoder, inherited
from demos.coevolution.models.words import pieces, words
from demos.coevolution.training.fit import judged
from demos.coevolution.training.jobs import MATERIALS, Answers, Scores, answer, judges, leave, scored, student_file
from shared.errors import UserError
from shared.files import written_whole

if TYPE_CHECKING:
    from demos.coevolution.config import StudentName

FOLDER = Path(__file__).parent.parent / "weights"
EMBEDDINGS = "body.embeddings."
SCALE, ROWS = "scale of ", "rows of "
LEAST_CHANGE = 1e-4  # of a word vector, whose numbers are around .05: decay alone changes them by less
LARGEST = 127


@dataclass(frozen=True)
class Opening:
    """Open what is shipped and let it answer, as `Teaching` and `Learning` do with what they trained."""

    models: ModelsSection
    seed: int
    folder: Path


def packed(model: nn.Module, start: nn.Module) -> dict[str, Tensor]:
    """The weights of a model, in 8 bits where they are matrices. start: what it is put into when it is opened; of its
    word vectors only the rows are kept that differ from those there."""
    found: dict[str, Tensor] = {}
    there = start.state_dict()
    for name, weight in model.state_dict().items():
        if weight.ndim < 2 or weight.shape[-1] == 1:
            found[name] = weight.float().contiguous()
        elif name.startswith(EMBEDDINGS):
            change = weight - there[name]
            rows = (change.abs().amax(1) > LEAST_CHANGE).nonzero()[:, 0]
            found[ROWS + name] = rows.to(torch.int32)
            found[name], found[SCALE + name] = _in_8_bits(change[rows])
        else:
            found[name], found[SCALE + name] = _in_8_bits(weight)
    return found


def _in_8_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    rows = weight.flatten(1)
    scale = rows.abs().amax(1).clamp_min(1e-12) / LARGEST
    return (rows / scale[:, None]).round().to(torch.int8).reshape(weight.shape).contiguous(), scale


def unpack(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put them into a model."""
    found = dict(model.state_dict())
    for name, weight in weights.items():
        if name.startswith((SCALE, ROWS)):
            continue
        scale = weights.get(SCALE + name)
        whole = weight if scale is None else weight.float() * scale.reshape(-1, *[1] * (weight.ndim - 1))
        if ROWS + name in weights:
            whole = found[name].index_add(0, weights[ROWS + name], whole)
        found[name] = whole
    model.load_state_dict(found)


def write(folder: Path, models: dict[str, nn.Module]) -> None:
    """Leave the large model, the edge's and the device's in a folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for kind, start in (("cloud", Encoder()), ("edge", models["cloud"]), ("device", models["device"])):
        with written_whole(folder / f"{kind}.safetensors") as temporary:
            save_file(packed(models[kind], start), temporary)


def opened(folder: Path = FOLDER) -> dict[str, nn.Module]:
    """The models that are shipped, by kind. Raises UserError when one is missing or cut off."""
    cloud = Encoder()
    unpack(cloud, _weights(folder, "cloud"))
    models: dict[str, nn.Module] = {
        "cloud": cloud,
        "edge": inherited(cloud),
        "device": by_chance(words().size, 0),
    }
    for kind in ("edge", "device"):
        unpack(models[kind], _weights(folder, kind))
    return {kind: model.eval() for kind, model in models.items()}


def _weights(folder: Path, kind: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / f"{kind}.safetensors"
    try:
        return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None


def open_shipped(job: Opening) -> tuple[Scores, dict[StudentName, Scores]]:
    """The large model and the small ones, tested; they are left where trained ones would be."""
    models = opened()
    cloud = models["cloud"]
    assert isinstance(cloud, Encoder)
    scores = answer(cloud, job.models, job.seed, job.folder)
    places = torch.as_tensor(np.concatenate(judges(job.models)))
    rows = pieces([texts()[place].text for place in places.tolist()])
    students: dict[StudentName, Scores] = {}
    for student in ("edge", "device"):
        model = models[student]
        answers = Answers(places, judged(model, rows))
        students[student] = scored(answers, job.models)
        for material in MATERIALS:
            file = student_file(job.folder, student, material, job.seed, False)
            leave(model, answers, job.models, file)
    return scores, students
