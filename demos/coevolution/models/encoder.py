"""MiniLM with a layer that tells positive from negative: all six layers in the cloud, two of them at the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import AutoModel

from shared.errors import UserError
from shared.pretrained.minilm import minilm_folder
from shared.pretrained.quiet import quiet_and_offline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CLASSES = 2
DROPOUT = 0.1
KINDS = ("bert", "roberta", "xlm-roberta")  # of checkpoints: whose layers want states and a mask alone


class Encoder(nn.Module):
    """(n, l) word pieces and (n, l) where they are -> (n, 2) logits."""

    def __init__(self, layers: tuple[int, ...] | None = None, folder: Path | None = None) -> None:
        """layers: those that are kept, in order; None: all. folder: of a checkpoint of BERT's kind; None: MiniLM.

        Raises UserError when the checkpoint cannot be opened or is of another kind.
        """
        super().__init__()
        self.folder = folder
        try:
            with quiet_and_offline():
                place = str(folder or minilm_folder())
                self.body = AutoModel.from_pretrained(place, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise UserError(f"{folder} cannot be opened as a checkpoint: {str(error).splitlines()[0]}") from None
        if getattr(self.body.config, "model_type", None) not in KINDS:
            raise UserError(
                f"{folder} is a {getattr(self.body.config, 'model_type', 'model')}; taken are: {', '.join(KINDS)}"
            )
        if layers is not None:
            self.body.encoder.layer = nn.ModuleList(self.body.encoder.layer[place] for place in layers)
            self.body.config.num_hidden_layers = len(layers)
        self.body.pooler = None
        self.head = nn.Linear(self.body.config.hidden_size, CLASSES)

    def pooled(self, ids_nl: Tensor, mask_nl: Tensor) -> Tensor:
        """(n, 384): the mean of what the last layer says of each piece."""
        return mean_of(layered(self.body.encoder.layer, self.body.embeddings(input_ids=ids_nl), mask_nl), mask_nl)

    def forward(self, ids_nl: Tensor, mask_nl: Tensor) -> Tensor:
        return self.head(self.pooled(ids_nl, mask_nl))


def layered(layers: Iterable[nn.Module], states_nlw: Tensor, mask_nl: Tensor) -> Tensor:
    """(n, l, w) states of pieces after some of an encoder's layers, in which nothing heeds where there is no piece."""
    hidden_n11l = torch.zeros(mask_nl.shape, dtype=states_nlw.dtype, device=states_nlw.device)
    hidden_n11l = hidden_n11l.masked_fill(~mask_nl, torch.finfo(states_nlw.dtype).min)[:, None, None]
    for layer in layers:
        states_nlw = layer(states_nlw, hidden_n11l)
    return states_nlw


def mean_of(states_nlw: Tensor, mask_nl: Tensor) -> Tensor:
    """(n, w): over the pieces of each text."""
    mask_nl1 = mask_nl[..., None].to(states_nlw.dtype)
    return (states_nlw * mask_nl1).sum(1) / mask_nl1.sum(1)


def inherited(cloud: Encoder) -> Encoder:
    """An encoder of two of the cloud's layers: the first reads words, the last one's output is what the head was made
    for. It has the cloud's head and its word vectors, which stay as they are: who has both models has these once."""
    layers = (0, len(cloud.body.encoder.layer) - 1)
    edge = Encoder(layers, cloud.folder)
    edge.body.embeddings.load_state_dict(cloud.body.embeddings.state_dict())
    edge.body.embeddings.requires_grad_(False)
    for layer, place in zip(edge.body.encoder.layer, layers, strict=True):
        layer.load_state_dict(cloud.body.encoder.layer[place].state_dict())
    edge.head.load_state_dict(cloud.head.state_dict())
    return edge


def fresh(layers: tuple[int, ...] | None, seed: int, folder: Path | None = None) -> Encoder:
    """An encoder with the weights of MiniLM, or of a checkpoint, and a head by chance."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(layers, folder)
