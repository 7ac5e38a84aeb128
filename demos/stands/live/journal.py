"""What was decided after each event of a day, one JSON line each, on the disk before it counts.

The first line says of which config, day and plan the journal is. Each line ends with a checksum of itself, so a last
line that a crash tore is told from a whole one, and dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if sys.platform != "win32":
    import fcntl

from demos.stands.live.events import Event
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig
    from demos.stands.turns import Turns

CHECK = "check"


@dataclass(frozen=True)
class Entry:
    """One decision. event: kind and fields; changes: (turn, position of its stand); seconds: that it took."""

    event: dict[str, Any]
    changes: list[tuple[int, int]]
    seconds: float


class Journal:
    """Entries in a file, the earlier ones read back; open it with `open_journal`."""

    def __init__(self, stream: IO[bytes], entries: list[Entry]) -> None:
        self.stream, self.entries = stream, entries

    def add(self, entry: Entry) -> None:
        """Write one more; returns when it is on the disk."""
        _write(self.stream, asdict(entry))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()


def as_record(event: Event) -> dict[str, Any]:
    """An event as JSON has it: its kind and its fields."""
    return json.loads(json.dumps({"kind": type(event).__name__, **asdict(event)}))


def header_of(turns: Turns, config: StandsConfig, plan: NDArray[Any]) -> dict[str, Any]:
    """What a journal is of. Where it lies and what is measured beside it change no decision."""
    settings = config.model_dump(mode="json", exclude={"mode", "days", "evaluation", "device"})
    for beside in ("journal", "afresh_every"):
        settings["live"].pop(beside)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return {"config": digest, "seed": config.seed, "day": turns.day.isoformat(), "plan": plan.tolist()}


def open_journal(path: Path, header: dict[str, Any]) -> Journal:
    """A new journal, or the one at `path` to be continued after its last whole line.

    Raises UserError when it is of another config, day or plan, when a line before the last is damaged, or when it
    cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    except OSError as error:
        raise UserError(f"{path}: the journal cannot be written ({error.strerror})") from None
    try:
        _lock(path, stream)
        stream.seek(0)
        data = stream.read()
        records, good = _read(path, data)
        _require_fit(path, header, records, data)
        stream.truncate(good)
        if not records:
            _write(stream, header)
    except BaseException:
        stream.close()
        raise
    entries = [Entry(one["event"], [(a, b) for a, b in one["changes"]], one["seconds"]) for one in records[1:]]
    return Journal(stream, entries)


def _lock(path: Path, stream: IO[bytes]) -> None:
    """Of a run that was killed a worker may still write. The lock goes with the process that holds it."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{path}: another run is writing this journal; wait for it, or end it") from None


def _require_fit(path: Path, header: dict[str, Any], records: list[dict[str, Any]], data: bytes) -> None:
    if records:
        other = [name for name, value in header.items() if records[0].get(name) != value]
        if other:
            raise UserError(f"{path}: the journal is of another {', '.join(other)}; choose another live.journal")
    elif not _line(header).startswith(data):
        raise UserError(f"{path}: is no journal of this day, and is left alone; choose another live.journal")


def require_same(path: Path, entries: Sequence[Entry], events: Sequence[Event]) -> None:
    """Raises UserError when a journal has other events than the day, or more of them."""
    if len(entries) > len(events):
        raise UserError(f"{path}: {len(entries)} events, and the day has {len(events)}")
    for line, (entry, event) in enumerate(zip(entries, events, strict=False), start=2):
        if entry.event != as_record(event):
            raise UserError(f"{path}: line {line} is {entry.event}, and the day has {as_record(event)}")


def _write(stream: IO[bytes], record: dict[str, Any]) -> None:
    stream.write(_line(record))
    stream.flush()
    os.fsync(stream.fileno())


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record)
    return f'{text[:-1]}, "{CHECK}": {zlib.crc32(text.encode())}}}\n'.encode()


def _read(path: Path, data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The records, and how many bytes of the file are whole lines."""
    records: list[dict[str, Any]] = []
    good = 0
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        record = _parsed(line)
        if record is None:
            if number < len(lines):
                raise UserError(f"{path}: line {number} is damaged, and more lines follow it")
            break
        records.append(record)
        good += len(line)
    return records, good


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        del record[CHECK]
        return record if _line(record) == line else None
    except (ValueError, KeyError, TypeError):
        return None
