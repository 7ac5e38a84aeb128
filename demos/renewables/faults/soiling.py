"""A slow loss of power that began on an unknown day: soiling, which rain resets."""

from __future__ import annotations

import math
from collections import deque

from demos.renewables.faults.config import PvDetectorConfig


class RampWatch:
    """The generalised likelihood ratio of a ramp in the daily log ratio, over each day of onset and a range of slopes.

    The healthy ratio is noise, the larger the fewer clear samples a day has, on a slow wander (weather, haze, season);
    a Kalman filter takes the wander out, and what a ramp would leave in its innovations is carried along for each day
    of onset, so that a day costs as much as there are onsets. Source: Willsky and Jones, IEEE Transactions on
    Automatic Control 21 (1976).
    """

    __slots__ = ("_day", "_onsets", "_variance", "_wander", "config", "known")

    def __init__(self, config: PvDetectorConfig) -> None:
        self.config = config
        self.known = 0.0  # of the loss, log: what was raised before and has not been washed off since
        self._restart()

    def _restart(self) -> None:
        self._wander, self._variance = 0.0, self.config.wander**2
        self._day = -1
        self._onsets: deque[list[float]] = deque(maxlen=self.config.soiling_window)

    def update(self, day: int, ratio: float, samples: int, level: float) -> tuple[int, float] | None:
        """(day of onset, slope [log a day]) when a ramp is raised; once raised, anew for as much loss again.

        day: number; ratio: log ratio of `samples` clear samples less its usual; level: moving mean of the ratio.
        """
        config = self.config
        # Rain or cleaning shows as a recovery of the level: the loss that was known is gone.
        self.known = min(0.0, max(self.known, level))
        passed = day - self._day if self._day >= 0 else 1
        if not 0 < passed <= config.soiling_window:
            self._restart()
            passed = 1
        self._day = day
        decay = math.exp(-passed / config.wander_days)
        wander = decay * self._wander
        variance = decay**2 * self._variance + config.wander**2 * (1 - decay**2)
        spread = variance + config.day_noise**2 / min(samples, config.day_full)
        gain = variance / spread
        bound = config.day_clip * math.sqrt(spread)
        innovation = max(-bound, min(bound, ratio - self.known - wander))
        self._wander, self._variance = wander + gain * innovation, (1 - gain) * variance
        found = self._likeliest(day, decay, gain, innovation, spread)
        if found is not None:
            self.known = min(self.known, level)
            self._restart()
        return found

    def _likeliest(
        self, day: int, decay: float, gain: float, innovation: float, spread: float
    ) -> tuple[int, float] | None:
        """Carry each onset's trace (day, filtered ramp, projection, energy) along; the best if it is convincing."""
        config = self.config
        self._onsets.append([float(day), 0.0, 0.0, 0.0])
        best, found = config.soiling_evidence, None
        for trace in self._onsets:
            expected = decay * trace[1]
            left = day + 0.5 - trace[0] - expected  # the middle of the day on a ramp of one a day
            trace[1] = expected + gain * left
            trace[2] -= left * innovation / spread
            trace[3] += left * left / spread
            slope = max(config.soiling_slowest, min(config.soiling_fastest, trace[2] / trace[3]))
            evidence = slope * trace[2] - 0.5 * slope * slope * trace[3]
            if evidence > best:
                best, found = evidence, (int(trace[0]), slope)
        return found
