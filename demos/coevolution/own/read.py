"""The user's own texts: a CSV with a column of texts and one of labels; a row without a label is an unlabelled text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from demos.coevolution.deploy.runtime import usable
from demos.coevolution.splits import without_near_duplicates
from shared.errors import UserError

LABELS = {"positive": 1, "negative": 0, "1": 1, "0": 0}
LEAST = 40  # texts of each label: a fifth of them tests
SHOWN = 30  # letters of what was found where it is not understood


@dataclass(frozen=True)
class Own:
    """texts: different ones, no near-duplicates; labels: of each 1, 0 or None."""

    texts: list[str]
    labels: list[int | None]


def read(file: Path, text_column: str, label_column: str) -> Own:
    """All rows, a text that comes twice once. Raises UserError with the line and the column of what cannot be used."""
    (_, head), *rows = _rows(file)
    for column in (text_column, label_column):
        if column not in head:
            raise UserError(f"{file}: no column {column!r}; there are: {', '.join(head)}")
        if head.count(column) > 1:
            raise UserError(f"{file}: the column {column!r} is there {head.count(column)} times")
    found: dict[str, int | None] = {}
    for number, row in rows:
        if len(row) != len(head):
            raise UserError(f"{file}, line {number}: {len(row)} fields, where the first row has {len(head)}")
        fields = dict(zip(head, row, strict=True))
        try:
            text = usable(fields[text_column])
        except UserError as error:
            raise UserError(f"{file}, line {number}, column {text_column}: {error}") from None
        label = _label(fields[label_column], f"{file}, line {number}, column {label_column}")
        if text in found and label is not None and found[text] not in (None, label):
            raise UserError(f"{file}, line {number}: the same text as before, with another label")
        found[text] = found.get(text) if label is None else label
    return _without_near_duplicates(file, Own(list(found), list(found.values())))


def _without_near_duplicates(file: Path, given: Own) -> Own:
    """Of texts that are alike the first, or the first with a label. Raises UserError when too few are left."""
    # Those with a label first: of two that are alike, the first one stays.
    order = sorted(range(len(given.texts)), key=lambda place: given.labels[place] is None)
    kept = sorted(order[place] for place in without_near_duplicates([given.texts[place] for place in order]))
    counts = Counter(given.labels[place] for place in kept)
    for name, label in list(LABELS.items())[:2]:
        if counts[label] < LEAST:
            raise UserError(
                f"{file}: {counts[label]} texts are {name} and no near-duplicates; {LEAST} of each label are needed"
            )
    return Own([given.texts[place] for place in kept], [given.labels[place] for place in kept])


def _rows(file: Path) -> list[tuple[int, list[str]]]:
    """Each with the line of the file on which it ends."""
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
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num}: this is no CSV: {error}") from None
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
