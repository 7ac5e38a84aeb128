"""A made-up PV system and a made-up wind farm, so that a fault is the only thing that can be wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import settings

from demos.renewables.faults.alarm import DATA_KINDS, Alarm
from demos.renewables.faults.config import PvDetectorConfig, WindDetectorConfig
from demos.renewables.faults.pv import PvSite, expected, haurwitz, sun
from demos.renewables.faults.pv_detector import PvDetector, PvSample
from demos.renewables.faults.wind import TurbineModel
from demos.renewables.faults.wind_detector import FarmDetector, TurbineSample

START = 1_371_441_600.0  # 2013-06-17 04:00 UTC, night at the site
QUARTER, TEN = 900.0, 600.0
FEW = settings(derandomize=True, deadline=None, max_examples=20)
SITE = PvSite(39.742, -105.173, 35.0, 180.0, 3400.0, 3200.0)
SPEEDS = tuple(0.5 * step for step in range(41))
POWERS = tuple(0.0 if v < 3 else min(2050.0, 2.9 * (v - 2.5) ** 3) for v in SPEEDS)


@pytest.fixture
def pv() -> PvDetector:
    return PvDetector("made up", SITE, PvDetectorConfig())


def clear_days(days: int, temp_air: float = 25.0) -> list[PvSample]:
    """Cloudless days on which the system gives what is expected, with a little made-up unrest."""
    samples = []
    for step in range(days * 96):
        at = START + step * QUARTER
        elevation, _ = sun(at + 450, SITE.latitude, SITE.longitude)
        ghi = haurwitz(math.sin(math.radians(elevation))) if elevation > 0 else 0.0
        power = expected(SITE, at + 450, ghi, temp_air).power
        samples.append(PvSample(at, power * (1 + 0.003 * math.sin(step * 1.7)), ghi, temp_air))
    return samples


def changed(samples: Iterable[PvSample], onset: float, change) -> list[PvSample]:  # type: ignore[no-untyped-def]
    """The samples with `change(power, seconds since the onset)` from the onset on."""
    return [
        PvSample(one.seconds, change(one.power, one.seconds - onset), one.ghi, one.temp_air)
        if one.seconds >= onset
        else one
        for one in samples
    ]


def alarms_of(detector: PvDetector, samples: Iterable[PvSample]) -> list[Alarm]:
    return [alarm for sample in samples for alarm in detector.update(sample)]


def judged(alarms: Iterable[Alarm]) -> list[str]:
    return [alarm.kind for alarm in alarms if alarm.kind not in DATA_KINDS]


def noon(day: int) -> float:
    """19:00 UTC, about solar noon at the site, of a day counted from 0."""
    return START + 15 * 3600 + day * 86400


def farm_detector() -> FarmDetector:
    models = {name: TurbineModel(name, 2050.0, SPEEDS, POWERS) for name in "ABCD"}
    return FarmDetector(models, WindDetectorConfig())


def farm_samples(count: int) -> list[dict[str, TurbineSample]]:
    """Four turbines in the same unsteady wind of 6 to 11 m/s, on their power curves."""
    rows = []
    model = TurbineModel("any", 2050.0, SPEEDS, POWERS)
    for step in range(count):
        speed = 8.5 + 2.3 * math.sin(step / 17) + 0.2 * math.sin(step * 2.1)
        air = 10 + 4 * math.sin(step / 40)
        row = {}
        for place, name in enumerate("ABCD"):
            own = speed * (1 + 0.01 * math.sin(step * 1.3 + place))
            power = model.power(own, air)
            sample = TurbineSample(START + step * TEN, power, own, air + 0.1 * place, 200 + step % 7 + 0.1 * place)
            row[name] = sample
        rows.append(row)
    return rows
