"""The user's captioned pictures as a gallery with known answers: their vectors, captions, and what is right for what.

Vectors come from the index that `trendlab search --corpus` keeps, so what was embedded once is not embedded again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.clip_retrieval.corpus.corpora import embed_corpus, folder_of
from demos.clip_retrieval.corpus.intake import read_corpus
from demos.clip_retrieval.index.snapshot import KEY, VECTOR
from demos.clip_retrieval.index.store import Store
from demos.clip_retrieval.model.encoder import EncoderSpec
from shared.corpus.items import Item, Problem
from shared.corpus.pictures import Unreadable, open_picture
from shared.errors import UserError
from shared.names import did_you_mean
from shared.progress import Progress
from shared.run import RunFolder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.demo import Run

    Floats = NDArray[np.float32]

LISTS = ("caption", "captions", "text", "texts")  # facts that may hold a list of captions, as JSON
LEAST = 10  # captioned pictures; R@10 of fewer says nothing
ALIKE = 1 - 1e-4  # cosine above which two pictures are looked at again, whether they are one and the same
SIDE = 256  # pixels, at which they are compared


@dataclass(frozen=True)
class OwnPictures:
    """n pictures with t captions, no two of which are the same words.

    items, vectors (n, d): each picture, bytes that occur twice once; right: (n, t) sparse, not 0 where a caption is one
    of the picture, of a file with the same bytes, or of a picture with the same pixels; looks: (n,) equal numbers for
    equal pixels; uncaptioned: pictures left out for want of a caption; several: files whose caption has several lines.
    """

    root: str
    form: str
    items: tuple[Item, ...]
    vectors: Floats
    captions: tuple[str, ...]
    right: Any
    looks: NDArray[np.int64]
    uncaptioned: int
    several: int
    problems: tuple[Problem, ...]

    def pixels(self, row: int, side: int) -> NDArray[np.uint8] | None:
        """(side, side, 3) of a picture; None when its file has gone meanwhile."""
        return _pixels(self.items[row], side)

    def digest(self) -> str:
        """sha256 over the bytes of all pictures and their captions."""
        facts = [
            json.dumps([item.key, item.sha256, [self.captions[at] for at in self.right[row].indices]])
            for row, item in enumerate(self.items)
        ]
        return hashlib.sha256("\n".join(sorted(facts)).encode("utf-8", "replace")).hexdigest()


def load(
    corpus: str, spec: EncoderSpec, run: Run, follow_links: bool = False, classes: str | None = None
) -> OwnPictures:
    """Read the corpus, embed what is new or changed, and find out what is right for what.

    corpus: as `--corpus` of `trendlab search`. Raises UserError in one line where it does not exist, has no captions,
    fewer than LEAST pictures with one, the same caption for all, or no such fact as `classes`; before anything is
    embedded.
    """
    root = str(Path(corpus).expanduser().absolute())
    # Copies are kept here and not in the index: the caption of a copy is a caption of the picture.
    found = read_corpus(
        root,
        duplicates="keep",
        follow_links=follow_links,
        mapper=lambda label, work, items: run.map("captions", work, items),
    )
    firsts: dict[str, Item] = {}
    texts: dict[str, list[str]] = defaultdict(list)
    for item in found.items:
        texts[firsts.setdefault(item.sha256, item).key] += captions_of(item)
    _check(corpus, [texts[item.key] for item in firsts.values()])
    if classes is not None:
        classes_of(found.items, classes)
    encoded = _embed(root, spec, run, follow_links)
    vectors = _vectors(folder_of(root, spec.load().identity))
    there = [item for item in firsts.values() if item.key in vectors]
    items = tuple(item for item in there if texts[item.key])
    _check(corpus, [texts[item.key] for item in items])
    images = np.stack([vectors[item.key] for item in items])
    looks = same_pixels(items, images)
    captions, right = answers([texts[item.key] for item in items], looks)
    several = sum(len((item.caption or "").splitlines()) > 1 for item in found.items)
    return OwnPictures(
        root, found.form, items, images, captions, right, looks, len(there) - len(items), several, encoded
    )


def _check(corpus: str, texts: Sequence[Sequence[str]]) -> None:
    count = sum(map(bool, texts))
    if not count:
        raise UserError(
            f"{corpus}: its {len(texts):,} pictures have no captions to judge by (.txt or .json beside a picture, or "
            "metadata.jsonl); `trendlab search --corpus` needs none"
        )
    if count < LEAST:
        raise UserError(f"{corpus}: {count} of its pictures have a caption; a judgement needs {LEAST} at least")
    if len({_same(text) for said in texts for text in said}) < 2:
        raise UserError(f"{corpus}: all {count:,} captions are the same words; there is nothing to tell apart")


def captions_of(item: Item) -> list[str]:
    """Its captions, each once: the lines of its caption, and lists of texts among its facts.

    >>> from shared.corpus.items import Source
    >>> captions_of(Item("a.png", Source("a.png"), "a dog\\na  brown dog\\n", {"captions": '["a dog", "pet"]'}))
    ['a dog', 'a brown dog', 'pet']
    """
    lines = (item.caption or "").splitlines()
    for name in LISTS:
        lines += _listed(item.metadata.get(name, ""))
    return list(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))


def _listed(text: str) -> list[str]:
    if not text.startswith("["):
        return []
    try:
        return [value for value in json.loads(text) if isinstance(value, str)]
    except ValueError:
        return []


def _same(text: str) -> str:
    """Equal for captions of the same words, whatever their case."""
    return text.casefold()


def answers(texts: Sequence[Iterable[str]], looks: NDArray[np.int64]) -> tuple[tuple[str, ...], Any]:
    """(t captions, (n, t) sparse matrix, not 0 where a caption is right) of n pictures with their captions.

    looks: (n,), equal numbers for pictures with the same pixels, which share all their captions.
    """
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    captions: list[str] = []
    pairs: list[tuple[int, int]] = []
    for row, said in enumerate(texts):
        for text in said:
            number = numbers.setdefault(_same(text), len(numbers))
            captions += [text] if number == len(captions) else []
            pairs.append((row, number))
    rows, columns = np.array(sorted(set(pairs))).T
    said_by = csr_matrix((np.ones(len(rows), np.int32), (rows, columns)), (len(looks), len(captions)))
    one = np.ones(len(looks), np.int32)
    look = csr_matrix((one, (np.arange(len(looks)), looks)), (len(looks), int(looks.max()) + 1))
    right = (look @ (look.T @ said_by)).astype(bool).astype(np.int32).tocsr()
    right.sort_indices()
    return tuple(captions), right


def same_pixels(items: Sequence[Item], vectors: Floats, chunk: int = 1024) -> NDArray[np.int64]:
    """(n,) equal numbers for pictures with the same pixels at SIDE; vectors: (n, d) normalised.

    Only pictures with nearly the same vector are decoded: the same pixels have the same vector up to rounding.
    """
    doubtful: set[int] = set()
    for at in range(0, len(vectors), chunk):
        scores = vectors[at : at + chunk] @ vectors.T
        own = np.arange(len(scores))
        scores[own, at + own] = -1
        doubtful |= set((at + np.flatnonzero(scores.max(1) >= ALIKE)).tolist())
    numbers: dict[bytes, int] = {}
    looks = np.arange(len(items), dtype=np.int64)
    for row in sorted(doubtful):
        seen = _pixels(items[row], SIDE)
        if seen is not None:
            looks[row] = numbers.setdefault(hashlib.sha256(seen.tobytes()).digest(), row)
    return looks


def _pixels(item: Item, side: int) -> NDArray[np.uint8] | None:
    try:
        return open_picture(io.BytesIO(item.source.read()), side).pixels
    except Unreadable:
        return None


def classes_of(items: Sequence[Item], fact: str) -> list[str | None]:
    """The class of each picture by one of its facts, in words; of a folder the name of the innermost.

    Raises UserError where no picture has the fact, or all have the same.
    """
    known = {name for item in items for name in item.metadata}
    if fact not in known:
        raise UserError(f"data.classes={fact}: no picture has such a fact{did_you_mean(fact, sorted(known))}")
    found = [item.metadata.get(fact, "").rsplit("/" if fact == "folder" else "\0", 1)[-1] for item in items]
    words = [" ".join(name.replace("_", " ").split()) or None for name in found]
    if len(set(words) - {None}) < 2:
        raise UserError(f"data.classes={fact}: all pictures are of one class; there is nothing to tell apart")
    return words


def _embed(root: str, spec: EncoderSpec, run: Run, follow_links: bool) -> tuple[Problem, ...]:
    # A run of the command line has a voice, an engine and workers; others embed quietly with the defaults.
    if isinstance(run, RunFolder):
        done = embed_corpus(
            root, spec, follow_links=follow_links, engine=run.engine, workers=run.workers, progress=run.progress
        )
    else:
        done = embed_corpus(root, spec, follow_links=follow_links, progress=Progress(quiet=True))
    run.say(f"embedded {done.added + done.updated:,}, known from before {done.unchanged:,}")
    return done.problems


def _vectors(folder: Path) -> dict[str, Floats]:
    """Key -> (d,) normalised vector of everything in the index."""
    store = Store(folder)
    table = store.on_newest(lambda version: store.at(version).search().select([KEY, VECTOR]).to_arrow())
    keys = table.column(KEY).to_pylist()
    flat = table.column(VECTOR).combine_chunks().flatten().to_numpy()
    return dict(zip(keys, flat.reshape(len(keys), -1), strict=True))
