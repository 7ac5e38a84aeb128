"""The user's own texts: a CSV with a column of texts and one of labels; a row without a label is an unlabelled text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from demos.coevolution.deploy.runtime import usable
from shared.errors import UserError

LABELS = {"positive": 1, "negative": 0, "1": 1, "0": 0}
LEAST = 40  # texts of each label: a fifth of them tests
SHOWN = 30  # letters of what was found where it is not understood


@dataclass(frozen=True)
class Own:
    """texts: different ones; labels: of each 1, 0 or None."""

    texts: list[str]
    labels: list[int | None]


def read(file: Path, text_column: str, label_column: str) -> Own:
    """All rows, a text that comes twice once. Raises UserError with the row and the column of what cannot be used."""
    rows = _rows(file)
    head = rows[0]
    for column in (text_column, label_column):
        if column not in head:
            raise UserError(f"{file}: no column {column!r}; there are: {', '.join(head)}")
    found: dict[str, int | None] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise UserError(f"{file}, row {number}: {len(row)} fields, where the first row has {len(head)}")
        fields = dict(zip(head, row, strict=True))
        try:
            text = usable(fields[text_column])
        except UserError as error:
            raise UserError(f"{file}, row {number}, column {text_column}: {error}") from None
        label = _label(fields[label_column], f"{file}, row {number}, column {label_column}")
        if text in found and label is not None and found[text] not in (None, label):
            raise UserError(f"{file}, row {number}: the same text as before, with another label")
        found[text] = found.get(text) if label is None else label
    counts = Counter(label for label in found.values() if label is not None)
    for name, label in list(LABELS.items())[:2]:
        if counts[label] < LEAST:
            raise UserError(f"{file}: {counts[label]} different texts are {name}; {LEAST} of each label are needed")
    return Own(list(found), list(found.values()))


def _rows(file: Path) -> list[list[str]]:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{file}, line {line}: not in UTF-8; save it as UTF-8 CSV") from None
    limit = csv.field_size_limit(len(raw) + 1)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise UserError(f"{file} is no CSV: {error}") from None
    finally:
        csv.field_size_limit(limit)
    if not rows:
        raise UserError(f"{file} is empty")
    return rows


def _label(given: str, where: str) -> int | None:
    if not given.strip():
        return None
    label = LABELS.get(given.strip().lower())
    if label is None:
        shown = given if len(given) <= SHOWN else given[: SHOWN - 1] + "…"
        raise UserError(f"{where}: {shown!r} is no label; it is one of {', '.join(LABELS)}, or nothing")
    return label
