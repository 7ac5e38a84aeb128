"""Messages between device and cloud: a length in four bytes, and JSON in UTF-8. Bytes are counted on the way."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

LENGTH = struct.Struct(">I")
LARGEST = 1_000_000  # bytes of a message: what claims to be longer is none of ours


@dataclass
class Wire:
    """One connection. sent, received: bytes so far, without those of TCP and IP."""

    connection: socket.socket
    sent: int = 0
    received: int = 0

    def send(self, message: dict[str, Any]) -> None:
        """Raises OSError when the link is down."""
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        self.connection.sendall(LENGTH.pack(len(body)) + body)
        self.sent += LENGTH.size + len(body)

    def receive(self) -> dict[str, Any]:
        """Raises OSError when the link is down, ValueError for what is no message."""
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > LARGEST:
            raise ValueError(f"a message of {length} bytes")
        body = json.loads(self._exactly(length))
        self.received += LENGTH.size + length
        if not isinstance(body, dict):
            raise ValueError("a message that is no object")
        return body

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.connection.recv(count - len(parts))
            if not part:
                raise ConnectionError("the other side is gone")
            parts += part
        return bytes(parts)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
