"""What an index says of itself: the format, the dimension and the encoder, in `index.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demos.clip_retrieval.index.durable import fsync
from shared.errors import UserError
from shared.run import write_atomically

FORMAT = 1
RECORD = "index.json"


def read_record(folder: Path) -> dict[str, Any]:
    """The record of the index in a folder, with `format`, `dimension`, `identity` and, of an index on disk, `nprobes`,
    `recall` and `built_rows`. Raises UserError when there is none, or it is damaged or of a newer format."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        known = {
            **record,
            "format": int(record["format"]),
            "dimension": int(record["dimension"]),
            "identity": str(record["identity"]),
        }
    except FileNotFoundError:
        raise UserError(f"{folder}: no index here ({RECORD} is missing); embed pictures into it first") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder / RECORD}: cannot be read as the record of an index") from None
    if known["format"] > FORMAT:
        raise UserError(f"{folder}: index of format {known['format']}, this one reads {FORMAT}; update trendlab")
    return known


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Put the record in place, and on the disk with the names of all that lies beside it."""
    write_atomically(folder / RECORD, json.dumps(record) + "\n")
    fsync(folder)
    fsync(folder.parent)
