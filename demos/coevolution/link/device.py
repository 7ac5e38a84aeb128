"""The device's side: it answers what it is sure of, asks the cloud for the rest, and goes on when it is cut off."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from demos.coevolution.deploy.runtime import Student, usable
from demos.coevolution.link.feedback import Queue
from demos.coevolution.link.messages import Wire

Mode = Literal["device", "cloud", "cascade"]
PATIENCE = 5.0  # seconds that an answer of the cloud may take
SPUN = 2e-4  # seconds
PAUSE = 2.0  # seconds in which a link that failed is not tried again


@dataclass(frozen=True)
class Answer:
    """positive: its probability; by: who said it; seconds: until it was there; bytes: that went over the link."""

    positive: float
    by: Literal["device", "cloud"]
    seconds: float
    bytes: int


class OnDevice:
    """border: confidence below which a cascade asks the cloud, .5 to 1; port: of the cloud, on this machine; patience:
    as PATIENCE; share: of a core that it has, above 0 to 1: it takes as long for what it computes as one so much slower
    would."""

    def __init__(
        self,
        version: Path,
        queue: Path,
        port: int,
        mode: Mode,
        border: float,
        patience: float = PATIENCE,
        share: float = 1.0,
    ) -> None:
        self.student = Student(version)
        self.queue = Queue(queue)
        self.port, self.mode, self.border, self.patience, self.share = port, mode, border, patience, share
        self._wire: Wire | None = None
        self._rest_until = 0.0

    def answer(self, text: str) -> Answer:
        """What the small model says, or the large one where it is asked and can be. Raises UserError for what is no
        text."""
        start, computed = time.perf_counter(), time.thread_time()
        positive, by, count = self._answered(text)
        _wait((time.thread_time() - computed) * (1 / self.share - 1))
        return Answer(positive, by, time.perf_counter() - start, count)

    def _answered(self, text: str) -> tuple[float, Literal["device", "cloud"], int]:
        own, count = None, 0
        if self.mode != "cloud":
            own = self.student(text)["positive"]
        if own is None or (self.mode == "cascade" and max(own, 1 - own) < self.border):
            theirs, count = self._ask(usable(text))
            if theirs is not None:
                return theirs, "cloud", count
        if own is None:
            own = self.student(text)["positive"]
        return own, "device", count

    def _ask(self, text: str) -> tuple[float | None, int]:
        wire = self._connected()
        if wire is None:
            return None, 0
        before = wire.sent + wire.received
        try:
            wire.send({"ask": text})
            said = wire.receive().get("odds")
        except (OSError, ValueError):
            self._hang_up()
            return None, wire.sent + wire.received - before
        return (float(said) if said is not None else None), wire.sent + wire.received - before

    def say(self, text: str, rating: int) -> None:
        """A person's word on a text: it is kept here until it has arrived. Raises UserError for what is no text."""
        self.queue.put(usable(text), rating)

    def send_feedback(self) -> int:
        """Send what is kept, as far as the link allows; how many have arrived."""
        arrived = 0
        while words := self.queue.oldest():
            wire = self._connected()
            if wire is None:
                break
            try:
                wire.send({"said": [[word.identity, word.text, word.rating] for word in words]})
                kept = [str(each) for each in wire.receive().get("kept", [])]
            except (OSError, ValueError):
                self._hang_up()
                break
            if not kept:
                break
            self.queue.forget(kept)
            arrived += len(kept)
        return arrived

    def _connected(self) -> Wire | None:
        if self._wire is None and time.monotonic() >= self._rest_until:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=self.patience)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._wire = Wire(connection)
            except OSError:
                self._rest_until = time.monotonic() + PAUSE
        return self._wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.close()
        self._wire, self._rest_until = None, time.monotonic() + PAUSE

    def close(self) -> None:
        """Hang up, and let go of the queue's file; what is in it stays there."""
        self._hang_up()
        self.queue.close()


def _wait(seconds: float) -> None:
    """Sleep, and for the last part, which a sleep would overshoot, spin."""
    until = time.perf_counter() + seconds
    if seconds > SPUN:
        time.sleep(seconds - SPUN)
    while time.perf_counter() < until:
        pass
