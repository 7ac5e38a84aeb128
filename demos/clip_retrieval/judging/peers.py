"""What the trained model has to beat: peers without a training loop, each at its best setting on the validation part.

Every peer puts pictures into the space of MiniLM's texts, so that it is scored exactly as our model is; how far that
space is whitened, as ours is before training, validation chooses for each.
- pixels: the names of the nearest training pictures, by 16 x 16 mean colours.
- hog, efficientnet, both: kernel ridge regression from features (`peer_features`) to MiniLM's vector of the texts.
  EfficientNet-Lite0 has seen 1.3 million labelled photographs of ImageNet; the others, and our image tower, none.
- oracle: no picture is looked at; MiniLM is told the published words for it. A reference, not a bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

from demos.clip_retrieval.emoji.descriptors import normalised, squared_distances
from demos.clip_retrieval.judging.compositional import validation_of
from demos.clip_retrieval.judging.peer_features import Features, features
from demos.clip_retrieval.judging.retrieval import Ranked, relevance
from demos.clip_retrieval.model.whitening import whitening
from shared.openmoji.families import identities
from shared.openmoji.records import captions, icon_of, records
from shared.openmoji.splits import compositional_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.openmoji.splits import GroupSplit

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Words = Callable[[list[str]], Floats]

PeerName = Literal["pixels", "hog", "efficientnet", "both", "oracle"]
LABELS: dict[PeerName, str] = {
    "pixels": "raw pixels, names of the nearest",
    "hog": "HOG + colour, kernel ridge",
    "efficientnet": "ImageNet EfficientNet-Lite0, kernel ridge",
    "both": "HOG + colour + EfficientNet-Lite0, kernel ridge",
    "oracle": "true words through MiniLM (reference)",
}
NEIGHBOURS = (1, 3, 5, 10)
GAMMAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of the kernel exp(-gamma d² / median d²)
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
TARGETS = ("name", "name tags", "name tags subgroup")  # whose vectors are summed
POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the whitening of the texts; 0 leaves them as MiniLM gives them
SAMPLE = 300  # pictures whose distances set the scale of a kernel


@dataclass(frozen=True)
class Setting:
    """What the validation part chose. neighbours: of pixels; gamma, ridge, target: of kernel ridge regression;
    whitening: of the texts, its power."""

    neighbours: int = 1
    gamma: float = 2.0
    ridge: float = 0.1
    target: str = "name tags"
    whitening: float = 0.0

    def told(self, name: PeerName) -> str:
        """The settings that this peer has, in words."""
        space = f"whitening {self.whitening:g}"
        if name == "pixels":
            return f"neighbours {self.neighbours}, {space}"
        return f"gamma {self.gamma:g}, ridge {self.ridge:g}, texts of {self.target.replace(' ', ' + ')}, {space}"


@dataclass(frozen=True)
class Peer:
    """A peer ready to be asked. images: (n,) records -> (n, 384) normalised vectors; texts: n texts -> (n, 384).

    named: as images, for image-to-image and zero-shot; it differs for the oracle alone.
    """

    name: PeerName
    setting: Setting
    images: Callable[[Rows], Floats]
    texts: Words
    named: Callable[[Rows], Floats]

    @property
    def label(self) -> str:
        """How a table calls it."""
        return LABELS[self.name]


def peer(name: PeerName, split: GroupSplit, fold: int, words: Words) -> Peer:
    """A peer that trained on what our model trains on when `fold` is the test, at the setting validation chose.

    words: MiniLM, n texts -> (n, 384) normalised (`minilm.MiniLM`). Neutral pictures train, since neutral ones are
    judged.
    """
    train = split.train(fold, neutral_only=True)
    setting = choose(name, train, split.gallery("validation"), words)
    return fit(name, setting, train, words)


def compositional_peer(name: PeerName, words: Words) -> Peer:
    """A peer for `splits.compositional_split`, trained on all its training pictures, skin tones too; its setting is
    chosen on other combinations (`compositional.validation_of`). words: as for `peer`."""
    split = compositional_split()
    validation, train = validation_of(split, identities()[:, 1])
    return fit(name, choose(name, train, validation, words), split.train, words)


def fit(name: PeerName, setting: Setting, train: Rows, words: Words) -> Peer:
    """A peer at one setting, trained on the records `train`."""
    words = _space(train, setting.whitening, words)
    if name == "oracle":
        return Peer(name, setting, lambda rows: _told(rows, words), words, lambda rows: words(_names(rows)))
    if name == "pixels":
        return _fit_pixels(setting, train, words)
    kernel = _Kernel(name, train)
    target = _targets(train, setting.target, words)
    mean = target.mean(0)
    weights = kernel.solve(setting.gamma, setting.ridge, target - mean)

    def images(rows: Rows) -> Floats:
        return normalised(kernel.between(rows, setting.gamma) @ weights)

    return Peer(name, setting, images, lambda texts: normalised(words(texts) - mean), images)


def choose(name: PeerName, train: Rows, validation: Rows, words: Words) -> Setting:
    """The setting with the highest mean reciprocal rank of names among the validation pictures; the first of equals."""
    if name == "oracle" or name == "pixels":
        counts = NEIGHBOURS if name == "pixels" else (1,)
        tried = [Setting(neighbours=count, whitening=power) for count, power in product(counts, POWERS)]
        fitted = {setting: fit(name, setting, train, words) for setting in tried}
        scored = {
            s: _reciprocal(p.images(validation), p.texts(_names(validation)), validation) for s, p in fitted.items()
        }
    else:
        scored = _ridge_scores(name, train, validation, words)
    return max(scored, key=lambda setting: scored[setting])


def _ridge_scores(name: Features, train: Rows, validation: Rows, words: Words) -> dict[Setting, float]:
    """Mean reciprocal rank of each setting of kernel ridge regression on the validation pictures."""
    kernel, scored = _Kernel(name, train), {}
    spaces = {power: _space(train, power, words) for power in POWERS}
    targets = {(power, target): _targets(train, target, spaces[power]) for power, target in product(POWERS, TARGETS)}
    asked = {power: space(_names(validation)) for power, space in spaces.items()}
    for gamma, ridge in product(GAMMAS, RIDGES):
        # (v, n) weights of the training targets in each validation picture: one solution serves all targets.
        shares = kernel.solve(gamma, ridge, kernel.between(validation, gamma).T).T
        for (power, target), vectors in targets.items():
            mean = vectors.mean(0)
            images, texts = normalised(shares @ (vectors - mean)), normalised(asked[power] - mean)
            setting = Setting(gamma=gamma, ridge=ridge, target=target, whitening=power)
            scored[setting] = _reciprocal(images, texts, validation)
    return scored


class _Kernel:
    """A Gaussian kernel on the features of training records; its scale is the median distance of some of them."""

    def __init__(self, kind: Features, train: Rows) -> None:
        self._kind, self._trained = kind, features(kind, train)
        some = self._trained[:: max(1, len(train) // SAMPLE)]
        self._scale = float(np.median(squared_distances(some, some)))
        self._distances = squared_distances(self._trained, self._trained)

    def between(self, rows: Rows, gamma: float) -> Floats:
        """(len(rows), n) kernel to the training pictures."""
        distances = squared_distances(features(self._kind, rows), self._trained)
        return np.asarray(np.exp(-gamma * distances / self._scale))

    def solve(self, gamma: float, ridge: float, right: NDArray[np.floating]) -> Floats:
        """(n, d) solution x of (K + ridge I) x = right."""
        from scipy.linalg import cho_factor, cho_solve

        kernel = np.exp(-gamma * self._distances / self._scale)
        kernel[np.diag_indices_from(kernel)] += ridge
        factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
        return np.asarray(cho_solve(factor, right.astype(np.float32), check_finite=False))


def _fit_pixels(setting: Setting, train: Rows, words: Words) -> Peer:
    trained, named = features("pixels", train), words(_names(train))
    mean = named.mean(0)

    def images(rows: Rows) -> Floats:
        distances = squared_distances(features("pixels", rows), trained)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : setting.neighbours]
        return normalised(named[nearest].mean(1) - mean)

    return Peer("pixels", setting, images, lambda texts: normalised(words(texts) - mean), images)


def _space(train: Rows, power: float, words: Words) -> Words:
    """MiniLM, its texts whitened as far as `power` says by the captions of the training records."""
    if not power:
        return words
    known = [captions(records()[row], [kind])[0] for row in train for kind in ("name", "tags")]
    matrix = whitening(words(known), power)
    return lambda texts: normalised(words(texts) @ matrix.T)


def _reciprocal(images: Floats, texts: Floats, rows: Rows) -> float:
    labels = identities()[rows]
    return float(Ranked.of(texts @ images.T, relevance(labels, labels)).reciprocal().mean())


def _names(rows: Rows) -> list[str]:
    return [records()[row].name for row in rows]


def _targets(rows: Rows, target: str, words: Words) -> Floats:
    """(n, 384) normalised sum of the vectors of some captions of each record."""
    kinds = target.split()
    columns = [words([captions(records()[row], [kind])[0] for row in rows]) for kind in kinds]
    return normalised(np.sum(columns, axis=0))


def _told(rows: Rows, words: Words) -> Floats:
    """(n, 384) vectors of the tags of each record without the words of its name, or of its subgroup where none is
    left: with the name itself in them the answer would be given away."""
    return words(
        [_other_words(records()[row].name, records()[row].tags) or icon_of(records()[row].subgroup) for row in rows]
    )


def _other_words(name: str, tags: Sequence[str]) -> str:
    known = set(re.findall(r"\w+", name.lower()))
    return ", ".join(tag for tag in tags if not set(re.findall(r"\w+", tag.lower())) <= known)
