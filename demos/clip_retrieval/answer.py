"""What `trendlab search` does and prints."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from demos.clip_retrieval.corpus.corpora import embedded_at
from demos.clip_retrieval.data import SLUG
from demos.clip_retrieval.search import Answers, Collection, check_query, in_words, open_collection
from shared import provenance
from shared.commands.tables import say, show, table
from shared.errors import UserError
from shared.fanout import ENGINES, Engine
from shared.names import did_you_mean
from shared.progress import Progress
from shared.run import output_root


def answer(
    words: str | None,
    image: Path | None,
    k: int,
    corpus: str | None,
    where: str | None,
    refresh: bool,
    follow_links: bool,
    model: str,
    device: str,
    engine: str,
    workers: int | None,
    sheet: Path | None,
    quiet: bool,
) -> None:
    """Search once and show the answers as a table and as a contact sheet."""
    if absent := provenance.missing(SLUG):
        raise UserError(f"search needs {', '.join(absent)}, not installed here: {provenance.install_command(SLUG)}")
    if (words is None) == (image is None):
        raise UserError('give words, such as trendlab search "a red apple", or --image FILE; one of the two')
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}{did_you_mean(engine, ENGINES)}")
    query = words if words is not None else cast(Path, image)
    # Before a corpus is embedded, which may take hours.
    check_query(query)
    progress = Progress(quiet)
    collection = open_collection(
        corpus,
        model=model,
        device=device,
        refresh=refresh,
        follow_links=follow_links,
        engine=cast(Engine, engine),
        workers=workers,
        progress=progress,
    )
    found = collection.search(query, k, where)
    show(table(["", "cosine", "picture", "what it is"], _rows(found)))
    progress.say(_among(collection))
    say(str(found.save(sheet or _default_sheet(found.query))))


def _among(collection: Collection) -> str:
    """How many pictures were searched, how old their vectors are, and what may be missing among the answers."""
    line = f"among {len(collection):,} pictures"
    if collection.root is not None:
        line += f", as of {embedded_at(collection.index.folder).astimezone():%Y-%m-%d %H:%M}; --refresh looks again"
    if (recall := collection.index.recall) < 1:
        line += f"; the index on disk finds {recall:.1%} of the exact answers"
    return line


def _rows(found: Answers) -> list[tuple[str, str, str, str]]:
    hits = enumerate(found.hits, 1)
    return [(str(rank), f"{hit.score:.3f}", hit.key, in_words(hit) or hit.key) for rank, hit in hits]


def _default_sheet(query: str) -> Path:
    words = re.sub(r"[^a-z0-9]+", "-", query.lower()).strip("-")[:40] or "query"
    return output_root() / "search" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{words}.png"
