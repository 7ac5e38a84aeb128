"""The streaming detector of a PV system: one sample in, alarms out; constant time and memory."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

from demos.renewables.faults.alarm import Alarm, Kind
from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.days import Day, DayLog, local_day, usual_ratio
from demos.renewables.faults.intake import Intake
from demos.renewables.faults.level import LevelWatch
from demos.renewables.faults.pv import PvSite, expected
from demos.renewables.faults.soiling import RampWatch
from demos.renewables.faults.watch import Latch

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class PvSample:
    """One interval of a PV system: start [s since 1970 UTC], AC power [W], ghi [W/m2], temp_air [deg C], dni [W/m2]."""

    seconds: float
    power: float
    ghi: float
    temp_air: float
    dni: float = math.nan


class PvDetector:
    """Judges each sample against the expected power of `site`; thresholds in `config`, set on training days."""

    def __init__(self, system: str, site: PvSite, config: PvDetectorConfig, minutes: float = 15.0) -> None:
        self.system, self.site, self.config, self.minutes = system, site, config, minutes
        self.intake = Intake(system, minutes)
        self.level = LevelWatch(config)
        self.ramp = RampWatch(config)
        self.log = DayLog(config)
        self.window: deque[tuple[float, float]] = deque(maxlen=config.string_samples)
        self.cold_at = -math.inf
        self.previous = math.nan
        self.ratio_today = 0.0
        self.dead: list[tuple[float, float, float]] = []
        self.alive = 0
        self.repeats, self.repeat_since = 0, 0.0
        self.cap, self.cap_hits, self.cap_since = 0.0, 0, 0.0
        self.low, self.low_since = 0, 0.0
        self.latch = Latch(3600.0 * config.rearm_hours)

    def update(self, sample: PvSample) -> list[Alarm]:
        """Judge one sample and return the alarms that it raises, mostly none. Never raises for a bad value."""
        alarms: list[Alarm] = []
        # Without irradiance nothing can be judged either, and a feed that has died must not pass for a healthy plant.
        usable = sample.power if math.isfinite(sample.ghi) else math.nan
        judged, unbroken = self.intake.admit(sample.seconds, usable, alarms)
        if not judged:
            self._forget()
            return alarms
        temp_air = sample.temp_air if math.isfinite(sample.temp_air) else 20.0
        if not unbroken:
            self._forget()
        now = expected(self.site, sample.seconds + 30.0 * self.minutes, sample.ghi, temp_air, sample.dni)
        day = local_day(sample.seconds, self.site.longitude)
        if day != self.log.number:
            self._end_of_day(sample.seconds, self.log.begin(day), alarms)
        if not self._plausible(sample, now.power, alarms):
            return alarms
        if temp_air <= self.config.cold:
            self.cold_at = sample.seconds
        self.log.add(sample.seconds, sample.power, temp_air, now)
        if now.power >= self.config.least_expected * self.site.nameplate:
            self._trip(sample, now.power, alarms)
            self._snow(sample, now.power, alarms)
            self._stuck(sample, now.power, alarms)
            self._clipping(sample, now.power, alarms)
            if now.clear_index >= self.config.clear_index and now.elevation >= self.config.least_elevation:
                self._string(sample, now.power, alarms)
            self.ratio_today = max(self.ratio_today, sample.power / now.power)
        else:
            self._forget()
        self.previous = sample.power
        return alarms

    def _forget(self) -> None:
        """A break in what can be judged: runs of equal or dead samples start again."""
        self.previous = math.nan
        self.repeats = 0
        self.dead.clear()

    def _alarm(
        self,
        alarms: list[Alarm],
        kind: Kind,
        since: float,
        at: float,
        value: float,
        usual: float,
        seen: str,
        unit: str = "W",
    ) -> None:
        """Raise once for as long as the condition lasts."""
        if self.latch.fires((kind, "power"), at):
            alarms.append(Alarm(self.system, "power", kind, since, at, value, usual, unit, seen))

    def _plausible(self, sample: PvSample, usual: float, alarms: list[Alarm]) -> bool:
        power, nameplate = sample.power, self.site.nameplate
        at = sample.seconds
        if power > 1.3 * nameplate:
            kind: Kind = "units" if power > 20 * nameplate or 300 * usual < power < 3000 * usual else "out_of_range"
            self._alarm(alarms, kind, at, at, power, usual, f"{power:.0f} W from a {nameplate:.0f} W system")
            self._forget()
            return False
        if power < -0.03 * nameplate:
            self._alarm(alarms, "out_of_range", at, at, power, usual, f"negative power, {power:.0f} W")
            self._forget()
            return False
        return True

    def _trip(self, sample: PvSample, usual: float, alarms: list[Alarm]) -> None:
        if sample.power > self.config.dead_power * self.site.nameplate:
            self.dead.clear()
            self.alive += sample.power > 0.5 * usual
            if self.alive == self.config.alive_samples:
                self.latch.release(("trip", "power"))
            return
        self.alive = 0
        self.dead.append((sample.seconds, sample.power, usual))
        if len(self.dead) < self.config.trip_samples:
            return
        ratios = [power / e for _, power, e in self.dead]
        kind: Kind = "trip"
        text = f"no power for {len(self.dead)} samples while the sun gives {usual:.0f} W"
        if min(ratios) > 0.0005 and max(ratios) < 0.002:
            kind, text = "units", f"power follows the sun at {min(ratios):.5f} of what is expected"
        elif self._cold(sample.seconds) and self.ratio_today < 0.3:
            kind, text = "snow", text + ", since sunrise, after frost"
        self._alarm(alarms, kind, self.dead[0][0], sample.seconds, sample.power, usual, text)
        del self.dead[1:-1]

    def _snow(self, sample: PvSample, usual: float, alarms: list[Alarm]) -> None:
        """Far too little for hours after frost, on bright and on dull days."""
        if sample.power > self.config.snow_ratio * usual or not self._cold(sample.seconds):
            self.low = 0
            return
        self.low_since = sample.seconds if self.low == 0 else self.low_since
        self.low += 1
        if self.low >= self.config.snow_samples:
            text = f"under {100 * self.config.snow_ratio:.0f} % of expected for {self.low} samples after frost"
            self._alarm(alarms, "snow", self.low_since, sample.seconds, sample.power, usual, text)

    def _cold(self, at: float) -> bool:
        return at - self.cold_at < 3600.0 * self.config.cold_hours

    def _stuck(self, sample: PvSample, usual: float, alarms: list[Alarm]) -> None:
        power = sample.power
        alike = abs(power - self.previous) <= self.config.stuck_tolerance * power
        if not alike or power < self.config.dead_power * self.site.nameplate:
            self.repeats, self.repeat_since = 0, sample.seconds
            return
        self.repeats += 1
        if self.repeats >= self.config.stuck_repeats:
            text = f"the same value {self.repeats + 1} times in a row by day"
            self._alarm(alarms, "stuck", self.repeat_since, sample.seconds, power, usual, text)

    def _clipping(self, sample: PvSample, usual: float, alarms: list[Alarm]) -> None:
        power, config = sample.power, self.config
        if power > self.cap * (1 + config.cap_width):
            self.cap, self.cap_hits, self.cap_since = power, 0, sample.seconds
        elif power >= self.cap * (1 - config.cap_width) and self.cap > 0.3 * self.site.nameplate:
            self.cap_hits += usual > config.cap_excess * self.cap and self.repeats == 0
            if self.cap_hits >= config.cap_samples:
                text = f"flat top: {self.cap_hits} samples within {100 * config.cap_width:g} % of {self.cap:.0f} W"
                self._alarm(alarms, "clipping", self.cap_since, sample.seconds, power, usual, text)

    def _string(self, sample: PvSample, usual: float, alarms: list[Alarm]) -> None:
        if sample.power < 0.02 * usual:
            return  # no power at all: a trip, snow or a wrong unit, which others name
        self.window.append((sample.seconds, math.log(sample.power / usual)))
        config = self.config
        if len(self.window) < config.string_samples or sample.seconds - self.window[0][0] > DAY * config.string_days:
            return
        values = [value for _, value in self.window]
        middle = median(values)
        if middle - self.level.mean > math.log(1 - config.string_drop):
            return
        if median([abs(value - middle) for value in values]) > config.string_spread:
            return
        share = 100 * (1 - math.exp(middle))
        text = f"{share:.0f} % below clear-sky expectation over {len(values)} clear samples"
        kind: Kind = "snow" if self._cold(sample.seconds) and middle < math.log(0.5) else "string_outage"
        self._alarm(alarms, kind, self.window[0][0], sample.seconds, usual * math.exp(middle), usual, text)

    def _end_of_day(self, at: float, day: Day | None, alarms: list[Alarm]) -> None:
        self.ratio_today, self.cap, self.cap_hits = 0.0, 0.0, 0
        if day is None or day.samples < self.config.day_samples:
            return
        ratio = day.ratio - usual_ratio(self.site.effects, day)
        if not self.level.fits(ratio):
            return
        rise = self.level.update(at, ratio, min(1.0, day.samples / self.config.day_full))
        ramp = self.ramp.update(day.number, ratio, day.samples, self.level.mean)
        of_usual = math.exp(self.level.mean)
        if rise:
            kind, since, text = rise
            self._alarm(alarms, kind, since, at, of_usual, 1.0, text, "of usual")
        if ramp:
            onset, slope = ramp
            since = onset * DAY - self.site.longitude * 240.0
            lost = 100 * slope * (day.number + 1 - onset)
            text = f"clear days lose {100 * slope:.2f} % a day, {lost:.1f} % by now"
            self._alarm(alarms, "soiling", since, at, of_usual, 1.0, text, "of usual")
