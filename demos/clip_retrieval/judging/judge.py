"""Our model and its peers on the same galleries of the same folds, scored alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.judging.peers import LABELS, peer
from demos.clip_retrieval.judging.scores import FoldScores, score
from demos.clip_retrieval.model.encoder import Encoder, EncoderSpec
from demos.clip_retrieval.model.weights import SHIPPED, read_header
from shared.errors import UserError
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.openmoji.splits import GroupSplit, group_split
from shared.pretrained.minilm import MiniLM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.config import ClipConfig, Peer
    from demos.clip_retrieval.training.fit import History
    from shared.demo import Run

OURS = "our CLIP"


@dataclass(frozen=True)
class Judged:
    """One method over the folds. key: "ours" or the name of a peer; label: as tables call it; setting: what validation
    chose for a peer, per fold."""

    key: str
    label: str
    folds: list[FoldScores]
    setting: str = ""


@dataclass(frozen=True)
class Model:
    """The model that is judged on one fold. images: (n, d) vectors of all neutral pictures, at the records `rows`."""

    fold: int
    spec: EncoderSpec
    rows: NDArray[np.int64]
    images: NDArray[np.float32]
    history: History | None = None

    @property
    def encoder(self) -> Encoder:
        """The model, loaded."""
        return self.spec.load()

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, d) vectors of some neutral pictures by record."""
        return self.images[np.searchsorted(self.rows, rows)]


def models(config: ClipConfig, run: Run) -> list[Model]:
    """A model for each fold that is tested: trained now, or the one that the config names for all of them.

    Raises UserError when the shipped model, or a tower that was trained here, has seen pictures that these folds test.
    """
    split = group_split(config.split.seed)
    if config.model.name == "train":
        return [_train(config, split, fold, run) for fold in config.split.folds]
    spec = EncoderSpec(config.model.name, config.device)
    return [_embedded(fold, spec, run) for fold in _folds(config, split)]


def _folds(config: ClipConfig, split: GroupSplit) -> Sequence[int]:
    tower = tower_of(config.model.name)
    if tower is None:
        return config.split.folds
    name, header = "the shipped model" if tower == SHIPPED else str(tower), read_header(tower)
    if "fold" not in header:
        raise UserError(f"{name} was trained on a split without test folds ({header.get('split', 'unknown')})")
    fold = int(header["fold"])
    if header["split"] != split.digest or fold not in config.split.folds:
        raise UserError(
            f"{name} is tested on fold {fold} alone, of the split it was trained with; it has seen the others: use "
            f"split.folds=[{fold}] with that split.seed, or model.name=train"
        )
    return [fold]


def tower_of(name: str) -> Path | None:
    """The file that a `model.name` means, where it is a tower that this demo trained."""
    if name == "shipped":
        return SHIPPED
    file = Path(name.removeprefix("local-dir:")).expanduser()
    return file if name.startswith("local-dir:") and file.is_file() else None


def is_ours(name: str) -> bool:
    """Whether what a model was trained on is known: it is trained now, or a tower that says so."""
    return name == "train" or tower_of(name) is not None


def _train(config: ClipConfig, split: GroupSplit, fold: int, run: Run) -> Model:
    from demos.clip_retrieval.training.train_model import train_model

    run.say(f"fold {fold}: training on {len(split.train(fold)):,} pictures")
    trained = train_model(
        config,
        split.train(fold),
        run.folder / "weights" / f"fold-{fold}.safetensors",
        part=fold,
        facts={"fold": str(fold), "split": split.digest, "seed": str(config.seed), "data": "openmoji 17.0.0"},
        validation=split.gallery("validation"),
        track=run.track,
        spread=run.map,
    )
    return _embedded(fold, trained.spec(config.device), run, trained.history)


def _embedded(fold: int, spec: EncoderSpec, run: Run, history: History | None = None) -> Model:
    encoder = spec.load()
    rows = np.array([row for row, emoji in enumerate(records()) if emoji.skin_tone == 0])
    pixels = pictures(encoder.size)
    batches = [rows[at : at + 256] for at in range(0, len(rows), 256)]
    images = [encoder.images(np.asarray(pixels[batch])) for batch in run.track(f"embed, fold {fold}", batches)]
    return Model(fold, spec, rows, np.concatenate(images), history)


def judge(found: Sequence[Model], config: ClipConfig, run: Run) -> list[Judged]:
    """Ours first, then the peers of the config, each scored on the gallery of each model's fold."""
    split = group_split(config.split.seed)
    ours = Judged("ours", OURS, [_ours(model, split) for model in found])
    words = MiniLM()
    return [ours, *(_peer(name, found, split, words) for name in run.track("peers", config.evaluation.peers))]


def _ours(model: Model, split: GroupSplit) -> FoldScores:
    gallery = split.gallery(model.fold)
    # A larger gallery: the test pictures among one picture of every family, those of training too.
    every = split.representative
    return score(model.of(gallery), model.encoder.texts, gallery, every=(every, model.of(every)))


def _peer(name: Peer, found: Sequence[Model], split: GroupSplit, words: MiniLM) -> Judged:
    folds, settings = [], []
    for model in found:
        gallery = split.gallery(model.fold)
        asked = peer(name, split, model.fold, words)
        every = split.representative
        known = (every, asked.images(every))
        folds.append(score(asked.images(gallery), asked.texts, gallery, named=asked.named(gallery), every=known))
        settings.append(asked.setting.told(name))
    return Judged(name, LABELS[name], folds, "; ".join(dict.fromkeys(settings)))
