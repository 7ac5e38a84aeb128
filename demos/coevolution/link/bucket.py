"""A slow link, where the system may not be asked to shape one: a process in between that lets bytes through as a token
bucket does, both ways through one bucket, as over one radio."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

CHUNK = 1500  # bytes at once: what a packet holds


class Bucket:
    """rate: bytes a second; burst: bytes that may go at once after a pause."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._tokens, self._last, self._lock = burst, time.monotonic(), threading.Lock()

    def take(self, count: int) -> None:
        """Wait until `count` bytes may go."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.burst, self._tokens + (now - self._last) * self.rate) - count
            self._last = now
            wait = -self._tokens / self.rate
        if wait > 0:
            time.sleep(wait)


class Proxy:
    """Listens on `port` and passes on to `to`, on this machine, through a bucket."""

    def __init__(self, to: int, bucket: Bucket) -> None:
        self.to, self.bucket = to, bucket
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := one.recv(CHUNK):
                self.bucket.take(len(part))
                other.sendall(part)
        for side in (one, other):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()
