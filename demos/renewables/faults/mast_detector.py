"""The streaming detector of a met mast: each anemometer against the others, each vane against standing still."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from demos.renewables.faults.alarm import Alarm, Kind
from demos.renewables.faults.config import WindDetectorConfig
from demos.renewables.faults.intake import Intake
from demos.renewables.faults.watch import DailyMedian, Latch, StuckWatch
from demos.renewables.faults.wind import middle

if TYPE_CHECKING:
    import pandas as pd

RANGES = {"Spd": (0.0, 60.0), "Dir": (0.0, 360.0), "T2m": (-40.0, 60.0), "P2m": (800.0, 1060.0)}
MOVING = 2.0  # m/s above which a vane cannot stand still
VANE = "Dir38mS"  # says from where the wind comes; the tower shadows one boom in north and south winds
TURNING = 3.5  # m/s above which every anemometer turns


def speed_ratios(training: pd.DataFrame) -> dict[str, float]:
    """Median ratio of each anemometer (columns Spd...) to the median of the others, where these read 4 m/s or more."""
    speeds = training.filter(like="Spd")
    found = {}
    for name in speeds:
        others = speeds.drop(columns=name).median(axis=1)
        found[str(name)] = float(np.nanmedian((speeds[name] / others)[others >= 4]))
    return found


class _Anemometer:
    """State of one anemometer."""

    def __init__(self, config: WindDetectorConfig) -> None:
        self.calm = 0
        self.calm_since = 0.0
        self.daily = DailyMedian(config.day_samples)
        self.level, self.since, self.armed = 0.0, math.nan, True


class MastDetector:
    """Judges one interval of all channels; ratios are those of `speed_ratios` on training months."""

    def __init__(
        self, system: str, ratios: Mapping[str, float], config: WindDetectorConfig, minutes: float = 10.0
    ) -> None:
        self.system, self.ratios, self.config = system, dict(ratios), config
        self.intake = Intake(system, minutes)
        self.latch = Latch(3600.0 * config.rearm_hours)
        self.speeds = {name: _Anemometer(config) for name in ratios}
        names = list(ratios)
        # The booms point north and south; the first of a pair is judged against the second.
        self.twins = {a: b for a in names for b in names if a < b and a[:-1] == b[:-1]}
        self.watches: dict[str, StuckWatch] = {}

    def update(self, seconds: float, values: Mapping[str, float]) -> list[Alarm]:
        """values: channel -> reading in m/s, degrees, deg C or hPa; NaN where missing."""
        alarms: list[Alarm] = []
        usual = middle([values[name] / ratio for name, ratio in self.ratios.items() if name in values])
        judged, unbroken = self.intake.admit(seconds, usual, alarms)
        if not unbroken:
            for watch in self.watches.values():
                watch.forget()
        if not judged:
            return alarms
        for name, value in values.items():
            low, high = RANGES[name[:3]]
            if not math.isfinite(value):
                continue
            if not low <= value <= high:
                self._alarm(alarms, "out_of_range", name, seconds, seconds, value, usual, f"{value:g} is impossible")
            elif name in self.ratios:
                self._anemometer(name, seconds, value, usual * self.ratios[name], alarms)
                self._drift(name, seconds, value, values, alarms)
            if name[:3] in ("Spd", "Dir") and usual > MOVING:
                self._stuck(name, seconds, value, usual, alarms)
        return alarms

    def _alarm(
        self, alarms: list[Alarm], kind: Kind, name: str, since: float, at: float, value: float, usual: float, seen: str
    ) -> None:
        if self.latch.fires((kind, name), at):
            unit = {"Spd": "m/s", "Dir": "deg", "T2m": "degC", "P2m": "hPa"}[name[:3]]
            usual = usual if name.startswith("Spd") else math.nan
            alarms.append(Alarm(self.system, name, kind, since, at, value, usual, unit, seen))

    def _stuck(self, name: str, seconds: float, value: float, usual: float, alarms: list[Alarm]) -> None:
        repeats = 2 * self.config.stuck_repeats
        watch = self.watches.setdefault(name, StuckWatch(repeats, 0.0, repeats))
        if watch.update(seconds, value, usual):
            text = f"the same value {watch.run + 1} times in a row in wind of {usual:.1f} m/s"
            self._alarm(alarms, "stuck", name, watch.since, seconds, value, usual, text)

    def _anemometer(self, name: str, seconds: float, value: float, usual: float, alarms: list[Alarm]) -> None:
        state = self.speeds[name]
        if not (value < 0.5 and usual > TURNING):
            state.calm = 0
            return
        state.calm_since = seconds if state.calm == 0 else state.calm_since
        state.calm += 1
        if state.calm >= 2 * self.config.stuck_repeats:
            text = f"no wind for {state.calm} samples while the others read {usual:.1f} m/s: dead or iced"
            self._alarm(alarms, "stuck", name, state.calm_since, seconds, value, usual, text)

    def _drift(self, name: str, seconds: float, value: float, values: Mapping[str, float], alarms: list[Alarm]) -> None:
        """Against its twin at the same height, in winds that reach both booms: between heights the wind differs."""
        twin, state, config = self.twins.get(name), self.speeds[name], self.config
        if twin is None:
            return
        other, direction = values.get(twin, math.nan), values.get(VANE, math.nan)
        usual = other * self.ratios[name] / self.ratios[twin]
        beside = abs(direction % 180 - 90) <= 45
        ratio = math.log(value / usual) if beside and usual > 4 and value > 1 else math.nan
        done = state.daily.update(int(seconds // 86400), ratio)
        if done is None or abs(done - state.level) > 0.3:
            return
        state.level += config.level_weight * max(-config.level_step, min(config.level_step, done - state.level))
        if abs(state.level) < 0.01 or math.isnan(state.since):
            state.since = seconds
        state.armed = state.armed or abs(state.level) < 0.4 * config.drift
        if state.armed and abs(state.level) > config.drift:
            state.armed = False
            far = math.exp(state.level)
            text = f"reads {100 * (far - 1):+.1f} % against {twin}; either of the two may be wrong"
            alarms.append(Alarm(self.system, name, "drift", state.since, seconds, far, 1.0, f"of {twin}", text))
