"""Records of held-out months, and the detector over them: untouched, and from a day's start with a fault."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.renewables.faults.alarm import DATA_KINDS, Alarm
from demos.renewables.faults.inject import Injection, faulty
from demos.renewables.faults.pv import PvSite, expected
from demos.renewables.faults.pv_detector import PvDetector, PvSample
from demos.renewables.faults.wind import TurbineModel, middle
from demos.renewables.faults.wind_detector import CHANNELS, TurbineDetector, TurbineSample

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from demos.renewables.faults.config import PvDetectorConfig, WindDetectorConfig

DAY = 86400.0
CHANCE = 7200.0
SLOW = ("string_outage", "soiling", "drift")


@dataclass(frozen=True)
class PvRecord:
    """A stretch of a PV stream, (n,) each; expected [W], clear_index, elevation [deg]: for choosing."""

    system: str
    longitude: float
    nameplate: float
    minutes: float
    seconds: NDArray[np.float64]
    power: NDArray[np.float64]
    ghi: NDArray[np.float64]
    dni: NDArray[np.float64]
    temp_air: NDArray[np.float64]
    expected: NDArray[np.float64]
    clear_index: NDArray[np.float64]
    elevation: NDArray[np.float64]


@dataclass(frozen=True)
class TurbineRecord:
    """A stretch of a turbine's stream, (n,) each, with what its neighbours read."""

    name: str
    rated: float
    minutes: float
    seconds: NDArray[np.float64]
    power: NDArray[np.float64]
    wind_speed: NDArray[np.float64]
    temp_air: NDArray[np.float64]
    wind_direction: NDArray[np.float64]
    neighbour_speed: NDArray[np.float64]
    neighbour_temp: NDArray[np.float64]
    by_neighbours: NDArray[np.float64]
    by_own: NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What the detector said of one injection: the first alarm that the untouched replay does not raise, if in time."""

    injection: Injection
    kind: str | None
    samples: int
    minutes: float
    size: float


def pv_record(system: str, stream: pd.DataFrame, site: PvSite, minutes: float) -> PvRecord:
    """A stream (columns seconds, power, ghi, dni, temp_air) with its expectation."""
    columns = {name: stream[name].to_numpy(float) for name in ("seconds", "power", "ghi", "dni", "temp_air")}
    weather = zip(columns["seconds"], columns["ghi"], columns["temp_air"], columns["dni"], strict=True)
    found = [expected(site, at + 30 * minutes, ghi, temp, dni) for at, ghi, temp, dni in weather]
    return PvRecord(
        system=system,
        longitude=site.longitude,
        nameplate=site.nameplate,
        minutes=minutes,
        **columns,
        expected=np.array([one.power for one in found]),
        clear_index=np.array([one.clear_index for one in found]),
        elevation=np.array([one.elevation for one in found]),
    )


def turbine_records(
    farm: Mapping[str, pd.DataFrame], models: Mapping[str, TurbineModel], minutes: float
) -> dict[str, TurbineRecord]:
    """All turbines of a farm on one time grid, each with the medians of its neighbours."""
    found = {}
    for name, table in farm.items():
        columns = {channel: table[channel].to_numpy(float) for channel in ("seconds", *CHANNELS)}
        others = [other for neighbour, other in farm.items() if neighbour != name]
        speed = _middle(others, "wind_speed", len(table))
        air = _middle(others, "temp_air", len(table))
        model = models[name]
        usual = [s * model.ratio(d) for s, d in zip(speed, columns["wind_direction"], strict=True)]
        found[name] = TurbineRecord(
            name=name,
            rated=model.rated,
            minutes=minutes,
            **columns,
            neighbour_speed=speed,
            neighbour_temp=air,
            by_neighbours=np.array([model.power(s, t) for s, t in zip(usual, air, strict=True)]),
            by_own=np.array([model.power(s, t) for s, t in zip(columns["wind_speed"], air, strict=True)]),
        )
    return found


def _middle(others: Sequence[pd.DataFrame], channel: str, count: int) -> NDArray[np.float64]:
    if not others:
        return np.full(count, math.nan)
    return np.array([middle(list(row)) for row in zip(*(other[channel].tolist() for other in others), strict=True)])


class Replay:
    """A detector over a record: its alarms untouched, and its state at the start of each day."""

    def __init__(self, record: PvRecord | TurbineRecord, detector: PvDetector | TurbineDetector) -> None:
        self.record = record
        self.shared = [detector.config, detector.site if isinstance(detector, PvDetector) else detector.model]
        self.alarms: list[Alarm] = []
        self.states: dict[int, PvDetector | TurbineDetector] = {}
        self.first: list[int] = []
        day = -1
        for at, seconds in enumerate(record.seconds.tolist()):
            if int(seconds // DAY) != day:
                day = int(seconds // DAY)
                self.first.append(at)
                self.states[at] = self._copy(detector)
            self.alarms += _step(detector, record, at)

    def _copy(self, detector: PvDetector | TurbineDetector) -> PvDetector | TurbineDetector:
        return copy.deepcopy(detector, {id(one): one for one in self.shared})

    def outcome(self, injection: Injection, seed: int) -> Outcome:
        """Replay from the day of the onset with the fault in, until the first alarm of its own or the horizon."""
        record = self.record
        onset = int(np.searchsorted(record.seconds, injection.onset))
        begin = self.first[int(np.searchsorted(self.first, onset, side="right")) - 1]
        end = int(np.searchsorted(record.seconds, injection.until, side="right"))
        part = slice(begin, end)
        values = faulty(getattr(record, injection.channel)[part], record.seconds[part], injection, seed)
        detector = self._copy(self.states[begin])
        for at in range(begin, end):
            for alarm in _step(detector, record, at, injection.channel, float(values[at - begin])):
                if (
                    alarm.raised >= injection.onset
                    and alarm.kind not in DATA_KINDS
                    and not self._anyway(alarm, injection)
                ):
                    # Raised at the end of the interval: its own length counts.
                    samples = at - onset + 1
                    size = abs(injection.size(alarm.raised)) if injection.kind in ("soiling", "drift") else 0.0
                    return Outcome(injection, alarm.kind, samples, samples * record.minutes, size)
        return Outcome(injection, None, 0, 0.0, 0.0)

    def _anyway(self, alarm: Alarm, injection: Injection) -> bool:
        """Whether the untouched record raises the same alarm then too: chance, not detection."""
        near = DAY if injection.kind in SLOW else CHANCE
        return any(
            other.kind == alarm.kind
            and other.channel == alarm.channel
            and other.raised >= injection.onset
            and abs(other.raised - alarm.raised) <= near
            for other in self.alarms
        )


def _step(
    detector: PvDetector | TurbineDetector,
    record: PvRecord | TurbineRecord,
    at: int,
    channel: str = "",
    value: float = 0.0,
) -> list[Alarm]:
    seconds = float(record.seconds[at])
    if isinstance(detector, PvDetector):
        assert isinstance(record, PvRecord)
        power = value if channel else float(record.power[at])
        ghi, temp_air, dni = float(record.ghi[at]), float(record.temp_air[at]), float(record.dni[at])
        return detector.update(PvSample(seconds, power, ghi, temp_air, dni))
    assert isinstance(record, TurbineRecord)
    readings = [value if name == channel else float(getattr(record, name)[at]) for name in CHANNELS]
    sample = TurbineSample(seconds, *readings)
    return detector.update(sample, float(record.neighbour_speed[at]), float(record.neighbour_temp[at]))


def pv_replay(record: PvRecord, site: PvSite, config: PvDetectorConfig) -> Replay:
    """The untouched replay of a PV record."""
    return Replay(record, PvDetector(record.system, site, config, record.minutes))


def turbine_replay(record: TurbineRecord, model: TurbineModel, config: WindDetectorConfig) -> Replay:
    """The untouched replay of a turbine's record."""
    return Replay(record, TurbineDetector(model, config, record.minutes))
