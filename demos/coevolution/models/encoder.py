"""MiniLM, or another encoder, with a layer that tells positive from negative: all its layers in the cloud, two of them
at the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModel

from demos.coevolution.models.words import MOST
from shared.errors import UserError
from shared.pretrained.minilm import minilm_folder
from shared.pretrained.quiet import quiet_and_offline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from demos.coevolution.models.words import Words

CLASSES = 2
DROPOUT = 0.1
KINDS = ("bert", "roberta", "xlm-roberta", "mpnet")  # of checkpoints: whose layers want states and a mask alone


class Encoder(nn.Module):
    """(n, l) word pieces and (n, l) where they are -> (n, 2) logits."""

    own: Tensor | None

    def __init__(
        self, layers: tuple[int, ...] | None = None, folder: Path | None = None, given: Words | None = None
    ) -> None:
        """layers: those that are kept, in order; None: all. folder: of a checkpoint of BERT's kind; None: MiniLM.
        given: the vocabulary of the numbers that it is given, where it is not its own.

        Raises UserError when the checkpoint cannot be opened, is of another kind, or lacks word pieces of `given`.
        """
        super().__init__()
        self.folder, self.given = folder, given
        try:
            with quiet_and_offline():
                place = str(folder or minilm_folder())
                # For texts as short as these the plain attention is a tenth faster on a CPU than the fused one, and
                # without dropout a third.
                self.body = AutoModel.from_pretrained(
                    place,
                    local_files_only=True,
                    use_safetensors=True,
                    attn_implementation="eager",
                    dtype=torch.float32,
                )
        # RuntimeError: weights of other sizes than its config says.
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{folder} cannot be opened as a checkpoint: {str(error).splitlines()[0]}") from None
        if getattr(self.body.config, "model_type", None) not in KINDS:
            raise UserError(
                f"{folder} is a {getattr(self.body.config, 'model_type', 'model')}; taken are: {', '.join(KINDS)}"
            )
        if layers is not None:
            self.body.encoder.layer = nn.ModuleList(self.body.encoder.layer[place] for place in layers)
            self.body.config.num_hidden_layers = len(layers)
        self.body.pooler = None
        near = getattr(self.body.encoder, "relative_attention_bias", None)
        self.nearness = None if near is None else Nearness(near)
        self.register_buffer("own", None if given is None else _translated(folder, given), persistent=False)
        self.head = nn.Linear(self.body.config.hidden_size, CLASSES)

    @property
    def pieces(self) -> int:
        """How many word pieces it may be given."""
        return int(self.body.config.vocab_size) if self.given is None else self.given.size

    def must_read(self, vocabulary: Words) -> None:
        """Raises UserError when it cannot be given all that this vocabulary cuts a text into."""
        pieces = 1 + max(vocabulary.tokenizer.get_vocab().values())
        if pieces > self.pieces:
            raise UserError(
                f"{self.folder}: its tokenizer knows {pieces:,} pieces, its model {self.pieces:,}; they do not belong "
                "together"
            )
        config = self.body.config
        # The others count places from behind the number that fills up.
        before = 0 if config.model_type == "bert" else config.pad_token_id + 1
        if config.max_position_embeddings - before < MOST:
            raise UserError(
                f"{self.folder} reads {config.max_position_embeddings - before} pieces of a text; {MOST} are needed"
            )

    def own_ids(self, ids_nl: Tensor) -> Tensor:
        """(n, l) numbers of word pieces as it was taught them."""
        return ids_nl if self.own is None else self.own[ids_nl]

    def embedded(self, ids_nl: Tensor) -> Tensor:
        """(n, l, w): the states of the pieces before its first layer."""
        return Tensor(self.body.embeddings(input_ids=self.own_ids(ids_nl)))

    def pooled(self, ids_nl: Tensor, mask_nl: Tensor) -> Tensor:
        """(n, w): the mean of what the last layer says of each piece."""
        return mean_of(layered(self.body.encoder.layer, self.embedded(ids_nl), mask_nl, self.nearness), mask_nl)

    def forward(self, ids_nl: Tensor, mask_nl: Tensor) -> Tensor:
        return self.head(self.pooled(ids_nl, mask_nl))


class Nearness(nn.Module):
    """Length l -> (1, heads, l, l): what MPNet adds to the attention of pieces that are so far apart, in each layer."""

    def __init__(self, weights: nn.Embedding) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, length: int) -> Tensor:
        from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

        places_l = torch.arange(length, device=self.weights.weight.device)
        apart_ll = MPNetEncoder.relative_position_bucket(
            places_l[None] - places_l[:, None], num_buckets=self.weights.num_embeddings
        )
        return Tensor(self.weights(apart_ll)).permute(2, 0, 1)[None]


def layered(
    layers: Iterable[nn.Module], states_nlw: Tensor, mask_nl: Tensor, nearness: Nearness | None = None
) -> Tensor:
    """(n, l, w) states of pieces after some of an encoder's layers, in which nothing heeds where there is no piece."""
    hidden_n11l = torch.zeros(mask_nl.shape, dtype=states_nlw.dtype, device=states_nlw.device)
    hidden_n11l = hidden_n11l.masked_fill(~mask_nl, torch.finfo(states_nlw.dtype).min)[:, None, None]
    added = hidden_n11l if nearness is None else hidden_n11l + nearness(states_nlw.shape[1])
    for layer in layers:
        found = layer(states_nlw, added)
        states_nlw = found[0] if isinstance(found, tuple) else found
    return states_nlw


