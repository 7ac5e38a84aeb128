"""One version of an index in memory, and its copy in one Arrow file, which the next process maps."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.index.durable import leftovers
from demos.clip_retrieval.index.scan import Codes, ExactScan, encode

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT = 1  # of the file; another one is built anew
KEY, VECTOR, CODE = "key", "vector", "code"


@dataclass(frozen=True)
class Snapshot:
    """version: of the table; rows: all columns but the vectors, sorted by key; scan: over the vectors in that order, so
    that equal scores come by key."""

    version: int
    rows: pa.Table
    scan: ExactScan


def build(version: int, table: pa.Table, threads: int | None = None) -> tuple[Snapshot, pa.Table]:
    """The snapshot of a table with columns `key` and `vector`, and what `write` keeps of it."""
    import pyarrow as pa

    table = table.sort_by(KEY).combine_chunks()
    vectors = as_matrix(table.column(VECTOR))
    codes = encode(vectors)
    facts = {
        "layout": LAYOUT,
        "version": version,
        "scale": codes.scale,
        "residual": codes.residual,
        "norm": codes.norm,
    }
    code = pa.FixedSizeListArray.from_arrays(pa.array(codes.code.ravel()), vectors.shape[1])
    kept = table.append_column(CODE, code).replace_schema_metadata(
        {"snapshot": json.dumps(facts), "rotation": codes.rotation.tobytes()}
    )
    return Snapshot(version, table.drop_columns([VECTOR]), ExactScan(vectors, codes, threads)), kept


def write(kept: pa.Table, file: Path) -> None:
    """Put the file in place in one move. A cache: it is not fsynced, and a disk that takes no more is no error."""
    import pyarrow as pa

    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    for path in leftovers(file):  # each as large as the file
        path.unlink(missing_ok=True)
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, kept.schema) as writer:
            writer.write_table(kept)
        temporary.replace(file)
    except OSError:
        # The index itself is read already: searching goes on, and the next process builds this again.
        pass
    finally:
        temporary.unlink(missing_ok=True)


def read(file: Path, version: int, threads: int | None = None) -> Snapshot | None:
    """The snapshot in a file, memory-mapped; None when there is none, or it is damaged or of another version."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(file)) as source:
            table = pa.ipc.open_file(source).read_all()
        facts = json.loads(table.schema.metadata[b"snapshot"])
        if (facts["layout"], facts["version"]) != (LAYOUT, version):
            return None
        vectors, code = as_matrix(table.column(VECTOR)), as_matrix(table.column(CODE), np.uint8)
        rotation = np.frombuffer(table.schema.metadata[b"rotation"], np.float32).reshape(2 * vectors.shape[1:])
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None
    codes = Codes(code, rotation, facts["scale"], facts["residual"], facts["norm"])
    return Snapshot(version, table.drop_columns([VECTOR, CODE]), ExactScan(vectors, codes, threads))


def as_matrix(column: pa.ChunkedArray, dtype: type[np.generic] = np.float32) -> np.ndarray:
    """A column of lists of d numbers of this type, none of them null, as (n, d); a view where it lies in one piece."""
    width = column.type.list_size
    pieces = []
    for chunk in column.chunks:
        numbers = chunk.flatten()
        # By hand: `to_numpy` would import pandas first, which takes longer than all the rest of a first search.
        whole = np.frombuffer(numbers.buffers()[1] or b"", dtype)
        pieces.append(whole[numbers.offset : numbers.offset + len(numbers)].reshape(-1, width))
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.empty((0, width), dtype)


def take(table: pa.Table, places: np.ndarray) -> pa.Table:
    """Rows of a table by their number (n,), int64. Also without `pyarrow.array`, which would import pandas."""
    import pyarrow as pa

    numbers = pa.py_buffer(np.ascontiguousarray(places, np.int64))
    return table.take(pa.Array.from_buffers(pa.int64(), len(places), [None, numbers]))
