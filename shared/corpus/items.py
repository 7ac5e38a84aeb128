"""What every form of corpus is made of: a picture that was found, where its bytes are, and what was passed over."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from shared.corpus.pictures import Reason, Unreadable

# Larger than any picture within the megapixels; a file is held in memory while it is decoded.
MAX_BYTES = 2**28


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that is passed over, or one fault beside it: a line of `skipped.csv`."""

    file: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of a picture are: a file, or `length` bytes from `offset` on in a tar."""

    path: str
    offset: int = 0
    length: int | None = None

    def read(self) -> bytes:
        """All bytes. Raises Unreadable where they cannot be read, are fewer than said, or more than MAX_BYTES."""
        try:
            with Path(self.path).open("rb") as file:
                size = os.fstat(file.fileno()).st_size if self.length is None else self.length
                if size > MAX_BYTES:
                    mebibytes = f"{size / 2**20:,.0f} MiB, more than {MAX_BYTES / 2**20:,.0f}"
                    raise Unreadable(Reason.TOO_LARGE, mebibytes)
                file.seek(self.offset)
                data = file.read(size)
        except OSError as error:
            raise Unreadable(Reason.UNREADABLE, error.strerror or type(error).__name__) from None
        if len(data) < size:
            raise Unreadable(Reason.BROKEN, "cut off while it was read")
        return data


@dataclass(frozen=True, slots=True)
class Item:
    """A picture that was found. key: its name within the corpus; sha256: of its bytes, "" before it was read."""

    key: str
    source: Source
    caption: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    sha256: str = ""


def shown(name: str) -> str:
    """A file name as text that can be stored: bytes that are no UTF-8 become `\\xff`.

    >>> shown("caf\\udce9.png")
    'caf\\\\xe9.png'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
