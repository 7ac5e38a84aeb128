"""Parts that watch one channel: does it move at all, and does it read as its neighbours do?"""

from __future__ import annotations

import math


class StuckWatch:
    """Counts equal values in a row, and how far a reference has moved meanwhile.

    repeats: equal steps after which a channel is stuck if the reference has moved by at least `moved`; long_repeats:
    after which it is stuck whatever the reference does.
    """

    __slots__ = ("high", "long_repeats", "low", "moved", "repeats", "run", "since", "tolerance", "value")

    def __init__(self, repeats: int, moved: float, long_repeats: int, tolerance: float = 1e-6) -> None:
        self.repeats, self.moved, self.long_repeats, self.tolerance = repeats, moved, long_repeats, tolerance
        self.forget()

    def forget(self) -> None:
        """Start again after a break."""
        self.value, self.run, self.since = math.nan, 0, 0.0
        self.low = self.high = math.nan

    def update(self, seconds: float, value: float, reference: float) -> bool:
        """Whether the channel is stuck now. Not finite: no judgement, and the run starts again."""
        if not math.isfinite(value):
            self.forget()
            return False
        if not abs(value - self.value) <= self.tolerance * max(1.0, abs(value)):
            self.value, self.run, self.since = value, 0, seconds
            self.low = self.high = reference
            return False
        self.run += 1
        if math.isfinite(reference):
            self.low = reference if not self.low <= reference else self.low
            self.high = reference if not self.high >= reference else self.high
        apart = self.high - self.low
        return self.run >= self.long_repeats or (self.run >= self.repeats and apart >= self.moved)


class DailyMedian:
    """Collects log ratios of one day, at most `most` of them, and gives their median when the day is over."""

    __slots__ = ("day", "least", "most", "values")

    def __init__(self, least: int, most: int = 150) -> None:
        self.least, self.most = least, most
        self.day = -1
        self.values: list[float] = []

    def update(self, day: int, value: float) -> float | None:
        """value: NaN where nothing can be said. Returns yesterday's median once, if it had `least` values or more."""
        done: float | None = None
        if day != self.day:
            if len(self.values) >= self.least:
                ordered = sorted(self.values)
                done = ordered[len(ordered) // 2]
            self.day, self.values = day, []
        if math.isfinite(value) and len(self.values) < self.most:
            self.values.append(value)
        return done


class Latch:
    """Lets a lasting condition through once; it must be away for `rearm` seconds before it is let through again."""

    __slots__ = ("last", "rearm")

    def __init__(self, rearm: float) -> None:
        self.rearm = rearm
        self.last: dict[tuple[str, str], float] = {}

    def fires(self, key: tuple[str, str], at: float) -> bool:
        """Whether to raise now. To be called whenever the condition holds."""
        before = self.last.get(key, -math.inf)
        self.last[key] = at
        # A clock that was set back says nothing about how long the condition was away.
        return not 0 <= at - before <= self.rearm

    def release(self, key: tuple[str, str]) -> None:
        """The condition is over for certain: the next one is a new one."""
        self.last.pop(key, None)
