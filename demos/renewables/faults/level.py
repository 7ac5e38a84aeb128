"""Slow changes of a performance ratio: soiling (down, slowly, up at once with rain) and sensor drift (up, or both)."""

from __future__ import annotations

import math

from demos.renewables.faults.alarm import Kind
from demos.renewables.faults.config import PvDetectorConfig


class LevelWatch:
    """An EWMA of the daily median log ratio, held against 0, which training made its level.

    Single odd days count for no more than `level_step`: a day is judged by its neighbours.
    Source: Lucas and Saccucci, Technometrics 32 (1990), with winsorised innovations.
    """

    __slots__ = ("armed_high", "armed_low", "config", "mean", "since")

    def __init__(self, config: PvDetectorConfig) -> None:
        self.config = config
        self.mean = 0.0
        self.since = math.nan
        self.armed_low = self.armed_high = True

    def update(self, at: float, value: float, share: float = 1.0) -> tuple[Kind, float, str] | None:
        """value: the day's median of log(measured / expected). Returns (kind, first seen, text) when one is raised."""
        config = self.config
        if abs(value - self.mean) > config.level_outlier:
            return None
        innovation = max(-config.level_step, min(config.level_step_up, value - self.mean))
        self.mean += config.level_weight * share * innovation
        if abs(self.mean) < 0.01 or math.isnan(self.since):
            self.since = at
        if self.mean > -0.4 * config.soiling_drop:
            self.armed_low = True
        if self.mean < 0.4 * config.drift_rise:
            self.armed_high = True
        if self.armed_low and self.mean < -config.soiling_drop:
            self.armed_low = False
            return (
                "soiling",
                self.since,
                f"clear-day performance {100 * (1 - math.exp(self.mean)):.1f} % below its usual",
            )
        if self.armed_high and self.mean > config.drift_rise:
            self.armed_high = False
            return "drift", self.since, f"clear days {100 * (math.exp(self.mean) - 1):.1f} % above their usual"
        return None
