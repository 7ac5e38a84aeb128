"""From a config to a trained model: pictures, captions, split, training, the file that is shipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from demos.clip_retrieval.emoji.descriptors import normalised as normalised_rows
from demos.clip_retrieval.model.build import begin_projection, build, normalised, unlock_text_layers
from demos.clip_retrieval.model.encoder import EncoderSpec
from demos.clip_retrieval.model.shape import Shape
from demos.clip_retrieval.model.weights import assembled, save_tower
from demos.clip_retrieval.training.distil import Told, composites, distilled, lessons
from demos.clip_retrieval.training.draws import Drawings
from demos.clip_retrieval.training.fit import History, Pairs, fit, plain
from demos.clip_retrieval.training.teacher import out_of_fold
from demos.clip_retrieval.training.text_bank import TextBank, text_bank
from shared.errors import UserError
from shared.names import did_you_mean
from shared.openmoji.families import families
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.pretrained.minilm import CONTEXT, MiniLM, minilm_folder
from shared.pretrained.quiet import quiet_and_offline
from shared.seed import generator

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig

Map = Callable[[str, Callable[[Any], Any], Iterable[Any]], list[Any]]
Track = Callable[[str, Iterable[int]], Iterable[int]]
KINDS = ("name", "tags", "subgroup")
BOTH = ("name", "tags")
CHUNK = 64  # records whose variants are drawn in one task
SEEN = 64  # pictures or texts looked at at a time


@dataclass(frozen=True)
class Trained:
    """One trained model: its tower file, and how training went."""

    tower: Path
    history: History

    def spec(self, device: str = "auto") -> EncoderSpec:
        """The encoder of the model, put together with MiniLM in the cache."""
        return EncoderSpec(f"local-dir:{assembled(self.tower)}", device)


def check_tower(name: str) -> None:
    """Raises UserError where timm has no such architecture."""
    import timm

    if not timm.is_model(name):
        raise UserError(f"model.image_tower={name}: timm has none of this name{did_you_mean(name, timm.list_models())}")


def in_turn(_: str, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """A `Map` in this process."""
    return [function(item) for item in items]


def train_model(
    config: ClipConfig,
    train: NDArray[np.int64],
    file: Path,
    *,
    part: str | int,
    facts: dict[str, str] | None = None,
    validation: NDArray[np.int64] | None = None,
    track: Track = plain,
    spread: Map = in_turn,
) -> Trained:
    """Train on the records `train` and write the tower to `file`.

    part: names the part in the random numbers, so that folds differ; validation: records whose mean reciprocal rank is
    followed, and changes nothing; spread: `run.map`, to draw variants in all workers. Raises UserError where timm has
    no such tower.
    """
    check_tower(config.model.image_tower)
    seed = int(generator(config.seed, "train", part).integers(2**31))
    pixels = pictures(config.model.size)
    shape = _shape(config, pixels[train])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = build(shape, minilm_folder())
    bank = text_bank(records(), KINDS, MiniLM())
    begin_projection(model, np.concatenate([bank.of(kind)[train] for kind in BOTH]))
    model.text.proj.requires_grad_(config.train.projection)
    unlock_text_layers(model, config.train.text_layers)
    tokens = tokenizer()(bank.texts) if config.train.text_layers else None
    pairs = Pairs(records(), pixels, train, bank, _drawings(config, model, bank, train, seed, spread), tokens)
    watch = None if validation is None else _reciprocal_rank(shape, pixels, bank, validation, tokens)
    history = fit(model, shape, pairs, config, seed=seed, watch=watch, track=track)
    if config.distil.epochs and pairs.drawings is not None:
        model, shape = _second(model, shape, pairs, config, seed, history, watch, track, spread)
    save_tower(model, shape, {**(facts or {}), "losses": json.dumps(history.losses)}, file, config.train.text_layers)
    return Trained(file, history)


def _second(
    model: Any,
    shape: Shape,
    pairs: Pairs,
    config: ClipConfig,
    seed: int,
    history: History,
    watch: Callable[[Any], float] | None,
    track: Track,
    spread: Map,
) -> tuple[Any, Shape]:
    """The second stage (`distil`), whose losses follow those of the first in `history`."""
    drawings, bank = pairs.drawings, pairs.bank
    assert drawings is not None
    if pairs.tokens is not None:
        bank = replace(bank, pooled=_pooled(model, pairs.tokens))  # the text tower has learned since
    toned = np.setdiff1d(pairs.train, drawings.rows)
    learned = lessons(
        model,
        shape,
        drawings,
        _texts(model, bank, drawings.rows, BOTH),
        composites(drawings.rows, config, seed, spread),
        Told(np.asarray(pairs.pictures[toned]), _texts(model, bank, toned, ["name"])),
        config.distil,
    )
    model, shape, then = distilled(model, shape, learned, config, seed=seed, watch=watch, track=track)
    history.losses += then.losses
    history.watched += [(config.train.epochs + epoch, number) for epoch, number in then.watched]
    return model, shape


def _drawings(
    config: ClipConfig, model: Any, bank: TextBank, train: NDArray[np.int64], seed: int, spread: Map
) -> Drawings | None:
    """The neutral pictures that are trained on, their variants, and what the teacher says of them."""
    from demos.clip_retrieval.emoji.variants import drawings_of

    taught = config.teacher.weight > 0 or config.distil.epochs > 0
    if not taught and not (config.vector.count and config.vector.share):
        return None
    rows = np.array([row for row in train.tolist() if records()[row].skin_tone == 0])
    chunks = [tuple(rows[at : at + CHUNK].tolist()) for at in range(0, len(rows), CHUNK)]
    draw = partial(drawings_of, size=config.model.size, settings=config.vector, seed=seed, described=taught)
    found = spread("drawings", draw, chunks)
    pixels = np.concatenate([drawn for drawn, _ in found])
    if not taught:
        return Drawings(rows, pixels)
    features = np.concatenate([described for _, described in found])
    if not config.teacher.weight:
        return Drawings(rows, pixels, None, features)
    said = out_of_fold(features, _texts(model, bank, rows, BOTH), families()[rows], config.teacher)
    return Drawings(rows, pixels, said, features)


@torch.inference_mode()
def _texts(model: Any, bank: TextBank, rows: NDArray[np.int64], kinds: Sequence[str]) -> NDArray[np.float32]:
    """(n, d) normalised sum of some captions of some records in the joint space."""
    device = next(model.parameters()).device
    each = [torch.from_numpy(normalised_rows(bank.of(kind)[rows])).to(device) for kind in kinds]
    found = sum(torch.nn.functional.normalize(model.text.proj(texts), dim=1).cpu().numpy() for texts in each)
    return normalised_rows(np.asarray(found))


@torch.inference_mode()
def _pooled(model: Any, tokens: torch.Tensor) -> NDArray[np.float32]:
    """(n, w) what the text tower, as it is now, makes of tokens (n, c) before its projection; length 1."""
    device, found = next(model.parameters()).device, []
    model.eval()
    for part in tokens.to(device).split(SEEN):
        mask = (part != 0).long()
        states = model.text.transformer(input_ids=part, attention_mask=mask)
        found.append(torch.nn.functional.normalize(model.text.pooler(states, mask).float(), dim=1).cpu().numpy())
    return np.concatenate(found)


def tokenizer() -> Callable[[list[str]], torch.Tensor]:
    """n texts -> (n, CONTEXT) tokens, as open_clip's own tokenizer gives them."""
    from open_clip.tokenizer import HFTokenizer

    with quiet_and_offline():
        made: Callable[[list[str]], torch.Tensor] = HFTokenizer(str(minilm_folder()), context_length=CONTEXT)
    return made


