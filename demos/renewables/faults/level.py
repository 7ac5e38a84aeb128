"""The level of a performance ratio over days, and sensor drift, which lifts it."""

from __future__ import annotations

import math

from demos.renewables.faults.alarm import Kind
from demos.renewables.faults.config import PvDetectorConfig


class LevelWatch:
    """An EWMA of the daily median log ratio, held against 0, which training made its level.

    Single odd days count for no more than `level_step`: a day is judged by its neighbours.
    Source: Lucas and Saccucci, Technometrics 32 (1990), with winsorised innovations.
    """

    __slots__ = ("armed", "config", "mean", "since")

    def __init__(self, config: PvDetectorConfig) -> None:
        self.config = config
        self.mean = 0.0
        self.since = math.nan
        self.armed = True

    def fits(self, value: float) -> bool:
        """Whether a day is near enough to the level to count at all."""
        return abs(value - self.mean) <= self.config.level_outlier

    def update(self, at: float, value: float, share: float = 1.0) -> tuple[Kind, float, str] | None:
        """value: the day's median of log(measured / expected). Returns (kind, first seen, text) when one is raised."""
        config = self.config
        innovation = max(-config.level_step, min(config.level_step_up, value - self.mean))
        self.mean += config.level_weight * share * innovation
        if abs(self.mean) < 0.01 or math.isnan(self.since):
            self.since = at
        if self.mean < 0.4 * config.drift_rise:
            self.armed = True
        if self.armed and self.mean > config.drift_rise:
            self.armed = False
            return "drift", self.since, f"clear days {100 * (math.exp(self.mean) - 1):.1f} % above their usual"
        return None
