"""Rows on their way into an index, and conditions on their way to its engine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.clip_retrieval.index.snapshot import CODE, KEY, VECTOR, as_matrix
from shared.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

NORM_WITHIN = 1e-3  # of 1; vectors that were normalised in half precision are within 5e-4
RESERVED = {KEY, VECTOR, CODE, "_distance", "_score", "_rowid", "_rowaddr"}


def table_schema(dimension: int, metadata: pa.Schema) -> pa.Schema:
    """The columns of an index. Raises ValueError for a dimension below 1, and names that are ours or no words."""
    import pyarrow as pa

    if dimension < 1:
        raise ValueError(f"dimension must be 1 or more, got {dimension}")
    # The engine reads a dot as the way into a nested column.
    wrong = [name for name in metadata.names if name in RESERVED or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    if wrong or len(set(metadata.names)) < len(metadata.names):
        raise ValueError(f"metadata columns must be distinct words other than {sorted(RESERVED)}, got {metadata.names}")
    own = [
        pa.field(KEY, pa.string(), nullable=False),
        pa.field(VECTOR, pa.list_(pa.float32(), dimension), nullable=False),
    ]
    return pa.schema([*own, *metadata])


def as_rows(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with exactly the columns and types of `schema`.

    Raises ValueError for missing or unknown columns, types that do not convert, nulls, keys that are there twice, and
    vectors that are not finite or whose norm is not 1.
    """
    import pyarrow as pa

    if set(table.column_names) != set(schema.names) or table.num_columns != len(schema):
        raise ValueError(f"columns must be {schema.names}, got {table.column_names}")
    try:
        rows = table.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(f"columns do not convert to those of the index: {error}") from error
    if any(chunk.flatten().null_count for chunk in rows.column(VECTOR).chunks):
        raise ValueError("numbers of a vector must not be null")
    keys = rows.column(KEY).to_pylist()
    if len(set(keys)) < len(keys):
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"key {twice!r} is in the table more than once")
    require_unit(as_matrix(rows.column(VECTOR)), keys)
    return rows


def require_unit(vectors: np.ndarray, names: list[str] | None = None) -> None:
    """Raise ValueError when a row of (n, d) is not finite or its norm is not 1; names: of the rows, for the message."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= NORM_WITHIN))
    if len(wrong):
        first = names[wrong[0]] if names else int(wrong[0])
        raise ValueError(
            f"{len(wrong)} vector(s) are not of norm 1, such as that of {first!r} with {norms[wrong[0]]:g};"
            " divide them by their norm first"
        )


def query_matrix(queries: Any, dimension: int) -> np.ndarray:
    """Queries (q, d) or one (d,) as (q, d) float32. Raises ValueError for another d, or vectors not of norm 1."""
    found = np.atleast_2d(np.asarray(queries, np.float32))
    if found.ndim != 2 or found.shape[1] != dimension:
        raise ValueError(f"queries must be (q, {dimension}), got {np.shape(queries)}")
    require_unit(found)
    return np.ascontiguousarray(found)


def key_filter(keys: Iterable[str]) -> str:
    """An SQL condition that holds for the rows of these keys (at least one), whatever characters they have."""
    quoted = ", ".join("'" + key.replace("'", "''") + "'" for key in keys)
    return f"{KEY} IN ({quoted})"


def filter_error(where: str, error: Exception, schema: pa.Schema) -> UserError:
    """What is wrong with a condition, in one line."""
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema if field.name != VECTOR)
    return UserError(f"filter {where!r}: {engine_reason(error)}; columns are {columns}")


def engine_reason(error: Exception) -> str:
    """What the engine says, in at most 200 characters of one line, without its own paths."""
    reason = re.sub(r",?\s*/\S+\.rs:\d+(:\d+)?", "", " ".join(str(error).split()))
    return reason.removeprefix("lance error: ").removeprefix("Invalid input, ")[:200]
