"""What comes in before anything is judged: order, doubles, gaps, missing values. A few numbers of state."""

from __future__ import annotations

import math

from demos.renewables.faults.alarm import Alarm

GAP_SAMPLES = 4
DAY = 86400.0


class Intake:
    """Decides which samples are judged, and says in an alarm why one is not."""

    __slots__ = ("_bad_clock", "_missing", "_missing_since", "_stray", "_strays", "last", "step", "system")

    def __init__(self, system: str, minutes: float) -> None:
        self.system = system
        self.step = 60.0 * minutes
        self.last = -math.inf
        self._missing = 0
        self._missing_since = 0.0
        self._bad_clock = False
        self._stray, self._strays = math.nan, 0

    def admit(self, seconds: float, value: float, alarms: list[Alarm]) -> tuple[bool, bool]:
        """(judge this sample, the stream is unbroken since the last judged one).

        seconds: start of the interval since 1970 UTC; value: the main channel, NaN where missing. Appends to alarms.
        """
        known = math.isfinite(self.last)
        if not math.isfinite(seconds) or (known and (seconds <= self.last or (seconds - self.last) % self.step)):
            if not self._moved(seconds, alarms):
                self._clock(seconds, alarms)
                return False, False
            self.last = seconds - self.step
            self._missing = max(self._missing, 1)
        self._bad_clock, self._strays = False, 0
        skipped = 0 if self.last == -math.inf else round((seconds - self.last) / self.step) - 1
        previous, self.last = self.last, seconds
        if skipped and not self._missing:
            self._missing_since = previous + self.step
        before = self._missing
        self._missing = before + skipped
        if not math.isfinite(value):
            if not self._missing:
                self._missing_since = seconds
            self._missing += 1
        if before < GAP_SAMPLES <= self._missing:
            hours = self._missing * self.step / 3600
            text = f"no usable value for {hours:.1f} h"
            alarms.append(Alarm(self.system, "stream", "gap", self._missing_since, seconds, hours, 0.0, "h", text))
        if not math.isfinite(value):
            return False, False
        unbroken = self._missing == 0
        self._missing = 0
        return True, unbroken

    def _moved(self, seconds: float, alarms: list[Alarm]) -> bool:
        """Whether the clock itself has moved: stamps keep coming a step apart, but not on the old grid.

        Else one wrong stamp, off the grid or years ahead, would silence the stream for good. Late stamps on the grid
        may be a buffer that a logger sends afterwards: they have to go on for a day with nothing newer in between.
        """
        self._strays = self._strays + 1 if seconds - self._stray == self.step else 1
        self._stray = seconds
        late = seconds <= self.last and (seconds - self.last) % self.step == 0
        if self._strays < (max(DAY / self.step, GAP_SAMPLES) if late else GAP_SAMPLES):
            return False
        minutes = (seconds - self.last) / 60
        text = f"{self._strays} stamps in a row off the old clock, {minutes:+.1f} min from its last: a new clock"
        alarms.append(Alarm(self.system, "stream", "disorder", seconds, seconds, minutes, 0.0, "min", text))
        return True

    def _clock(self, seconds: float, alarms: list[Alarm]) -> None:
        """The first of a row of bad stamps is worth an alarm, not each."""
        if self._bad_clock:
            return
        self._bad_clock = True
        at = self.last if math.isfinite(self.last) else 0.0
        behind = (at - seconds) / 60 if math.isfinite(seconds) else 0.0
        text = f"{behind:.1f} min before the last stamp, or off the grid"
        if seconds == self.last:
            alarms.append(Alarm(self.system, "stream", "duplicate", at, at, 0.0, 0.0, "min", "the stamp came before"))
        else:
            alarms.append(Alarm(self.system, "stream", "disorder", at, at, behind, 0.0, "min", text))
