"""The words of a picture: captions and further facts, from a file beside it or from the tables HF's imagefolder has."""

from __future__ import annotations

import csv
import json
import posixpath
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.corpus.items import Problem, shown
from shared.corpus.pictures import Reason

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
CAPTION_COLUMNS = ("caption", "text")
# Characters kept of a caption or a fact: no text tower reads more, and a table of a million rows has to fit.
MAX_TEXT = 4096
MAX_BYTES = 2**22
Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Words:
    """What is said about a picture; `more` holds everything but the caption, as text."""

    caption: str | None = None
    more: dict[str, str] = field(default_factory=dict)


def from_mapping(facts: Mapping[str, Any]) -> Words:
    """Words of a JSON object or a table row: `caption`, else `text`, is the caption where it is a text.

    >>> from_mapping({"text": " a cat ", "width": 3, "tags": ["x", "y"], "none": None})
    Words(caption='a cat', more={'width': '3', 'tags': '["x", "y"]'})
    """
    caption, more = None, {}
    for name in sorted(facts, key=lambda name: name not in CAPTION_COLUMNS):
        value = facts[name]
        if name in CAPTION_COLUMNS and caption is None and isinstance(value, str):
            caption = clean(value)
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            more[clean(str(name)) or "unnamed"] = clean(text) or ""
    return Words(caption, more)


def clean(text: str) -> str | None:
    """Stripped, at most MAX_TEXT characters, storable as UTF-8; None when nothing is left."""
    text = text.strip()[:MAX_TEXT]
    return text.encode("utf-8", "replace").decode("utf-8") or None


def decoded(data: bytes) -> str:
    """Text of a file: UTF-8 with or without its mark, UTF-16 with it. Raises ValueError for anything else."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")


def from_text(data: bytes, report: Callable[[str], None]) -> Words:
    """Words of a `.txt`: all of it is the caption. What is no UTF-8 is reported and read as Latin-1."""
    try:
        return Words(clean(decoded(data)))
    except ValueError:
        report("neither UTF-8 nor UTF-16; read as Latin-1")
        return Words(clean(data.decode("latin-1")))


def from_json(data: bytes, report: Callable[[str], None]) -> Words:
    """Words of a `.json` object; nothing, and reported, when it is none."""
    try:
        facts = json.loads(decoded(data))
    except (ValueError, RecursionError) as error:
        report(f"no JSON: {error}"[:200])
        return Words()
    if not isinstance(facts, dict):
        report(f"a JSON object is expected, got {type(facts).__name__}")
        return Words()
    return from_mapping(facts)


def read_metadata(file: Path, report: Report) -> Iterator[tuple[int, str, Words]]:
    """(line or row from 1, file name as `canonical`, words) of each row of a metadata.jsonl, .csv or .parquet.

    report: is told (place, detail) of a row that cannot be used; it never ends the reading of the rows after it.
    """
    read = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}[file.suffix]
    try:
        for line, facts in read(file, report):
            name = facts.pop("file_name", None)
            if not isinstance(name, str) or not name.strip():
                report(f"{file.name}:{line}", "no file_name")
            else:
                yield line, canonical(name), from_mapping(facts)
    except Exception as error:
        # pyarrow and csv answer a damaged file with errors of their own.
        report(file.name, f"{type(error).__name__}: {error}".splitlines()[0][:200])


def canonical(name: str) -> str:
    """A relative path to be compared: "/" between folders, no "." or "..", composed letters (macOS writes others), and
    no half characters, which JSON may hold: as `shown` where they stand for bytes, else "?".

    >>> canonical("train\\\\./a/../cat.png")
    'train/cat.png'
    """
    try:
        name = shown(name)
    except UnicodeEncodeError:
        name = name.encode("utf-8", "replace").decode("utf-8")
    return posixpath.normpath(unicodedata.normalize("NFC", name.replace("\\", "/")))


def _jsonl(file: Path, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                facts = json.loads(decoded(line))
            except (ValueError, RecursionError) as error:
                report(f"{file.name}:{number}", f"no JSON: {error}"[:200])
                continue
            if isinstance(facts, dict):
                yield number, facts
            else:
                report(f"{file.name}:{number}", f"a JSON object is expected, got {type(facts).__name__}")


def _csv(file: Path, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        if "file_name" not in (rows.fieldnames or ()):
            report(file.name, f"no column file_name among {', '.join(rows.fieldnames or ()) or 'nothing'}"[:200])
            return
        for facts in rows:
            if facts.pop(None, None) is not None:
                report(f"{file.name}:{rows.line_num}", "more cells than columns; those were left out")
            yield rows.line_num, facts


def _parquet(file: Path, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
    from pyarrow import parquet

    with parquet.ParquetFile(file) as table:
        if "file_name" not in table.schema_arrow.names:
            report(file.name, f"no column file_name among {', '.join(table.schema_arrow.names)}"[:200])
            return
        row = 0
        for batch in table.iter_batches(1024):
            for facts in batch.to_pylist():
                row += 1
                yield row, facts


def problem_of(problems: list[Problem], file: str) -> Callable[[str], None]:
    """A reporter of faults in the words of `file`."""
    return lambda detail: problems.append(Problem(file, Reason.METADATA, detail))
