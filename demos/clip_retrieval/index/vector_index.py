"""Vectors on disk that can be added to, changed, filtered and searched: a LanceDB table, and an exact scan in memory.

    index = VectorIndex.create(folder, 256, encoder.identity, pa.schema([("group", pa.string())]))
    index.add(table)                                   # columns key, vector, group
    index.search(encoder.texts(["a red apple"]), k=8, where="group = 'food-drink'")

Why LanceDB, why the scan is faiss's, and what was measured: docs/decisions/006-vector-index.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from demos.clip_retrieval.index import approximate, snapshot
from demos.clip_retrieval.index.approximate import Built
from demos.clip_retrieval.index.record import FORMAT, RECORD, read_record, write_record
from demos.clip_retrieval.index.rows import filter_error, query_matrix, table_schema
from demos.clip_retrieval.index.snapshot import KEY, VECTOR, Snapshot, take
from demos.clip_retrieval.index.store import LOCK, TABLE, Store
from shared.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

SCAN = "scan.arrow"
EXACT_BELOW = 100_000
NPROBES = 32  # where `build_ann` has not chosen
OURS = re.compile(rf"{re.escape(LOCK)}|{TABLE}\.lance|\.{re.escape(RECORD)}\.\d+")  # in a folder that is no index yet
MASKS = 32  # conditions whose rows are remembered for one version


@dataclass(frozen=True)
class Hit:
    """One answer. score: cosine, -1 to 1; metadata: the other columns of the row."""

    key: str
    score: float
    metadata: dict[str, Any]


class VectorIndex:
    """Unit vectors under unique keys, with metadata. Made by `create` or `open`; a context manager.

    What is promised: a change is acknowledged when its method returns. From then on it survives the death of this
    process at any moment and, since its files and folders are fsynced, a power cut (where the disk keeps what it was
    told to flush). A change that was not acknowledged is there as a whole or not at all after the death of the process.
    A power cut while a change is being written may leave an unreadable newest manifest: reading then says which file to
    remove, and nothing acknowledged goes with it.

    One writer at a time: the first change takes a lock, which `close` or the end of the process gives back. Any number
    of readers; each search sees the newest version. The folder must be on a local disk.

    With at most `exact_below` rows, or without `build_ann`, a search is exact and equal scores come in the order of the
    keys. The first search of a version reads all vectors into memory and leaves them in a file that the next process
    maps; so write in large batches, then search.
    """

    def __init__(self, folder: Path, record: dict[str, Any], exact_below: int, threads: int | None) -> None:
        """For `create` and `open`."""
        self.folder, self.exact_below, self.threads = folder, exact_below, threads
        self.dimension, self.identity = int(record["dimension"]), str(record["identity"])
        self._store = Store(folder)
        self._snapshot: Snapshot | None = None
        self._on_disk = 0  # the version that was found to be searched on disk
        self._masks: dict[str, np.ndarray] = {}

    @classmethod
    def create(
        cls,
        folder: Path | str,
        dimension: int,
        identity: str,
        metadata: pa.Schema,
        *,
        exact_below: int = EXACT_BELOW,
        threads: int | None = None,
    ) -> Self:
        """An empty index in a new or empty folder, of which this process is the writer.

        dimension: of the vectors, from 1; identity: of the encoder; metadata: columns beside `key` and `vector`;
        threads: of one search, else as faiss is set up. Raises UserError when the folder holds anything, ValueError for
        a wrong dimension or column name.
        """
        schema = table_schema(dimension, metadata)
        folder = Path(folder).absolute()
        if (folder / RECORD).exists():
            raise UserError(f"{folder}: holds an index already; open it, or choose another folder")
        # What a `create` that was killed left behind is ours to replace; anything else is not.
        if folder.exists() and not (folder.is_dir() and all(OURS.fullmatch(path.name) for path in folder.iterdir())):
            raise UserError(f"{folder}: is not an empty folder; an index needs one of its own")
        folder.mkdir(parents=True, exist_ok=True)
        record = {"format": FORMAT, "dimension": dimension, "identity": identity}
        made = cls(folder, record, exact_below, threads)
        made._store.create(schema)
        for path in folder.glob(f".{RECORD}.*"):
            path.unlink(missing_ok=True)
        # Only now is it an index.
        write_record(folder, record)
        return made

    @classmethod
    def open(
        cls,
        folder: Path | str,
        identity: str | None = None,
        *,
        exact_below: int = EXACT_BELOW,
        threads: int | None = None,
    ) -> Self:
        """An index that is there. identity: of the encoder that queries come from, any when not given.

        Raises UserError when there is no index, or it was made by a newer version or with another encoder.
        """
        folder = Path(folder).absolute()
        record = read_record(folder)
        if identity is not None and identity != record["identity"]:
            raise UserError(
                f"{folder}: made with the encoder {record['identity']}, not {identity}; use that model, or embed into"
                " another folder"
            )
        opened = cls(folder, record, exact_below, threads)
        if not opened.version:
            raise UserError(f"{folder}: the table of the index is missing; embed the pictures again")
        return opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another writer in."""
        self._store.close()

    @property
    def version(self) -> int:
        """Of the newest change; grows with each."""
        return self._store.version

    @property
    def count(self) -> int:
        """Rows in the newest version."""
        if self._snapshot is not None and self._snapshot.version == self.version:
            return int(self._snapshot.rows.num_rows)
        return self._store.on_newest(lambda version: int(self._store.at(version).count_rows()))

    def keys(self) -> list[str]:
        """All keys of the newest version, sorted."""
        found = self._store.on_newest(lambda version: self._store.at(version).search().select([KEY]).to_arrow())
        return sorted(found.column(KEY).to_pylist())

    @property
    def columns(self) -> list[str]:
        """Names of the metadata columns."""
        names = self._store.on_newest(lambda version: list(self._store.at(version).schema.names))
        return [name for name in names if name not in (KEY, VECTOR)]

    def column(self, name: str) -> dict[str, Any]:
        """Key -> value of a metadata column in the newest version. Raises KeyError when there is none of this name."""
        if name not in self.columns:
            raise KeyError(name)
        read = self._store.on_newest(lambda version: self._store.at(version).search().select([KEY, name]).to_arrow())
        return dict(zip(read.column(KEY).to_pylist(), read.column(name).to_pylist(), strict=True))

    def add(self, table: pa.Table) -> None:
        """Append rows with columns key, vector (lists of d float32, norm 1) and the metadata.

        Many at a time (1,000 and more): each call is a file and a version. Raises ValueError for wrong columns, a
        vector that is not finite or not of norm 1, and a key that is in the table twice or in the index already;
        UserError when another process writes.
        """
        self._store.add(table)

    def upsert(self, table: pa.Table) -> None:
        """Like `add`, but a row replaces the one of its key."""
        self._store.upsert(table)

    def delete(self, keys: Iterable[str]) -> int:
        """Remove the rows of these keys in one change; how many there were. Keys that are not there are no error."""
        return self._store.delete(sorted(set(keys)))

    def optimise(self) -> None:
        """Join small files, drop old versions and deleted rows, and bring `build_ann` up to date with later rows.

        A reader that is in the middle of an older version starts again.
        """
        self._store.optimise()

    def build_ann(self, queries: np.ndarray, k: int = 10, recall: float = 0.95) -> Built:
        """Build an index on disk for more than `exact_below` rows, so that a search need not hold them in memory.

        queries: (q, d), such as will be asked, some 100; recall: of the k best, 0 to 1, for which the number of
        partitions read is chosen. Returns what was reached. Raises UserError for fewer rows: they are searched exactly.
        """
        queries = query_matrix(queries, self.dimension)
        writer = self._store.writer()
        if (rows := writer.count_rows()) <= self.exact_below:
            raise UserError(
                f"{self.folder}: {rows} rows are searched exactly; this is for more than {self.exact_below}"
            )
        built = approximate.build(writer, queries, k, recall)
        self._store.sync()
        facts = {"nprobes": built.nprobes, "recall": built.recall, "built_rows": rows}
        write_record(self.folder, {**read_record(self.folder), **facts})
        return built

    def wants_ann(self) -> bool:
        """Whether there are more than `exact_below` rows, and twice as many as `build_ann` last saw or it never ran.

        In between, `optimise` files new rows under the partitions that there are.
        """
        return self.count > max(self.exact_below, 2 * int(read_record(self.folder).get("built_rows", 0)) - 1)

    @property
    def recall(self) -> float:
        """Share of the exact answers that `search` finds, 0 to 1: 1 in memory, else as measured by `build_ann`."""
        on_disk = self.count > self.exact_below
        return float(read_record(self.folder).get("recall", 1)) if on_disk else 1.0

    def recall_against_exact(self, queries: np.ndarray, k: int = 10) -> float:
        """Share of the k exact answers that `search` finds, 0 to 1; an answer with the same score counts."""
        queries = query_matrix(queries, self.dimension)
        least = self._store.on_newest(lambda version: approximate.exact_scores(self._store.at(version), queries, k))
        scores = [np.array([hit.score for hit in hits]) for hits in self.search(queries, k)]
        return approximate.share_right(scores, least, k)

    def search(self, queries: np.ndarray, k: int, where: str | None = None) -> list[list[Hit]]:
        """The k nearest of each query in the newest version, best first; fewer when there are fewer.

        queries: (q, d) or (d,), norm 1; k: from 1; where: an SQL condition on key and metadata, such as
        "n > 3 AND name LIKE 'red%'". Raises ValueError for
        wrong queries, UserError for a wrong condition.
        """
        queries = query_matrix(queries, self.dimension)
        if k < 1:
            raise ValueError(f"k must be 1 or more, got {k}")
        return self._store.on_newest(lambda version: self._search(version, queries, k, where))

    def _search(self, version: int, queries: np.ndarray, k: int, where: str | None) -> list[list[Hit]]:
        shot = self._load(version)
        if shot is None:
            nprobes = int(read_record(self.folder).get("nprobes", NPROBES))
            return [_hits(*self._approximate(version, query, k, nprobes, where)) for query in queries]
        allowed = None if where is None else self._mask(shot, where)
        rows, scores = shot.scan.search(queries, k, allowed)
        return [_hits(own, take(shot.rows, places)) for places, own in zip(rows, scores, strict=True)]

    def _approximate(
        self, version: int, query: np.ndarray, k: int, nprobes: int, where: str | None
    ) -> tuple[np.ndarray, pa.Table]:
        table = self._store.at(version)
        try:
            return approximate.search(table, query, k, nprobes, where)
        except (ValueError, RuntimeError) as error:
            raise _fault(table, where, error) from None

    def _mask(self, shot: Snapshot, where: str) -> np.ndarray:
        """(n,) bool: the rows of a snapshot for which the condition holds."""
        if where not in self._masks:
            import pyarrow as pa
            from pyarrow import compute

            table = self._store.at(shot.version)
            try:
                found = table.search().where(where).select([KEY]).to_arrow().column(KEY)
            except (ValueError, RuntimeError) as error:
                raise _fault(table, where, error) from None
            inside = compute.is_in(shot.rows.column(KEY), value_set=pa.array(found.to_pylist(), pa.string()))
            if len(self._masks) >= MASKS:
                self._masks.pop(next(iter(self._masks)))
            self._masks[where] = inside.to_numpy()
        return self._masks[where]

    def _load(self, version: int) -> Snapshot | None:
        """The vectors of a version in memory; None when it is to be searched on disk."""
        if self._on_disk == version:
            return None
        if self._snapshot is None or self._snapshot.version != version:
            self._masks.clear()
            self._snapshot = snapshot.read(self.folder / SCAN, version, self.threads)
        if self._snapshot is None:
            table = self._store.at(version)
            if table.count_rows() > self.exact_below and approximate.is_built(table):
                self._on_disk = version
                return None
            self._snapshot, kept = snapshot.build(version, table.search().to_arrow(), self.threads)
            snapshot.write(kept, self.folder / SCAN)
        return self._snapshot


def _fault(table: Any, where: str | None, error: Exception) -> Exception:
    """What to raise where a search with a condition failed: the engine answers alike to a condition that some row does
    not allow and to files that it cannot read, but without the condition the latter fails too."""
    if where is None:
        return error
    try:
        table.search().select([KEY]).to_arrow()
    except (ValueError, RuntimeError):
        return error
    return filter_error(where, error, table.schema)


def _hits(scores: np.ndarray, rows: pa.Table) -> list[Hit]:
    """Answers from their scores (k,) and rows, in the same order."""
    found = rows.to_pylist()
    return [Hit(row.pop(KEY), float(score), row) for row, score in zip(found, scores, strict=True)]
