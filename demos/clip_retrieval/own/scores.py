"""Numbers on the user's own pictures: captions to pictures and back, pictures of the same caption, classes.

Every caption and picture may have several right answers. Scores are cosines rounded to 6 decimals, so that rounding
in a matrix product decides no tie; ties count against the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.clip_retrieval.judging.neighbours import Hubs, hubs
from demos.clip_retrieval.judging.retrieval import Ranked, ranks
from demos.clip_retrieval.judging.scores import KS, Estimate
from demos.clip_retrieval.judging.zeroshot import ZeroShot, balanced_accuracy
from demos.clip_retrieval.own.gallery import OwnPictures, classes_of
from shared.evaluation.intervals import bootstrap
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.model.encoder import Encoder
    from shared.result import Interval

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

MOST = 5000  # queries of one direction; of more, so many are drawn at random
CHUNK = 256  # queries at a time
DECIMALS = 6
HUB_SCORES = 20_000_000  # scores held at a time for the hubs
HUB_LEAST = 50  # pictures; with fewer the first 10 are most of them
FEW = 20  # queries; of fewer, the bootstrap says little, and the numbers stand in the table alone
ROUGH = 2000  # resamples behind intervals that are no means
MEDIAN = "median rank"


@dataclass(frozen=True)
class Direction:
    """Queries of one kind and how they were answered. asked: (q,) captions or pictures by number; unit: what is asked;
    among: what is searched."""

    name: str
    unit: str
    among: str
    asked: Ints
    ranked: Ranked


@dataclass(frozen=True)
class OwnScores:
    """All that was measured. image_to_image: None where no two pictures share a caption; hub: None where there are
    fewer than HUB_LEAST pictures; texts: (t, d) vectors of the captions."""

    text_to_image: Direction
    image_to_text: Direction
    image_to_image: Direction | None
    hub: Hubs | None
    hub_queries: int
    groups: ZeroShot | None
    texts: Floats

    @property
    def directions(self) -> list[Direction]:
        """Those that there are, text to image first."""
        return [self.text_to_image, self.image_to_text, *([self.image_to_image] if self.image_to_image else [])]

    @property
    def quotable(self) -> list[Direction]:
        """Those with enough queries for a headline and a curve; all where none has."""
        return [way for way in self.directions if len(way.asked) >= FEW] or self.directions


def score_own(
    own: OwnPictures, encoder: Encoder, seed: int, classes: str | None = None, prompt: str = "{}"
) -> OwnScores:
    """Ask everything. classes, prompt: the fact that is a picture's class and the text of one, for zero-shot.

    Raises UserError where the classes cannot be used.
    """
    words = ZeroShotWords(classes_of(own.items, classes), prompt) if classes else None
    texts = encoder.texts(list(own.captions))
    right = own.right.T.tocsr()
    captions = drawn(np.arange(len(texts)), seed, "captions")
    pictures = drawn(np.arange(len(own.items)), seed, "pictures")
    hub_asked = captions[: max(1, HUB_SCORES // len(own.items))]
    return OwnScores(
        Direction("Text to image", "captions", "pictures", captions, across(texts, own.vectors, right, captions)),
        Direction("Image to text", "pictures", "captions", pictures, across(own.vectors, texts, own.right, pictures)),
        _image_to_image(own, seed),
        hubs(texts[hub_asked] @ own.vectors.T) if len(own.items) >= HUB_LEAST else None,
        len(hub_asked),
        words.judge(own.vectors, encoder) if words else None,
        texts,
    )


def drawn(rows: Ints, seed: int, name: str) -> Ints:
    """The queries that are asked: all, or MOST of them at random, in order."""
    if len(rows) <= MOST:
        return rows
    return np.sort(generator(seed, "own queries", name).choice(rows, MOST, replace=False))


def across(queries: Floats, gallery: Floats, right: Any, asked: Ints) -> Ranked:
    """Rank a gallery for queries of another kind. queries: (q, d); gallery: (g, d); right: (q, g) sparse, not 0 where
    an answer is right; asked: rows of the queries."""
    parts = []
    for at in range(0, len(asked), CHUNK):
        rows = asked[at : at + CHUNK]
        parts.append(Ranked.of(_cosines(queries[rows], gallery), right[rows].toarray() > 0))
    return Ranked.pooled(parts)


def within(vectors: Floats, right: Any, asked: Ints) -> Ranked:
    """Rank all other pictures for pictures; a picture is never its own answer. vectors: (n, d); right: (n, t) sparse,
    pictures with a caption in common are right answers of each other; asked: rows that have a right answer."""
    found: list[Ints] = []
    positives: list[Ints] = []
    for at in range(0, len(asked), CHUNK):
        rows = asked[at : at + CHUNK]
        relevant = (right[rows] @ right.T).toarray() > 0
        scores = _cosines(vectors[rows], vectors)
        own = np.arange(len(rows)), rows
        # Below every cosine, so that it is ahead of nothing.
        relevant[own], scores[own] = False, -2
        found.append(ranks(scores, relevant))
        positives.append(relevant.sum(1))
    return Ranked(np.concatenate(found), np.concatenate(positives), len(vectors) - 1)


def _cosines(queries: Floats, gallery: Floats) -> Floats:
    return np.round(queries @ gallery.T, DECIMALS)


def _image_to_image(own: OwnPictures, seed: int) -> Direction | None:
    shared = np.asarray(own.right.sum(0)).ravel() > 1
    rows = drawn(np.flatnonzero(own.right @ shared.astype(np.int32)), seed, "same caption")
    if not len(rows):
        return None
    ranked = within(own.vectors, own.right, rows)
    return Direction("Image to image, same caption", "pictures", "other pictures", rows, ranked)


def estimates(ranked: Ranked, unit: str, resamples: int, seed: int) -> dict[str, Estimate]:
    """R@1, R@5 and R@10 below the size of the gallery, MRR and median rank, each with its interval over the queries and
    what a random order has. Shares are 0 to 1. unit: plural of what is asked; resamples: from 100."""
    found: dict[str, Estimate] = {}
    means = {f"R@{k}": (ranked.hits(k), ranked.chance_hits(k)) for k in KS if k < ranked.gallery}
    for name, (values, chance) in {**means, "MRR": (ranked.reciprocal(), ranked.chance_reciprocal())}.items():
        interval = bootstrap(values, resamples=resamples, seed=seed, unit=unit)
        found[name] = Estimate(float(values.mean()), interval, chance)
    median = bootstrap(ranked.ranks, np.median, resamples=min(resamples, ROUGH), seed=seed, unit=unit)
    found[MEDIAN] = Estimate(float(np.median(ranked.ranks)), median, ranked.chance_median())
    return found


@dataclass(frozen=True)
class ZeroShotWords:
    """classes: of each picture, None where it is not known; prompt: the text of a class, {} being its name."""

    classes: Sequence[str | None]
    prompt: str

    def judge(self, vectors: Floats, encoder: Encoder) -> ZeroShot:
        """Classify the pictures of known class by the nearest text. vectors: (n, d)."""
        names = tuple(sorted({name for name in self.classes if name}))
        at = {name: number for number, name in enumerate(names)}
        rows = [row for row, name in enumerate(self.classes) if name]
        texts = encoder.texts([self.prompt.format(name) for name in names])
        labels = np.array([at[str(self.classes[row])] for row in rows])
        return ZeroShot(names, _cosines(vectors[rows], texts), labels)


def accuracy_interval(groups: ZeroShot, resamples: int, seed: int) -> Interval:
    """Of the balanced accuracy, over pictures."""
    rows = np.column_stack([groups.labels, groups.predicted() == groups.labels]).astype(float)
    count = len(groups.classes)
    return bootstrap(
        rows,
        lambda some: balanced_accuracy(some, count),
        resamples=min(resamples, ROUGH),
        seed=seed,
        unit="pictures",
    )
