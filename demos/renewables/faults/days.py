"""What the clear samples of a day say of a PV system: one ratio a day, less what the weather is known to do to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.pv import NO_EFFECTS, Effects, Expectation, PvSite, expected

if TYPE_CHECKING:
    import pandas as pd

DAY = 86400.0
YEAR = 365.2425
MOST_CLEAR = 96  # clear samples kept of one day; bounds the memory when a feed is faster than 15 min
MEMORY = 2 / 11  # weight of a day in the moving mean of the air's temperature: ten days or so
MOST_WARMER = 12.0  # K
LEAST_DAYS, LEAST_SPAN = 60, 330  # clear days, and days from first to last, without which no effect is learned
OUTLIER = 0.03  # of a day's log ratio, beyond which it counts less in the fit
RIDGE = 10.0  # in days: draws effects that few days speak for to 0
RECENT = 900.0 * 4  # s, within which two samples are neighbours


@dataclass(frozen=True, slots=True)
class Day:
    """One day. number: since 1970, local; ratio: median of log(measured / expected) of `samples` clear samples.

    warmer: its air over that of the last ten days [K]; clearness: median log clear-sky index of those samples.
    """

    number: int
    ratio: float
    samples: int
    warmer: float
    clearness: float

    def covariates(self) -> tuple[float, float, float, float, float]:
        """1, warmer, the season as sine and cosine, clearness."""
        phase = 2 * math.pi * self.number / YEAR
        return 1.0, self.warmer, math.sin(phase), math.cos(phase), self.clearness


class DayLog:
    """Collects the clear samples of one day; bounded memory.

    A clear sample is one under a clear sky by the irradiance whose ratio is also that of the sample before: clouds that
    a satellite misses make a plant's own power unsteady. Source of the idea: Reno and Hansen, Renewable Energy 90
    (2016).
    """

    __slots__ = ("air", "clear", "clearness", "config", "count", "last", "number", "usual_air")

    def __init__(self, config: PvDetectorConfig) -> None:
        self.config = config
        self.number = -1
        self.clear: list[float] = []
        self.clearness: list[float] = []
        self.last = (-math.inf, 0.0)
        self.air, self.count = 0.0, 0
        self.usual_air = math.nan

    def begin(self, number: int) -> Day | None:
        """The day that is over if `number` is a new one and it had a clear sample; to be called before each sample."""
        if number == self.number:
            return None
        done: Day | None = None
        warmer = 0.0
        if self.count:
            mean = self.air / self.count
            if math.isfinite(self.usual_air):
                warmer = max(-MOST_WARMER, min(MOST_WARMER, mean - self.usual_air))
                self.usual_air += MEMORY * (mean - self.usual_air)
            else:
                self.usual_air = mean
        if self.clear:
            done = Day(self.number, median(self.clear), len(self.clear), warmer, median(self.clearness))
        self.number, self.clear, self.clearness = number, [], []
        self.air, self.count = 0.0, 0
        return done

    def add(self, seconds: float, power: float, temp_air: float, now: Expectation) -> None:
        """One sample of the day; no power at all (below 2 % of what is expected) is left to others."""
        config = self.config
        if now.elevation < config.least_elevation or now.power <= 0:
            return
        if -60 < temp_air < 60:
            self.air, self.count = self.air + temp_air, self.count + 1
        if power < 0.02 * now.power:
            return
        ratio = math.log(power / now.power)
        before, self.last = self.last, (seconds, ratio)
        steady = 0 < seconds - before[0] <= RECENT and abs(ratio - before[1]) <= config.steady
        if steady and now.clear_index >= config.day_clear_index and len(self.clear) < MOST_CLEAR:
            self.clear.append(ratio)
            self.clearness.append(math.log(now.clear_index))


def usual_ratio(effects: Effects, day: Day) -> float:
    """What log ratio the learned effects expect of a day."""
    return sum(effect * value for effect, value in zip(effects, day.covariates(), strict=True))


def logged(stream: pd.DataFrame, site: PvSite, config: PvDetectorConfig, minutes: float) -> list[Day]:
    """Days of a stream with columns seconds, power, ghi, dni, temp_air, in the order of time; gaps allowed."""
    log = DayLog(config)
    found: list[Day] = []
    columns = (stream[name].tolist() for name in ("seconds", "power", "ghi", "dni", "temp_air"))
    for seconds, power, ghi, dni, temp_air in zip(*columns, strict=True):
        if not (math.isfinite(power) and math.isfinite(ghi) and math.isfinite(temp_air)):
            continue
        day = log.begin(local_day(seconds, site.longitude))
        if day is not None and day.samples >= config.day_samples:
            found.append(day)
        log.add(seconds, power, temp_air, expected(site, seconds + 30.0 * minutes, ghi, temp_air, dni))
    return found


def local_day(seconds: float, longitude: float) -> int:
    """Days since 1970 by the mean sun of the place."""
    return int((seconds + longitude * 240.0) // DAY)


def fit_effects(days: Sequence[Day], full: float) -> Effects:
    """Effects on the daily log ratio by robust ridge regression; none where the days do not span a year.

    full: clear samples with which a day counts fully. Source: Huber's weights, iterated.
    """
    if len(days) < LEAST_DAYS or days[-1].number - days[0].number < LEAST_SPAN:
        return NO_EFFECTS
    design = np.array([day.covariates() for day in days])
    ratio = np.array([day.ratio for day in days])
    shares = np.array([min(1.0, day.samples / full) for day in days])
    mean, spread = design.mean(axis=0), design.std(axis=0)
    mean[0], spread[0] = 0.0, 1.0
    scaled = (design - mean) / np.maximum(spread, 1e-9)
    penalty = RIDGE * np.diag([0.0, *[1.0] * (design.shape[1] - 1)])
    weights = shares
    slopes = np.zeros(design.shape[1])
    for _ in range(20):
        slopes = np.linalg.solve(scaled.T @ (scaled * weights[:, None]) + penalty, scaled.T @ (weights * ratio))
        weights = shares * np.minimum(1.0, OUTLIER / np.maximum(np.abs(ratio - scaled @ slopes), 1e-9))
    effects = slopes / np.maximum(spread, 1e-9)
    effects[0] -= float((effects[1:] * mean[1:]).sum())
    constant, warmer, sine, cosine, clearness = effects.tolist()
    return constant, warmer, sine, cosine, clearness
