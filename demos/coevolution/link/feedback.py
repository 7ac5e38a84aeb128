"""What people said, on its way to the cloud: it is on the disk before it counts as given, it stays there until the
cloud has said that it keeps it, and the cloud keeps each once, however often it comes.

Both sides are SQLite, which loses nothing that was committed when a process is killed or, with full synchronisation,
when the machine goes down.
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path

BATCH = 50  # at once over the link
BATCH_BYTES = 200_000  # of their texts, which a message must hold


@dataclass(frozen=True)
class Said:
    """identity: of this word, for good; text: what it was about; rating: -4 to 4."""

    identity: str
    text: str
    rating: int


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS said (number INTEGER PRIMARY KEY, identity TEXT UNIQUE NOT NULL, "
        "text TEXT NOT NULL, rating INTEGER NOT NULL)"
    )
    return connection


class Queue:
    """The device's side."""

    def __init__(self, file: Path) -> None:
        self._base = _opened(file)

    def put(self, text: str, rating: int) -> str:
        """Keep a word until it has arrived; its identity."""
        identity = uuid.uuid4().hex
        self._base.execute("INSERT INTO said (identity, text, rating) VALUES (?, ?, ?)", (identity, text, rating))
        return identity

    def oldest(self, count: int = BATCH) -> list[Said]:
        """The first ones, at most `count` and as many as a message holds, one at least."""
        rows = self._base.execute("SELECT identity, text, rating FROM said ORDER BY number LIMIT ?", (count,))
        found: list[Said] = []
        size = 0
        for word in (Said(*row) for row in rows):
            size += len(word.text.encode())
            if found and size > BATCH_BYTES:
                break
            found.append(word)
        return found

    def forget(self, identities: list[str]) -> None:
        """These have arrived."""
        with self._base:
            self._base.executemany("DELETE FROM said WHERE identity = ?", [(each,) for each in identities])

    def __len__(self) -> int:
        return int(self._base.execute("SELECT COUNT(*) FROM said").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()


class Kept:
    """The cloud's side."""

    def __init__(self, file: Path) -> None:
        self._base = _opened(file)

    def keep(self, words: list[Said]) -> list[str]:
        """Identities of all of them, now that each is on the disk, once."""
        self._base.execute("BEGIN IMMEDIATE")
        self._base.executemany(
            "INSERT OR IGNORE INTO said (identity, text, rating) VALUES (?, ?, ?)",
            [(word.identity, word.text, word.rating) for word in words],
        )
        self._base.execute("COMMIT")
        return [word.identity for word in words]

    def all(self) -> list[Said]:
        """In the order in which they came."""
        return [Said(*row) for row in self._base.execute("SELECT identity, text, rating FROM said ORDER BY number")]

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()
