"""A corpus to vectors in an index: all workers decode and embed, and what is finished is kept before more is begun.

Stopped at any moment and started again, it embeds only what is not in the index yet, or has changed since.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from demos.clip_retrieval.corpus.intake import Corpus, nothing_left
from demos.clip_retrieval.corpus.layout import Layout, content_hash, divide, layout_of, to_table
from shared.corpus.items import Item, Problem
from shared.corpus.pictures import Fit, Reason, Unreadable, open_picture
from shared.errors import UserError
from shared.fanout import Engine, fan_out, worker_count
from shared.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Pictures of one task: few, so that workers end together; and of one commit to the index at least.
TASK = 64
COMMIT = 1024
# Files that could not be read this time are not gone: their rows stay.
UNSEEN = (Reason.UNREADABLE, Reason.SHARD)


class ImageEncoder(Protocol):
    """What is needed of an encoder, see `demos.clip_retrieval.model.encoder.Encoder`."""

    size: int
    dimension: int
    fit: Fit

    def images(self, pictures_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, d) vectors of (n, size, size, 3) RGB pictures."""


class Spec(Protocol):
    """Names an encoder, so that each worker loads it for itself, once. It must pickle."""

    def load(self) -> ImageEncoder:
        """The encoder, kept for the next call of this process."""


class Sink(Protocol):
    """Where the vectors go. What `upsert` and `delete` return from is kept, whatever happens then."""

    def keys_and_hashes(self) -> dict[str, str]:
        """Key -> `content` of every row."""

    def upsert(self, table: pa.Table) -> None:
        """Add rows (key, vector, columns of `Layout.schema`), in place of those with the same key."""

    def delete(self, keys: list[str]) -> None:
        """Remove rows."""


@dataclass(frozen=True)
class Encoded:
    """What was done, in pictures. problems: those of the corpus and those found when decoding; notes: see `Picture`."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    problems: tuple[Problem, ...]
    notes: dict[str, int]

    @property
    def pictures(self) -> int:
        """Pictures of the corpus that are in the index now."""
        return self.added + self.updated + self.unchanged


@dataclass(frozen=True)
class Work:
    """What a worker is told once. Calling it embeds items."""

    spec: Spec
    layout: Layout
    max_megapixels: float

    def __call__(self, items: Sequence[Item]) -> pa.Table:
        """The rows of these items, see `layout.to_table`. Raises what the encoder raises."""
        encoder = self.spec.load()
        pixels = np.empty((len(items), encoder.size, encoder.size, 3), np.uint8)
        vectors = np.zeros((len(items), encoder.dimension), np.float32)
        read: list[Item] = []
        notes: list[tuple[str, ...]] = [()] * len(items)
        problems: list[Problem | None] = [None] * len(items)
        for at, item in enumerate(items):
            try:
                data = item.source.read()
                picture = open_picture(io.BytesIO(data), encoder.size, self.max_megapixels, encoder.fit)
                pixels[at], notes[at] = picture.pixels, picture.notes
                # A file may have changed since it was hashed; the row says what was embedded.
                item = replace(item, sha256=hashlib.sha256(data).hexdigest())
            except Unreadable as error:
                problems[at] = Problem(item.key, error.reason, error.detail)
            read.append(item)
        good = [at for at, problem in enumerate(problems) if problem is None]
        if good:
            vectors[good] = encoder.images(pixels[good])
        return to_table(read, vectors, notes, problems, self.layout)


def encode_corpus(
    corpus: Corpus,
    sink: Sink,
    spec: Spec,
    *,
    layout: Layout | None = None,
    max_megapixels: float = 50.0,
    prune: bool = True,
    commit: int = COMMIT,
    engine: Engine = "processes",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Make the sink hold exactly the pictures of the corpus; embeds what is missing or changed and nothing else.

    layout: columns of the sink; default: `layout_of(corpus.items)`. prune: delete rows whose picture is gone or can no
    longer be decoded; rows of folders, files and tars that could not be read this time stay. commit: pictures embedded
    between two writes [rows]; at most that many vectors, and `TASK` pictures in each worker, are in memory. engine:
    "processes", "serial" or "ray" (Ray Data; its workers must see the files at the same paths).
    Raises UserError when no picture at all could be used; then nothing is deleted.
    """
    layout = layout or layout_of(corpus.items)
    known = sink.keys_and_hashes()
    todo = [item for item in corpus.items if known.get(item.key) != content_hash(item)]
    done: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    problems: list[Problem] = []

    def kept() -> Iterator[str]:
        for table in _tables(todo, Work(spec, layout, max_megapixels), commit, engine, workers):
            rows, failed = divide(table)
            if rows.num_rows:
                sink.upsert(rows)
            problems.extend(failed)
            done.update("updated" if key in known else "added" for key in rows["key"].to_pylist())
            notes.update(note for said in rows["notes"].to_pylist() if said for note in said.split("; "))
            yield from table["key"].to_pylist()

    for _ in (progress or Progress(quiet=True)).track("embed", kept(), total=len(todo)) if todo else ():
        pass
    every = (*corpus.problems, *problems)
    unchanged = len(corpus.items) - len(todo)
    if not (done.total() or unchanged):
        raise UserError(nothing_left("corpus", every))
    gone = _gone(known, corpus, problems) if prune else []
    if gone:
        sink.delete(gone)
    return Encoded(done["added"], done["updated"], unchanged, len(gone), every, dict(notes))


def _gone(known: dict[str, str], corpus: Corpus, problems: Sequence[Problem]) -> list[str]:
    """Keys of rows whose picture is not there any more, sorted."""
    there = {item.key for item in corpus.items} - {found.file for found in problems}
    unseen = {found.file for found in (*corpus.problems, *problems) if found.reason in UNSEEN}
    return sorted(key for key in known.keys() - there if not any(place in unseen for place in _places(key)))


def _places(key: str) -> Iterator[str]:
    """The key itself, its tar, and all folders above."""
    yield key
    yield from (key[:at] for at, letter in enumerate(key) if letter in "/:")


def _tables(items: Sequence[Item], work: Work, commit: int, engine: Engine, workers: int | None) -> Iterator[pa.Table]:
    """The rows of all items, about `commit` at a time, as they are finished."""
    if engine == "ray" and items:
        from demos.clip_retrieval.corpus.ray_engine import tables

        yield from tables(items, work, commit, TASK, workers)
        return
    # A task for each worker at least, and whole tasks, so that none waits for the others for long.
    task = max(1, min(TASK, commit // (1 if engine == "serial" else worker_count(workers))))
    for start in range(0, len(items), commit):
        part = items[start : start + commit]
        tasks = [tuple(part[at : at + task]) for at in range(0, len(part), task)]
        yield pa.concat_tables(fan_out(work, tasks, engine=engine, workers=workers))
