"""Who is judged on what: near-duplicates are left out, sentences of a document stay together, and what judges is set
aside first.

The tests and what calibrates are the same for all seeds. A seed draws who of the rest is labelled, and in which order
the others come.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import ARCHIVE, HOME, SCENES, SLUG, Scene, manifest, texts
from shared.data import derived_folder
from shared.files import written_whole
from shared.seed import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALIKE = 0.8  # cosine from which two texts are near-duplicates
CHUNK = 2000  # texts that are compared with all at once
TEST: dict[Scene, int] = {"film": 1500, "product": 700, "editorial": 700, "tweet": 700}  # texts with a label
CALIBRATION: dict[Scene, int] = {"film": 800, "product": 300, "editorial": 300, "tweet": 300}
PLACEHOLDERS = re.compile(r"@anonymous|http://url_removed|&\w+;")  # which the authors put in the place of names


@dataclass(frozen=True)
class Split:
    """Places in `texts()`. test, calibration, rest: by scene; test and calibration have labels, of the rest some."""

    test: dict[Scene, NDArray[np.int64]]
    calibration: dict[Scene, NDArray[np.int64]]
    rest: dict[Scene, NDArray[np.int64]]


@functools.cache
def frozen() -> Split:
    """The same for all seeds: documents, by lot, until there are enough texts with a label."""
    test: dict[Scene, NDArray[np.int64]] = {}
    calibration: dict[Scene, NDArray[np.int64]] = {}
    rest: dict[Scene, NDArray[np.int64]] = {}
    for scene in SCENES:
        places = np.array([place for place in kept() if texts()[place].scene == scene])
        places = by_document(places, generator(0, SLUG, "frozen", scene))
        test[scene], places = first_labelled(places, TEST[scene])
        calibration[scene], rest[scene] = first_labelled(places, CALIBRATION[scene])
    return Split(test, calibration, rest)


def labelled_at_home(seed: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`count` places at home that are labelled before the first round, and all others there, which are not."""
    return first_labelled(by_document(frozen().rest[HOME], generator(seed, SLUG, "labelled")), count)


def by_document(places: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """The same places, document after document, in an order by lot."""
    documents = np.array([texts()[place].document for place in places])
    _, which = np.unique(documents, return_inverse=True)
    return places[np.argsort(random.permutation(which.max() + 1)[which], kind="stable")]


def first_labelled(places: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of places document after document: `count` or a few more with a label, of whole documents, and the places behind
    these documents. Raises ValueError when there are not as many."""
    known = np.array([texts()[place].label is not None for place in places])
    if known.sum() < count:
        raise ValueError(f"{known.sum()} texts with a label, not {count}")
    border = int(np.searchsorted(known.cumsum(), count)) + 1
    while border < len(places) and texts()[places[border]].document == texts()[places[border - 1]].document:
        border += 1
    return places[:border][known[:border]], places[border:]


@functools.cache
def kept() -> NDArray[np.int64]:
    """Places of `texts()` that are no near-duplicates of one before them; found once on a machine."""
    _, archive = manifest().member(ARCHIVE)
    file = derived_folder(SLUG) / f"kept-{archive.sha256[:8]}-{ALIKE:g}.npy"
    if not file.is_file():
        with written_whole(file) as temporary, temporary.open("wb") as stream:
            np.save(stream, without_near_duplicates([text.text for text in texts()]))
    return np.asarray(np.load(file), dtype=np.int64)


def without_near_duplicates(given: Sequence[str]) -> list[int]:
    """Places of texts that are no near-duplicates of one that stays before them."""
    gone: set[int] = set()
    for one, other in sorted(near_duplicates(given)):
        if one not in gone:
            gone.add(other)
    return [place for place in range(len(given)) if place not in gone]


def near_duplicates(given: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of places, the smaller first, of texts that are alike but for case, signs, placeholders and a word or so:
    the cosine of the TF-IDF weights of their words and pairs of words is ALIKE or more."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    plain = [normal(text) for text in given]
    if not any(plain):
        return []
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    weights = words.fit_transform(plain).tocsr()
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(plain), CHUNK):
        near = (weights[start : start + CHUNK] @ weights.T).tocoo()
        alike = (near.data >= ALIKE) & (near.row + start < near.col)
        pairs += zip((near.row[alike] + start).tolist(), near.col[alike].tolist(), strict=True)
    return pairs


def normal(text: str) -> str:
    """Lower case, words alone.

    >>> normal("@anonymous STUPID rain!!  &amp; hell http://url_removed")
    'stupid rain hell'
    """
    return " ".join(re.findall(r"[^\W_]+", PLACEHOLDERS.sub(" ", text).lower()))
