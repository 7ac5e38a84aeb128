"""The user's own rows: a CSV or Parquet file with a column of owners, a label and features whose ranges are stated."""

from __future__ import annotations

import hashlib
import lzma
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.private_training.data import manifest
from demos.private_training.flights.lots import identities
from demos.private_training.flights.rows import FILE, Rows, one_hot
from shared.data import uses
from shared.errors import UserError
from shared.names import did_you_mean
from shared.result import DataUse

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from demos.private_training.config import FlightsSection

# What pandas and its packers raise for a file that is not what its name says, or is packed in an unknown way.
UNREADABLE = (ValueError, OSError, EOFError, ImportError, NotImplementedError, zipfile.BadZipFile, lzma.LZMAError)
FEWEST = 100  # units; with fewer, noise that hides one hides all


def read(flights: FlightsSection) -> Rows:
    """The rows of `flights.file`. Raises UserError, with row and column, for what cannot be used."""
    if flights.file is None:
        raise ValueError("no file is named")
    path = flights.file.expanduser()
    if not path.is_file():
        raise UserError(f"flights.file: {path}: no such file")
    words = {flights.unit, *flights.categories}
    table = _table(path, words)
    for name in (flights.unit, flights.label, *flights.ranges, *flights.categories):
        if name not in table:
            raise UserError(f"{path}: column {name!r} is missing{did_you_mean(name, table.columns)}")
    if table.empty:
        raise UserError(f"{path}: no rows")
    for name in words:
        _refuse(path, table, name, table[name].isna() | (table[name].str.strip() == ""), "must not be empty")
    labels = _numbers(path, table, flights.label, "must be 0 or 1")
    _refuse(path, table, flights.label, ~labels.isin([0, 1]), "must be 0 or 1")
    names, owners = np.unique(table[flights.unit].str.strip().to_numpy(dtype=str), return_inverse=True)
    if len(names) < FEWEST:
        raise UserError(f"{path}: column {flights.unit!r} names {len(names)} units; {FEWEST} are needed at least")
    if labels.nunique() == 1:
        raise UserError(
            f"{path}: column {flights.label!r} is {labels.iloc[0]:g} in all rows; there is nothing to learn"
        )
    inputs = _inputs(path, table, flights)
    return Rows(owners.astype(np.int64), labels.to_numpy(dtype=np.int64), inputs, identities(names))


def used(flights: FlightsSection, rows: Rows) -> list[DataUse]:
    """Provenance of the departures, or of the user's file."""
    if flights.file is None:
        return uses(manifest(), FILE)
    path = flights.file.expanduser()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    version, licence = "user's file", "user's own"
    return [DataUse(name=path.name, version=version, sha256=digest, licence=licence, rows=len(rows.labels))]


def _table(path: Path, words: set[str]) -> pd.DataFrame:
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
            # A missing value stays one.
            return table.astype({name: "string" for name in words if name in table})
        # Only an empty cell is missing: "NA" may be somebody.
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(words, "string"))
    except (*UNREADABLE, pd.errors.ParserError) as error:
        raise UserError(f"{path}: cannot be read as {path.suffix or 'CSV'}: {' '.join(str(error).split())}") from None


def _inputs(path: Path, table: pd.DataFrame, flights: FlightsSection) -> NDArray[np.float32]:
    """(n, d): numbers put on -1 to 1 by their stated ranges, words as a one among the stated values; rows no longer
    than 1."""
    groups = len(flights.ranges) + len(flights.categories)
    columns = []
    for name, (least, greatest) in flights.ranges.items():
        numbers = _numbers(path, table, name, "must be a number").clip(least, greatest)
        columns.append((2 * (numbers - least) / (greatest - least) - 1).to_numpy(dtype=np.float32) * groups**-0.5)
    parts = [np.stack(columns, axis=1)] if columns else []
    if flights.categories:
        places = [
            (
                pd.Index([value.strip() for value in known])
                .get_indexer(pd.Index(table[name].str.strip()))
                .astype(np.int64),
                len(known),
            )
            for name, known in flights.categories.items()
        ]
        parts.append(one_hot(places) * np.float32((len(places) / groups) ** 0.5))
    return np.concatenate(parts, axis=1)


def _places(words: pd.Series, known: list[str]) -> NDArray[np.int64]:
    index = pd.Index([word.strip() for word in known])
    return index.get_indexer(pd.Index(words.str.strip())).astype(np.int64)


def _numbers(path: Path, table: pd.DataFrame, name: str, rule: str) -> pd.Series:
    kind = table[name].dtype
    if not (
        pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_string_dtype(kind) or pd.api.types.is_object_dtype(kind)
    ):
        raise UserError(f"{path}: column {name!r} is of the type {kind}; each value {rule}")
    numbers = pd.to_numeric(table[name].map(_single), errors="coerce").astype(float)
    _refuse(path, table, name, ~np.isfinite(numbers), rule)
    return numbers


def _single(value: object) -> object:
    """A list or other container is none of the numbers that pandas would look for in it."""
    return value if pd.api.types.is_scalar(value) else None


def _refuse(path: Path, table: pd.DataFrame, column: str, wrong: pd.Series, rule: str) -> None:
    """Raise on the first row where `wrong`; rows count from 1 after the header."""
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        more = f" (rows with this fault: {int(wrong.sum())})" if wrong.sum() > 1 else ""
        value = table[column].iloc[at]
        given = "nothing" if pd.api.types.is_scalar(value) and pd.isna(value) else repr(str(value))
        raise UserError(f"{path}: row {at + 1}, column {column!r}: got {given}, {rule}{more}")
