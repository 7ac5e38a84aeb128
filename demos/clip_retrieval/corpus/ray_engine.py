"""Embedding on a Ray cluster, with Ray Data: `--engine ray`. Each actor loads the encoder once and keeps it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shared.corpus.items import Item, Source
from shared.errors import UserError
from shared.fanout import fan_out

if TYPE_CHECKING:
    from demos.clip_retrieval.corpus.encode import Work


class Embedder:
    """The class of Ray Data's actors: items as rows in, rows of the index out."""

    def __init__(self, work: Work) -> None:
        work.spec.load()
        self.work = work

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The rows of these items, see `Work`."""
        return self.work([from_row(row) for row in batch.to_pylist()])


def tables(items: Sequence[Item], work: Work, commit: int, task: int, workers: int | None) -> Iterator[pa.Table]:
    """The rows of all items in any order, at most `commit` in a table, as they are finished.

    workers: actors of one CPU each; default: all CPUs of the cluster. Raises UserError without Ray, and as a worker.
    """
    # Joins the cluster or starts Ray with the settings of the house, and says what to do without it.
    fan_out(len, [()], engine="ray", workers=workers)
    import ray
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    actors = workers or int(ray.cluster_resources().get("CPU", 1))
    actors = min(actors, -(-len(items) // task))
    blocks = -(-len(items) // task)
    rows = ray.data.from_items([to_row(item) for item in items], override_num_blocks=blocks).map_batches(
        Embedder,
        fn_constructor_args=(work,),
        batch_size=task,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    try:
        yield from rows.iter_batches(batch_size=commit, batch_format="pyarrow")
    except ray.exceptions.RayError as error:
        # Ray Data hands an actor's error on as text alone.
        if said := re.search(r"^(?:\w+\.)*UserError: (.+)$", str(error), re.MULTILINE):
            raise UserError(said[1]) from None
        raise


def to_row(item: Item) -> dict[str, Any]:
    """An item as a row of plain columns, which Arrow can hold.

    >>> item = Item("a.png", Source("/x/a.png"), "a cat", {"folder": ""}, "00")
    >>> from_row(to_row(item)) == item
    True
    """
    # A path may hold bytes that are no text.
    path = item.source.path.encode("utf-8", "surrogateescape")
    length = -1 if item.source.length is None else item.source.length
    facts = json.dumps(item.metadata)
    return {
        "key": item.key,
        "path": path,
        "offset": item.source.offset,
        "length": length,
        "caption": item.caption,
        "facts": facts,
        "sha256": item.sha256,
    }


def from_row(row: dict[str, Any]) -> Item:
    """The item of a row of `to_row`."""
    path = row["path"].decode("utf-8", "surrogateescape")
    source = Source(path, row["offset"], None if row["length"] < 0 else row["length"])
    return Item(row["key"], source, row["caption"], json.loads(row["facts"]), row["sha256"])
