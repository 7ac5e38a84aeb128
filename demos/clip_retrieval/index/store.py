"""The LanceDB table of an index: its newest version, its one writer, and changes that are on disk when they return."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from demos.clip_retrieval.index.durable import Synced, WriterLock, is_whole, manifest_of, newest_version
from demos.clip_retrieval.index.rows import as_rows, engine_reason, key_filter
from demos.clip_retrieval.index.snapshot import KEY
from shared.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
TABLE, LOCK = "vectors", "writer.lock"
TRIES = 5  # of reading a version that a writer may be cleaning away
FEW = 1_000  # keys that are looked up by a condition; for more, all keys are read
NEVER = timedelta(days=36_500)
# What the system refuses (no permission, too many open files) is no damage; a file that is missing may be.
REFUSED = re.compile(r"\(os error (?!2\))\d+\)|\[Errno (?!2\])\d+\]")


class Store:
    """A table in a folder. The engine is imported when a method first needs it; `version` does not."""

    def __init__(self, folder: Path) -> None:
        """folder: of the table and of the lock."""
        self.folder = folder
        self._path = folder / f"{TABLE}.lance"
        self._lock, self._files = WriterLock(folder / LOCK), Synced(folder)
        self._table: Any = None  # at the version it was last asked for
        self._writing: Any = None

    @property
    def version(self) -> int:
        """The newest, from 1; 0 when there is no table. Raises UserError when the folder cannot be read."""
        try:
            return newest_version(self._path)
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read ({error.strerror})") from None

    def create(self, schema: pa.Schema) -> None:
        """An empty table in place of whatever is there. Raises UserError when another process writes."""
        self._lock.acquire()
        mode = "overwrite" if self._path.exists() else "create"
        self._writing = self._connect().create_table(TABLE, schema=schema, mode=mode)
        self._files.sync()

    def at(self, version: int) -> Any:
        """The table as it was at a version, for reading. Raises OSError when it cannot be read."""
        try:
            if self._table is None or self._table.version != version:
                self._require_whole(version)
            if self._table is None:
                self._table = self._connect().open_table(TABLE)
            if self._table.version != version:
                self._table.checkout(version)
        except (RuntimeError, ValueError) as error:
            raise OSError(str(error)) from error
        return self._table

    def on_newest(self, read: Callable[[int], T]) -> T:
        """`read` of the newest version, again where a writer dropped that version meanwhile. Raises UserError when the
        newest version cannot be read."""
        for _ in range(TRIES):
            version = self.version
            try:
                return read(version)
            except (RuntimeError, ValueError, OSError) as error:
                self._table = None
                if version == self.version:
                    raise self._damage(version, error) from error
        raise UserError(f"{self.folder}: changes too quickly to be read; try again")

    def writer(self) -> Any:
        """The table for writing. Raises UserError when another process writes."""
        self._lock.acquire()
        if self._writing is None:
            version = self.version
            try:
                self._require_whole(version)
                self._writing = self._connect().open_table(TABLE)
                self._writing.count_rows()
            except (RuntimeError, OSError, ValueError) as error:
                self.close()
                raise self._damage(version, error) from error
        return self._writing

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._files.sync()

    def add(self, table: pa.Table) -> None:
        """As `VectorIndex.add`."""
        writer = self.writer()
        rows = as_rows(table, writer.schema)
        if rows.num_rows:
            if present := _present(writer, rows.column(KEY).to_pylist()):
                raise ValueError(f"{len(present)} key(s) are in the index, such as {present[0]!r}; use upsert")
            writer.add(rows)
            self.sync()

    def upsert(self, table: pa.Table) -> None:
        """As `VectorIndex.upsert`."""
        writer = self.writer()
        rows = as_rows(table, writer.schema)
        if rows.num_rows:
            writer.merge_insert(KEY).when_matched_update_all().when_not_matched_insert_all().execute(rows)
            self.sync()

    def delete(self, keys: list[str]) -> int:
        """As `VectorIndex.delete`."""
        if not keys:
            return 0
        result = self.writer().delete(key_filter(keys))
        self.sync()
        return int(result.num_deleted_rows)

    def optimise(self) -> None:
        """As `VectorIndex.optimise`."""
        # What is joined has to be on the disk before the files that it was joined from are gone.
        self.writer().optimize(cleanup_older_than=NEVER)
        self.sync()
        # The lock says that no other writer has unfinished files. The engine warns at 0; a millisecond does the same.
        self.writer().optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)
        self.sync()

    def close(self) -> None:
        """Let another writer in."""
        self._writing = None
        self._lock.release()

    def _connect(self) -> Any:
        import lancedb

        return lancedb.connect(self.folder)

    def _require_whole(self, version: int) -> None:
        if not is_whole(manifest_of(self._path, version)):
            raise OSError("its manifest is damaged")

    def _damage(self, version: int, error: Exception) -> UserError:
        """What to say of a version that cannot be read; its manifest is to be removed only where that may help."""
        manifest = manifest_of(self._path, version)
        said = f"{self.folder}: version {version} of the table cannot be read ({engine_reason(error)})"
        if REFUSED.search(" ".join(str(error).split())):
            return UserError(f"{said}; the files may be well: mend that and try again")
        if not any(other.name > manifest.name for other in manifest.parent.glob("*.manifest")):
            return UserError(f"{said}, and there is none before it; if it stays so, embed into an empty folder")
        return UserError(f"{said}; after a power cut, removing {manifest} goes back to the version before")


def _present(table: Any, keys: list[str]) -> list[str]:
    """Which of the keys the table has."""
    query = table.search().select([KEY])
    found = (query.where(key_filter(keys)) if len(keys) <= FEW else query).to_arrow().column(KEY).to_pylist()
    return sorted(set(keys).intersection(found))
