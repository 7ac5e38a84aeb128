"""Pictures as rows of the index: which facts get a column of their own, and what tells that a row is out of date."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shared.corpus.items import Item, Problem
from shared.corpus.pictures import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Columns of every index beside key and vector. content: see `content_hash`; more: facts without a column, as JSON.
OWN = ("caption", "folder", "sha256", "content", "notes", "more")
PROBLEM = ("reason", "detail")
# "code" is what the index itself keeps beside a vector.
RESERVED = {"key", "vector", "code", *PROBLEM, *OWN}
MOST_COLUMNS = 32


@dataclass(frozen=True)
class Layout:
    """facts: pairs of (name of the fact, its column); unused: further columns of the index, null in every new row."""

    facts: tuple[tuple[str, str], ...] = ()
    unused: tuple[str, ...] = ()

    def schema(self) -> pa.Schema:
        """The metadata columns, all text, null where a picture has no such fact: what `VectorIndex.create` takes."""
        return pa.schema([(name, pa.string()) for name in (*OWN, *(column for _, column in self.facts), *self.unused)])

    def within(self, columns: Iterable[str]) -> Layout:
        """This layout for an index that has these columns and no others; facts without one go to `more`."""
        there = set(columns) - RESERVED
        facts = tuple(pair for pair in self.facts if pair[1] in there)
        return Layout(facts, tuple(sorted(there - {column for _, column in facts})))


def layout_of(items: Iterable[Item], most: int = MOST_COLUMNS) -> Layout:
    """A column for each of the `most` commonest facts; names are made fit for SQL, so `exif.model` is `exif_model`."""
    counts = Counter(name for item in items for name in item.metadata)
    counts.pop("folder", None)
    names = sorted(sorted(counts), key=lambda name: -counts[name])[:most]
    facts: list[tuple[str, str]] = []
    taken = set(RESERVED)
    for name in sorted(names):
        column = re.sub(r"\W", "_", name, flags=re.ASCII).lower().strip("_") or "fact"
        column = f"fact_{column}" if column in taken or column[0].isdigit() else column
        while column in taken:
            column += "_"
        taken.add(column)
        facts.append((name, column))
    return Layout(tuple(facts))


def content_hash(item: Item) -> str:
    """Changes with the bytes of a picture and with its words; a row whose `content` differs is out of date."""
    said = json.dumps([item.sha256, item.caption, sorted(item.metadata.items())], ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()


def to_table(
    items: Sequence[Item],
    vectors: NDArray[Any],
    notes: Sequence[Sequence[str]],
    problems: Sequence[Problem | None],
    layout: Layout,
) -> pa.Table:
    """One row an item: key, vector, OWN, the layout's columns and PROBLEM; a row with a problem has vector 0.

    vectors: (n, d) float32; notes, problems: one for each item. Raises ValueError when their numbers differ.
    """
    n, dimension = vectors.shape
    if not len(items) == n == len(notes) == len(problems):
        raise ValueError(f"{len(items)} items, {n} vectors, {len(notes)} notes, {len(problems)} problems")
    named = {name for name, _ in layout.facts} | {"folder"}
    more = [{name: text for name, text in item.metadata.items() if name not in named} for item in items]
    texts: dict[str, list[str | None]] = {
        "caption": [item.caption for item in items],
        "folder": [item.metadata.get("folder") for item in items],
        "sha256": [item.sha256 for item in items],
        "content": [content_hash(item) for item in items],
        "notes": ["; ".join(said) or None for said in notes],
        "more": [json.dumps(facts, ensure_ascii=False) if facts else None for facts in more],
        **{column: [item.metadata.get(name) for item in items] for name, column in layout.facts},
        **{column: [None] * n for column in layout.unused},
        "reason": [str(problem.reason) if problem else None for problem in problems],
        "detail": [problem.detail if problem else None for problem in problems],
    }
    flat = pa.array(vectors.reshape(-1), pa.float32())
    columns = {
        "key": pa.array([item.key for item in items], pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, dimension),
        **{name: pa.array(values, pa.string()) for name, values in texts.items()},
    }
    return pa.table(columns)


def divide(table: pa.Table) -> tuple[pa.Table, list[Problem]]:
    """(rows for the index, problems) of a table of `to_table`."""
    from pyarrow import compute

    good = compute.is_null(table["reason"])
    bad = table.filter(compute.invert(good)).select(["key", *PROBLEM]).to_pylist()
    problems = [Problem(row["key"], Reason(row["reason"]), row["detail"]) for row in bad]
    return table.filter(good).drop_columns(list(PROBLEM)), problems
