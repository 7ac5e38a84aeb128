"""The streaming detector of a wind farm: the samples of all turbines for one interval in, alarms out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from demos.renewables.faults.alarm import Alarm, Kind
from demos.renewables.faults.config import WindDetectorConfig
from demos.renewables.faults.intake import Intake
from demos.renewables.faults.watch import DailyMedian, Latch, StuckWatch
from demos.renewables.faults.wind import TurbineModel, middle

CHANNELS = ("power", "wind_speed", "temp_air", "wind_direction")
RANGES = {"power": (-0.05, 1.15), "wind_speed": (0.0, 50.0), "temp_air": (-40.0, 60.0)}
UNITS = {"power": "kW", "wind_speed": "m/s", "temp_air": "degC", "wind_direction": "deg"}


@dataclass(frozen=True, slots=True)
class TurbineSample:
    """One interval of a turbine: start [s since 1970 UTC]; kW, m/s, deg C and degrees east of north."""

    seconds: float
    power: float
    wind_speed: float
    temp_air: float
    wind_direction: float


class FarmDetector:
    """One detector a turbine; each is handed what its neighbours read."""

    def __init__(self, models: Mapping[str, TurbineModel], config: WindDetectorConfig, minutes: float = 10.0) -> None:
        self.turbines = {name: TurbineDetector(model, config, minutes) for name, model in models.items()}

    def update(self, samples: Mapping[str, TurbineSample]) -> list[Alarm]:
        """Judge one interval; a turbine without a sample is left out."""
        alarms: list[Alarm] = []
        for name, sample in samples.items():
            others = [other for neighbour, other in samples.items() if neighbour != name]
            speed = middle([other.wind_speed for other in others])
            air = middle([other.temp_air for other in others])
            alarms += self.turbines[name].update(sample, speed, air)
        return alarms


class TurbineDetector:
    """Judges one turbine against its power curve and its neighbours; thresholds set on training months."""

    def __init__(self, model: TurbineModel, config: WindDetectorConfig, minutes: float = 10.0) -> None:
        self.model, self.config = model, config
        self.intake = Intake(model.name, minutes)
        self.stuck = {
            "power": StuckWatch(config.stuck_repeats, 0.0, config.stuck_repeats),
            "wind_speed": StuckWatch(config.stuck_repeats, 0.0, config.stuck_repeats),
            "temp_air": StuckWatch(config.temp_repeats, config.temp_moved, 10**9),
            "wind_direction": StuckWatch(config.stuck_repeats + 2, 0.0, config.stuck_repeats + 2),
        }
        self.calm = StuckWatch(config.stuck_repeats + 2, 1.0, 10**9, tolerance=0.3)
        self.dead: list[tuple[float, float, float]] = []
        self.alive = 0
        self.cap, self.cap_hits, self.cap_since = 0.0, 0, 0.0
        self.daily = DailyMedian(config.day_samples)
        self.level, self.level_since, self.armed = 0.0, math.nan, True
        self.latch = Latch(3600.0 * config.rearm_hours)

    def update(self, sample: TurbineSample, neighbour_speed: float, neighbour_temp: float) -> list[Alarm]:
        """Judge one sample; neighbour_*: medians of the others in the same interval, NaN where none reads."""
        alarms: list[Alarm] = []
        judged, unbroken = self.intake.admit(sample.seconds, sample.power, alarms)
        if not unbroken:
            self._forget()
        if not judged:
            return alarms
        plausible = self._ranges(sample, alarms)
        usual_speed = neighbour_speed * self.model.ratio(sample.wind_direction)
        by_neighbours = self.model.power(usual_speed, neighbour_temp)
        by_own = self.model.power(sample.wind_speed, neighbour_temp)
        if plausible:
            self._trip(sample, by_own, by_neighbours, alarms)
            self._clipping(sample, by_own, by_neighbours, alarms)
        self._stuck(sample, by_neighbours, neighbour_speed, neighbour_temp, alarms)
        self._drift(sample, usual_speed, alarms)
        return alarms

    def _forget(self) -> None:
        for watch in self.stuck.values():
            watch.forget()
        self.calm.forget()
        self.dead.clear()
        self.cap_hits = 0

    def _alarm(
        self,
        alarms: list[Alarm],
        kind: Kind,
        channel: str,
        since: float,
        sample: TurbineSample,
        usual: float,
        seen: str,
    ) -> None:
        """usual: what was expected of the channel, NaN where nothing says it."""
        at = sample.seconds
        if not self.latch.fires((kind, channel), at):
            return
        value = float(getattr(sample, channel))
        alarms.append(Alarm(self.model.name, channel, kind, since, at, value, usual, UNITS[channel], seen))

    def _ranges(self, sample: TurbineSample, alarms: list[Alarm]) -> bool:
        fine = True
        for channel, (low, high) in RANGES.items():
            size = self.model.rated if channel == "power" else 1.0
            value = getattr(sample, channel)
            if math.isfinite(value) and not low * size <= value <= high * size:
                kind: Kind = "units" if channel == "power" and value > 20 * size else "out_of_range"
                text = f"{value:.1f} {UNITS[channel]} is not between {low * size:.0f} and {high * size:.0f}"
                self._alarm(alarms, kind, channel, sample.seconds, sample, math.nan, text)
                fine = fine and channel != "power"
        return fine

    def _trip(self, sample: TurbineSample, by_own: float, by_neighbours: float, alarms: list[Alarm]) -> None:
        rated, config = self.model.rated, self.config
        known = [value for value in (by_own, by_neighbours) if not math.isnan(value)]
        usual = max(known, default=0.0)
        # Both have to say that there is wind, one of them that there is plenty.
        windy = usual >= config.least_expected * rated and min(known) >= config.least_second * rated
        if sample.power > config.dead_power * rated or not windy:
            self.dead.clear()
            if windy and sample.power > 0.5 * usual:
                self.alive += 1
                if self.alive == config.alive_samples:
                    self.latch.release(("trip", "power"))
            return
        self.alive = 0
        self.dead.append((sample.seconds, sample.power, usual))
        if len(self.dead) >= config.trip_samples:
            ratios = [power / e for _, power, e in self.dead]
            kind: Kind = "trip"
            text = f"no power for {len(self.dead)} samples in wind for {usual:.0f} kW"
            if min(ratios) > 0.0005 and max(ratios) < 0.002:
                kind, text = "units", f"power follows the wind at {min(ratios):.5f} of what is expected"
            self._alarm(alarms, kind, "power", self.dead[0][0], sample, usual, text)
            del self.dead[1:-1]

    def _clipping(self, sample: TurbineSample, by_own: float, by_neighbours: float, alarms: list[Alarm]) -> None:
        power, config, rated = sample.power, self.config, self.model.rated
        above = min(by_own, by_neighbours) > config.cap_excess * power
        if not (above and 0.1 * rated < power < 0.9 * rated and abs(power - self.cap) <= config.cap_width * rated):
            self.cap, self.cap_hits, self.cap_since = power, 0, sample.seconds
            return
        self.cap_hits += 1
        if self.cap_hits >= config.cap_samples and self.stuck["power"].run == 0:
            text = f"flat top: {self.cap_hits + 1} samples near {self.cap:.0f} kW in wind for {by_own:.0f} kW"
            self._alarm(alarms, "clipping", "power", self.cap_since, sample, min(by_own, by_neighbours), text)

    def _stuck(
        self, sample: TurbineSample, by_neighbours: float, speed: float, air: float, alarms: list[Alarm]
    ) -> None:
        rated = self.model.rated
        references = {"power": by_neighbours, "wind_speed": speed, "temp_air": air, "wind_direction": math.nan}
        for channel, watch in self.stuck.items():
            value = float(getattr(sample, channel))
            resting = {"power": abs(value) < 0.02 * rated, "wind_speed": value < 0.5}
            if resting.get(channel, False):
                watch.forget()
            elif watch.update(sample.seconds, value, references[channel]):
                text = f"the same value {watch.run + 1} times in a row"
                self._alarm(alarms, "stuck", channel, watch.since, sample, references[channel], text)
        if sample.wind_speed < 0.5 and speed > 3.5:
            if self.calm.update(sample.seconds, sample.wind_speed, speed) or self.calm.run >= 12:
                text = f"no wind for {self.calm.run + 1} samples while the neighbours read {speed:.1f} m/s"
                self._alarm(alarms, "stuck", "wind_speed", self.calm.since, sample, speed, text)
        else:
            self.calm.forget()

    def _drift(self, sample: TurbineSample, usual_speed: float, alarms: list[Alarm]) -> None:
        value, config = math.nan, self.config
        if usual_speed > 4 and sample.wind_speed > 1:
            value = math.log(sample.wind_speed / usual_speed)
        done = self.daily.update(int(sample.seconds // 86400), value)
        if done is None or abs(done - self.level) > 0.3:
            return
        self.level += config.level_weight * max(-config.level_step, min(config.level_step, done - self.level))
        if abs(self.level) < 0.01 or math.isnan(self.level_since):
            self.level_since = sample.seconds
        self.armed = self.armed or abs(self.level) < 0.4 * config.drift
        if self.armed and abs(self.level) > config.drift:
            self.armed = False
            ratio, at = math.exp(self.level), sample.seconds
            text = f"reads {100 * (ratio - 1):+.1f} % against its neighbours"
            if self.latch.fires(("drift", "wind_speed"), at):
                name, unit = self.model.name, "of its neighbours"
                alarms.append(Alarm(name, "wind_speed", "drift", self.level_since, at, ratio, 1.0, unit, text))