def _shape(config: ClipConfig, pixels: NDArray[np.uint8]) -> Shape:
    """Normalisation by the mean and spread of the training pictures themselves: three channels, as published sets."""
    sample = pixels[:: max(1, len(pixels) // 1000)].astype(np.float32) / 255
    mean, std = sample.mean((0, 1, 2)).tolist(), sample.std((0, 1, 2)).tolist()
    settings = config.model
    siglip = config.loss.kind.endswith("siglip")
    return Shape(settings.image_tower, settings.size, settings.dimension, (*mean,), (*std,), siglip)


def _reciprocal_rank(
    shape: Shape, pixels: NDArray[np.uint8], bank: TextBank, judged: NDArray[np.int64], tokens: torch.Tensor | None
) -> Callable[[Any], float]:
    """Follows the mean reciprocal rank of names among the pictures `judged`."""

    @torch.inference_mode()
    def watch(trained: Any) -> float:
        device = next(trained.parameters()).device
        inputs = normalised(pixels[judged], shape.mean, shape.std, device)
        image = torch.cat([trained.encode_image(part, normalize=True).float() for part in inputs.split(SEEN)])
        rows = bank.rows["name"][judged]
        pooled = bank.pooled[rows] if tokens is None else _pooled(trained, tokens[torch.from_numpy(rows)])
        text = torch.nn.functional.normalize(trained.text.proj(torch.from_numpy(pooled).to(device)), dim=1)
        scores = text @ image.T
        ranks = (scores >= scores.diagonal()[:, None]).sum(1)
        return float((1 / ranks).mean())

    return watch
