"""What `trendlab search` does and prints."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from demos.clip_retrieval.search import Answers, open_collection, title
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
    if (words is None) == (image is None):
        raise UserError('give words, such as trendlab search "a red apple", or --image FILE; one of the two')
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}{did_you_mean(engine, ENGINES)}")
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
    found = collection.search(words if words is not None else cast(Path, image), k, where)
    show(table(["", "cosine", "picture", "what it is"], _rows(found)))
    progress.say(f"among {len(collection):,} pictures")
    say(str(found.save(sheet or _default_sheet(found.query))))


def _rows(found: Answers) -> list[tuple[str, str, str, str]]:
    return [(str(rank), f"{hit.score:.3f}", hit.key, title(hit)) for rank, hit in enumerate(found.hits, 1)]


def _default_sheet(query: str) -> Path:
    words = re.sub(r"[^a-z0-9]+", "-", query.lower()).strip("-")[:40] or "query"
    return output_root() / "search" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{words}.png"
