"""How long one update takes, expected power included: wall time a sample on one core."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from demos.renewables.faults.config import FaultsConfig
from demos.renewables.faults.mast_detector import MastDetector, speed_ratios
from demos.renewables.faults.prepare import Prepared
from demos.renewables.faults.pv_detector import PvDetector, PvSample
from demos.renewables.faults.streams import MAST_CHANNELS
from demos.renewables.faults.wind_detector import CHANNELS, FarmDetector, TurbineSample

WARM_UP = 500


@dataclass(frozen=True)
class Latency:
    """Microseconds a sample: mean, median, 99 % quantile."""

    name: str
    samples: int
    mean: float
    median: float
    p99: float


def latencies(prepared: Prepared, config: FaultsConfig) -> list[Latency]:
    """Each update timed by itself over held-out samples, after a warm-up; nothing is precomputed."""
    found = []
    count = config.timed_samples
    if prepared.pv is not None:
        record = prepared.pv.held_out
        sampled = [record.seconds, record.power, record.ghi, record.temp_air, record.dni]
        table = np.column_stack(sampled)[: count + WARM_UP]
        detector = PvDetector(record.system, prepared.pv.site, config.pv_detector, record.minutes)
        found.append(_timed("PV system", 1, [(PvSample(*row),) for row in table.tolist()], detector.update))
    if prepared.farm is not None:
        farm = FarmDetector(prepared.farm.models, config.wind_detector, config.wind.minutes)
        names = list(prepared.farm.held_out)
        columns = {
            name: np.column_stack([getattr(record, channel) for channel in ("seconds", *CHANNELS)]).tolist()
            for name, record in prepared.farm.held_out.items()
        }
        length = min(len(columns[names[0]]), count // len(names) + WARM_UP)
        rows = [({name: TurbineSample(*columns[name][at]) for name in names},) for at in range(length)]
        found.append(_timed("turbine, with its neighbours", len(names), rows, farm.update))
    if prepared.mast is not None:
        table = prepared.mast.table.iloc[: count + WARM_UP]
        mast = MastDetector("mast", speed_ratios(prepared.mast.table), config.wind_detector)
        readings = table[list(MAST_CHANNELS)].to_numpy(float).tolist()
        calls = [
            (at, dict(zip(MAST_CHANNELS, row, strict=True))) for at, row in zip(table.seconds, readings, strict=True)
        ]
        found.append(_timed("met mast, 11 channels", 1, calls, mast.update))
    return found


def _timed(name: str, each: int, calls: list, update) -> Latency:  # type: ignore[no-untyped-def]
    """each: samples in one call, over which its time is shared out."""
    times = np.empty(len(calls))
    for at, arguments in enumerate(calls):
        start = time.perf_counter_ns()
        update(*arguments)
        times[at] = time.perf_counter_ns() - start
    micro = times[min(WARM_UP, len(times) // 2) :] / 1000.0 / each
    return Latency(
        name, len(micro) * each, float(micro.mean()), float(np.median(micro)), float(np.quantile(micro, 0.99))
    )
