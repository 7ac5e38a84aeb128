"""The index of a corpus: where it is kept, how it is filled, and where the pictures behind its keys are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.data import work_folder
from demos.clip_retrieval.index.vector_index import VectorIndex
from demos.clip_retrieval.model.encoder import EncoderSpec
from shared.corpus.items import Item, Source
from shared.corpus.skipped import SKIPPED, write_report
from shared.fanout import Engine, fan_out
from shared.files import folder_written_whole
from shared.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from demos.clip_retrieval.corpus.encode import Encoded

RECORD = "index.json"
ASKED = 100  # queries for which an index on disk is set up


class IndexSink:
    """A `VectorIndex` as what `encode_corpus` writes to."""

    def __init__(self, index: VectorIndex) -> None:
        self.index = index

    def keys_and_hashes(self) -> dict[str, str]:
        """The content hash of each row."""
        return self.index.column("content")

    def upsert(self, table: pa.Table) -> None:
        """Durable when it returns."""
        self.index.upsert(table)

    def delete(self, keys: list[str]) -> None:
        """Durable when it returns."""
        self.index.delete(keys)


def index_folder(name: str, identity: str) -> Path:
    """One folder for each pair of corpus and model: vectors of two models never meet."""
    return work_folder() / "indexes" / f"{name}-{identity}"


def folder_of(root: str, identity: str) -> Path:
    """The folder of a user's corpus."""
    return index_folder(hashlib.sha256(root.encode("utf-8", "surrogateescape")).hexdigest()[:16], identity)


def embedded_index(spec: EncoderSpec, progress: Progress) -> VectorIndex:
    """The index of the embedded pictures; filled at the first call of a model, which takes ten seconds.

    Columns: name, group, subgroup, tags, skin_tone. Keys are hexcodes.
    """
    encoder = spec.load()
    folder = index_folder("openmoji", encoder.identity)
    if (folder / RECORD).is_file():
        return VectorIndex.open(folder, encoder.identity)
    from shared.openmoji.render import pictures

    table = _emoji_table(_with_progress(encoder, pictures(encoder.size), progress))
    schema = table.drop_columns(["key", "vector"]).schema
    with (
        folder_written_whole(folder) as filling,
        VectorIndex.create(filling, encoder.dimension, encoder.identity, schema) as index,
    ):
        index.add(table)
    return VectorIndex.open(folder, encoder.identity)


def _with_progress(encoder: object, pixels: np.ndarray, progress: Progress) -> np.ndarray:
    starts = list(range(0, len(pixels), 256))
    steps = progress.track("embed", starts)
    return np.concatenate([encoder.images(np.asarray(pixels[at : at + 256])) for at in steps])  # type: ignore[attr-defined]


def _emoji_table(vectors: np.ndarray) -> pa.Table:
    import pyarrow as pa

    from shared.openmoji.records import records

    emojis = records()
    return pa.table(
        {
            "key": [emoji.hexcode for emoji in emojis],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), vectors.shape[1]),
            "name": [emoji.name for emoji in emojis],
            "group": [emoji.group for emoji in emojis],
            "subgroup": [emoji.subgroup for emoji in emojis],
            "tags": [", ".join(emoji.tags) for emoji in emojis],
            "skin_tone": pa.array([emoji.skin_tone for emoji in emojis], pa.int32()),
        }
    )


def embed_corpus(
    root: str,
    spec: EncoderSpec,
    *,
    max_megapixels: float = 50.0,
    follow_links: bool = False,
    engine: Engine = "processes",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Bring the index of a user's corpus up to date with its files; what is there already is not embedded again.

    What was skipped is in `skipped.csv` of the index's folder. Raises UserError when nothing can be used.
    """
    from demos.clip_retrieval.corpus.encode import encode_corpus
    from demos.clip_retrieval.corpus.intake import read_corpus
    from demos.clip_retrieval.corpus.layout import layout_of

    progress, encoder = progress or Progress(quiet=True), spec.load()
    reading: Engine = "processes" if engine == "ray" else engine
    corpus = read_corpus(
        root,
        max_megapixels=max_megapixels,
        follow_links=follow_links,
        mapper=lambda label, function, items: fan_out(
            function, items, label=label, engine=reading, workers=workers, progress=progress
        ),
    )
    progress.say(corpus.summary())
    layout = layout_of(corpus.items)
    folder = folder_of(root, encoder.identity)
    if (folder / RECORD).is_file():
        index = VectorIndex.open(folder, encoder.identity)
        layout = layout.within(index.columns)
    else:
        index = VectorIndex.create(folder, encoder.dimension, encoder.identity, layout.schema())
    with index:
        done = encode_corpus(
            corpus,
            IndexSink(index),
            # ONNX Runtime would take all cores in each of the workers.
            spec if engine == "serial" else replace(spec, threads=1),
            layout=layout,
            max_megapixels=max_megapixels,
            engine=engine,
            workers=workers,
            progress=progress,
        )
        index.optimise()
        if index.wants_ann():
            _build_ann(index, corpus.items, spec, progress)
    write_report(done.problems, folder / SKIPPED)
    return done


def _build_ann(index: VectorIndex, items: Sequence[Item], spec: EncoderSpec, progress: Progress) -> None:
    """Above what is searched exactly: an index on disk, set up for queries such as will be asked, which are words."""
    from shared.openmoji.records import records

    progress.say("index: more pictures than are compared one by one; building an index on disk")
    words = sorted({item.caption for item in items if item.caption}) or [emoji.name for emoji in records()]
    words = words[:: -(-len(words) // ASKED)]
    built = index.build_ann(spec.load().texts(words))
    progress.say(f"index: finds {built.recall:.1%} of the exact answers (the 10 nearest of {built.queries} texts)")


def embedded_at(folder: Path) -> datetime:
    """When the index of a user's corpus was last brought up to date."""
    return datetime.fromtimestamp((folder / SKIPPED).stat().st_mtime, UTC)


def find_pictures(root: str, keys: Sequence[str]) -> dict[str, Source]:
    """Where the bytes of pictures are, by their keys; without those that are not there any more. Each tar is looked
    through once."""
    from demos.clip_retrieval.corpus.shards import members
    from shared.corpus.items import shown

    place = Path(root)
    found: dict[str, Source] = {}
    wanted: dict[str, set[str]] = {}
    for key in keys:
        if place.is_dir() and (place / key).is_file():
            found[key] = Source(str(place / key))
        else:
            wanted.setdefault(key.partition(":")[0], set()).add(key)
    for name, of_tar in wanted.items():
        if tar := _tar(place, name):
            for member in members(name, tar, []):
                # Of a name that is there twice the first one counts.
                if (key := f"{name}:{shown(member.name)}") in of_tar and key not in found:
                    found[key] = Source(str(tar), member.offset, member.size)
    return found


def _tar(place: Path, name: str) -> Path | None:
    """The shard of this name: below a folder, the tar itself, or one of a pattern; None when it is not there."""
    from demos.clip_retrieval.corpus.intake import named
    from demos.clip_retrieval.corpus.shards import expand

    if place.is_dir():
        tar: Path | None = place / name
    elif place.is_file():
        tar = place
    else:
        tar = dict(named(expand(str(place)))).get(name)
    return tar if tar is not None and tar.is_file() else None
