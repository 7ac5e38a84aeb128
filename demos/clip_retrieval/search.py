"""Search pictures with words or with a picture, in three lines:

    from demos.clip_retrieval.search import open_collection
    collection = open_collection()                  # the embedded OpenMoji; or open_collection("~/Pictures")
    collection.search("a red apple", k=8)           # shows itself in a notebook; .hits, .save("answers.png")

The vectors are kept between calls: the first one embeds, later ones open. A search of the shipped model imports neither
torch nor open_clip.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.corpus.corpora import embed_corpus, embedded_index, find_pictures, folder_of
from demos.clip_retrieval.index.vector_index import Hit, VectorIndex
from demos.clip_retrieval.model.encoder import Encoder, EncoderSpec
from shared.corpus.pictures import Unreadable, check_header, open_picture
from shared.corpus.skipped import SKIPPED
from shared.errors import UserError
from shared.fanout import Engine
from shared.openmoji.records import ATTRIBUTION
from shared.progress import Progress

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray

    from shared.corpus.items import Source

SHOWN = 144  # side of a picture on a contact sheet [pixels]
LONGEST_QUERY = 2000  # characters; the text tower reads far fewer
MAX_MEGAPIXELS = 50.0


@dataclass(frozen=True)
class Answers:
    """The nearest pictures of one query, best first. query: its words, or the file of its picture."""

    query: str
    hits: list[Hit]
    collection: Collection
    asked: NDArray[np.uint8] | None = None

    def pictures(self) -> list[NDArray[np.uint8] | None]:
        """(s, s, 3) of each hit; None where the file is gone since it was embedded."""
        return self.collection.pictures([hit.key for hit in self.hits], SHOWN)

    def sheet(self) -> PIL.Image.Image:
        """The answers as one picture."""
        from demos.clip_retrieval.sheet import sheet_of_answers

        return sheet_of_answers([self], footer=self.collection.attribution)

    def save(self, file: str | Path) -> Path:
        """Write a contact sheet as PNG and return its path. Raises UserError when it cannot be written."""
        file = Path(file).expanduser()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self.sheet().save(file, format="PNG")
        except OSError as error:
            raise UserError(f"{file}: cannot be written ({error.strerror or error})") from None
        return file

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.sheet().save(stream, format="PNG")
        return stream.getvalue()


def in_words(hit: Hit) -> str:
    """What a picture shows, where its name or a caption is known; else nothing."""
    return next((str(hit.metadata[fact]) for fact in ("name", "caption") if hit.metadata.get(fact)), "")


def check_query(query: str | Path) -> None:
    """Raise UserError when these words are none, or the file is no picture by its header; needs no model."""
    if isinstance(query, str):
        if not query.strip():
            raise UserError("the query has no words")
        return
    try:
        check_header(query.expanduser())
    except Unreadable as error:
        raise UserError(f"{query}: {error}") from None


class Collection:
    """Embedded pictures that can be searched. Made by `open_collection`.

    root: the user's corpus, or None for the embedded one; index: its vectors; spec: of the encoder that made them.
    """

    def __init__(self, root: str | None, index: VectorIndex, spec: EncoderSpec) -> None:
        self.root, self.index, self.spec = root, index, spec

    @property
    def encoder(self) -> Encoder:
        """The model; loaded when it is first asked for."""
        return self.spec.load()

    @property
    def attribution(self) -> str:
        """What has to stand under its pictures."""
        return ATTRIBUTION if self.root is None else ""

    def __len__(self) -> int:
        return self.index.count

    def search(self, query: str | Path | NDArray[np.uint8], k: int = 8, where: str | None = None) -> Answers:
        """The k pictures nearest to words (str), to the picture in a file (Path) or to an (h, w, 3) array of bytes.

        where: an SQL condition on the facts of the pictures, such as "\\"group\\" = 'food-drink'".
        Raises UserError for a query without words, a file that is no picture, a wrong condition, or k below 1.
        """
        if k < 1:
            raise UserError(f"k must be 1 or more, got {k}")
        if isinstance(query, str):
            check_query(query)
            vector, name, asked = self.encoder.texts([query[:LONGEST_QUERY]]), query, None
        else:
            asked, name = self._asked(query)
            vector = self.encoder.images(asked[None])
        return Answers(name, self.index.search(vector, k, where)[0], self, asked)

    def _asked(self, query: Path | NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str]:
        from shared.corpus.pictures import fitted

        if isinstance(query, np.ndarray):
            return fitted(query, self.encoder.size, self.encoder.fit), "a picture"
        try:
            found = open_picture(Path(query).expanduser(), self.encoder.size, fit=self.encoder.fit)
        except Unreadable as error:
            raise UserError(f"{query}: {error}") from None
        return found.pixels, str(query)

    def pictures(self, keys: Sequence[str], size: int) -> list[NDArray[np.uint8] | None]:
        """(size, size, 3) of each picture by its key; None where it can no longer be read."""
        if self.root is None:
            from shared.openmoji.render import rasterize, svgs

            return [rasterize(svg, size) for svg in svgs([f"{key}.svg" for key in keys])]
        places = find_pictures(self.root, keys)
        return [_read(places[key], size) if key in places else None for key in keys]


def _read(source: Source, size: int) -> NDArray[np.uint8] | None:
    try:
        return open_picture(io.BytesIO(source.read()), size).pixels
    except Unreadable:
        return None


def open_collection(
    corpus: str | Path | None = None,
    *,
    model: str = "shipped",
    device: str = "auto",
    refresh: bool = False,
    follow_links: bool = False,
    engine: Engine = "processes",
    workers: int | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    progress: Progress | None = None,
) -> Collection:
    """The collection of a corpus, embedded first when it never was.

    corpus: None for the embedded pictures; a folder, webdataset tars or a pattern of tars. model: see
    `EncoderSpec`. refresh: look again for what is new, changed or gone; only that is embedded. follow_links: read what
    links out of the folder lead to; max_megapixels: what is larger is skipped; both are asked of the files, so where
    they are given they refresh too. engine, workers: of the fan-out. Raises UserError in one line when the corpus or
    the model cannot be had, and where there is no corpus to refresh.
    """
    spec = EncoderSpec(model, device)
    progress = progress or Progress(quiet=True)
    refresh = refresh or follow_links or max_megapixels != MAX_MEGAPIXELS
    if corpus is None:
        if refresh:
            raise UserError("refresh, follow-links and max-megapixels are for a corpus of your own")
        return Collection(None, embedded_index(spec, progress), spec)
    root = str(Path(corpus).expanduser().absolute())
    folder = folder_of(root, spec.load().identity)
    # The report is written last: without it, embedding was interrupted and goes on where it stopped.
    if refresh or not (folder / SKIPPED).is_file():
        embed_corpus(
            root,
            spec,
            max_megapixels=max_megapixels,
            follow_links=follow_links,
            engine=engine,
            workers=workers,
            progress=progress,
        )
    return Collection(root, VectorIndex.open(folder, spec.load().identity), spec)