def _translated(folder: Path | None, given: Words) -> Tensor:
    """(pieces of `given`,) the same pieces' numbers in the vocabulary of a checkpoint."""
    from demos.coevolution.models.words import TOKENIZER, Words, words

    own = words() if folder is None else Words(folder / TOKENIZER)
    signs = {given.opens: own.opens, given.closes: own.closes, given.unread: own.unread}
    found = [
        signs[number] if number in signs else own.tokenizer.token_to_id(given.tokenizer.id_to_token(number))
        for number in range(given.size)
    ]
    if None in found:
        raise UserError(f"{folder} knows no piece {given.tokenizer.id_to_token(found.index(None))!r}")
    return torch.tensor(found)


def mean_of(states_nlw: Tensor, mask_nl: Tensor) -> Tensor:
    """(n, w): over the pieces of each text."""
    mask_nl1 = mask_nl[..., None].to(states_nlw.dtype)
    return (states_nlw * mask_nl1).sum(1) / mask_nl1.sum(1)


def inherited(cloud: Encoder) -> Encoder:
    """An encoder of two of the cloud's layers: the first reads words, the last one's output is what the head was made
    for. It has the cloud's head and its word vectors, which stay as they are: who has both models has these once."""
    layers = (0, len(cloud.body.encoder.layer) - 1)
    edge = Encoder(layers, cloud.folder, cloud.given)
    edge.body.embeddings.load_state_dict(cloud.body.embeddings.state_dict())
    edge.body.embeddings.requires_grad_(False)
    if edge.nearness is not None and cloud.nearness is not None:
        edge.nearness.load_state_dict(cloud.nearness.state_dict())
    for layer, place in zip(edge.body.encoder.layer, layers, strict=True):
        layer.load_state_dict(cloud.body.encoder.layer[place].state_dict())
    edge.head.load_state_dict(cloud.head.state_dict())
    return edge


def without_dropout(encoder: Encoder) -> Encoder:
    """The same, changed in place: who hears a teacher on many texts learns as much in a third fewer steps."""
    for part in encoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return encoder


def fresh(layers: tuple[int, ...] | None, seed: int, folder: Path | None = None, given: Words | None = None) -> Encoder:
    """An encoder with the weights of MiniLM, or of a checkpoint, and a head by chance; as `Encoder` takes them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(layers, folder, given)
