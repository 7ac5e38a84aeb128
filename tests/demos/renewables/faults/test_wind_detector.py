from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from demos.renewables.faults.alarm import Alarm
from demos.renewables.faults.watch import Latch, StuckWatch
from demos.renewables.faults.wind import TurbineModel, fit_turbines, middle
from demos.renewables.faults.wind_detector import TurbineSample
from tests.demos.renewables.faults.conftest import POWERS, SPEEDS, START, TEN, farm_detector, farm_samples, judged

ONSET = 440  # in 10 m/s


def replayed(count: int, change: Callable[[TurbineSample, int], TurbineSample]) -> list[Alarm]:
    """Alarms of the farm when turbine A is changed from ONSET on."""
    farm, found = farm_detector(), list[Alarm]()
    for step, row in enumerate(farm_samples(count)):
        if step >= ONSET:
            row = {**row, "A": change(row["A"], step - ONSET)}
        found += farm.update(row)
    return found


def test_a_healthy_farm_raises_nothing() -> None:
    assert replayed(3000, lambda sample, late: sample) == []


def test_a_stopped_turbine_is_a_trip_of_its_own_alone() -> None:
    (alarm,) = replayed(600, lambda sample, late: replace(sample, power=-2.0))
    assert (alarm.system, alarm.kind) == ("A", "trip")
    assert alarm.raised == START + (ONSET + 1) * TEN
    assert alarm.first_seen == START + ONSET * TEN


def test_no_power_in_calm_is_no_trip() -> None:
    farm = farm_detector()
    for row in farm_samples(300):
        calm = {name: replace(one, power=-1.0, wind_speed=one.wind_speed / 4) for name, one in row.items()}
        assert farm.update(calm) == []


def test_a_neighbourhood_without_wind_does_not_let_a_dead_anemometer_hide_a_stop() -> None:
    """The own anemometer is missing: the neighbours say that there is wind."""
    found = replayed(500, lambda sample, late: replace(sample, power=-2.0, wind_speed=math.nan))
    assert judged(found) == ["trip"]


@pytest.mark.parametrize("channel", ["power", "wind_speed", "temp_air", "wind_direction"])
def test_each_stuck_channel_is_found_and_named(channel: str) -> None:
    frozen = getattr(farm_samples(ONSET + 1)[ONSET]["A"], channel)
    found = replayed(ONSET + 60, lambda sample, late: replace(sample, **{channel: frozen}))
    first = found[0]
    assert (first.kind, first.channel, first.system) == ("stuck", channel, "A")
    assert first.raised - (START + ONSET * TEN) <= 30 * TEN
    # A wind speed is no expectation of a direction.
    assert math.isnan(first.expected) == (channel == "wind_direction")


def test_an_anemometer_that_reads_nothing_while_the_others_turn_is_stuck() -> None:
    found = replayed(ONSET + 30, lambda sample, late: replace(sample, wind_speed=0.01 * (late % 3)))
    assert ("stuck", "wind_speed") in {(alarm.kind, alarm.channel) for alarm in found}


def test_the_open_circuit_is_out_of_range() -> None:
    found = replayed(ONSET + 3, lambda sample, late: replace(sample, temp_air=-273.2))
    assert [(alarm.kind, alarm.channel) for alarm in found] == [("out_of_range", "temp_air")]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_drifting_anemometer_is_told_from_its_neighbours(sign: int) -> None:
    found = replayed(
        144 * 30, lambda sample, late: replace(sample, wind_speed=sample.wind_speed * (1 + sign * 0.004 * late / 144))
    )
    first = next(alarm for alarm in found if alarm.kind == "drift")
    assert (first.system, first.channel, first.unit) == ("A", "wind_speed", "of its neighbours")
    # The level of days, not the gust of the moment in which a day ended.
    assert (first.value - 1) * sign == pytest.approx(0.04, abs=0.01)
    assert first.expected == 1


def test_a_drift_that_comes_due_while_the_reading_is_missing_is_still_a_line() -> None:
    def broken(sample: TurbineSample, late: int) -> TurbineSample:
        missing = sample.seconds % 86400 < 3600
        return replace(sample, wind_speed=math.nan if missing else sample.wind_speed * 1.2)

    (first, *_) = (alarm for alarm in replayed(144 * 12, broken) if alarm.kind == "drift")
    assert first.record()["value"] == pytest.approx(first.value, abs=1e-3)


def test_a_power_limit_is_clipping() -> None:
    found = replayed(ONSET + 200, lambda sample, late: replace(sample, power=min(sample.power, 400 + math.sin(late))))
    assert found[0].kind == "clipping"
    assert found[0].value == pytest.approx(400, abs=2)


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_units_off_by_a_thousand_are_named(factor: float) -> None:
    found = replayed(ONSET + 50, lambda sample, late: replace(sample, power=sample.power * factor))
    assert judged(found)[0] == "units"
    assert "trip" not in judged(found)


def test_missing_values_of_any_channel_do_not_stop_it() -> None:
    for channel in ("wind_speed", "temp_air", "wind_direction"):
        broken = replayed(ONSET + 20, lambda sample, late, c=channel: replace(sample, power=-2.0, **{c: math.nan}))  # type: ignore[misc]
        assert judged(broken)[0] == "trip", channel


def test_median_of_finite_values() -> None:
    assert middle([3.0, math.nan, 1.0]) == 2.0
    assert middle([5.0, 1.0, 2.0]) == 2.0
    assert math.isnan(middle([math.nan]))


def test_power_curve_is_density_corrected_and_bounded() -> None:
    model = TurbineModel("any", 2050.0, SPEEDS, POWERS)
    assert model.power(8.0, -10.0) > model.power(8.0, 30.0)
    assert model.power(0.0, 10.0) == POWERS[0]
    assert model.power(60.0, 10.0) == POWERS[-1]


def test_models_learn_curve_and_sectors_from_training_only() -> None:
    rng = np.random.default_rng(1)
    wind = rng.uniform(3, 14, 8000)
    direction = rng.uniform(0, 360, 8000)
    model = TurbineModel("any", 2050.0, SPEEDS, POWERS)
    tables = {}
    for name, gain in (("A", 1.0), ("B", 1.0), ("C", 1.0)):
        own = wind * np.where((direction < 30) & (name == "A"), 0.8, gain)
        power = np.array([model.power(float(v), 10.0) for v in own])
        power[::50] = -2.0  # stops must not pull the curve down
        tables[name] = pd.DataFrame({"power": power, "wind_speed": own, "temp_air": 10.0, "wind_direction": direction})
    found = fit_turbines(tables, 2050.0)
    assert found["A"].ratio(15.0) == pytest.approx(0.8, abs=0.01)
    assert found["A"].ratio(180.0) == pytest.approx(1.0, abs=0.01)
    assert found["B"].power(9.0, 10.0) == pytest.approx(model.power(9.0, 10.0), rel=0.03)


def test_a_second_stop_after_normal_running_is_raised_again() -> None:
    def twice(sample: TurbineSample, late: int) -> TurbineSample:
        return replace(sample, power=-2.0) if late < 3 or 12 <= late < 16 else sample

    assert judged(replayed(ONSET + 30, twice)) == ["trip", "trip"]

    def flapping(sample: TurbineSample, late: int) -> TurbineSample:
        return replace(sample, power=-2.0) if late % 5 < 3 else sample

    assert judged(replayed(ONSET + 20, flapping)) == ["trip"]


def test_a_turbine_that_stands_in_its_own_calm_is_no_trip() -> None:
    """Its own anemometer moves, in 2 m/s: local calm, or ice; no stop is claimed."""
    found = replayed(ONSET + 20, lambda sample, late: replace(sample, power=-2.0, wind_speed=2 + 0.1 * (late % 3)))
    assert "trip" not in judged(found)


def test_a_latch_opens_again_after_a_pause_and_when_the_clock_is_set_back() -> None:
    latch = Latch(100.0)
    assert [latch.fires(("trip", "power"), at) for at in (1000.0, 1050.0, 1150.0, 1251.0)] == [True, False, False, True]
    assert latch.fires(("trip", "power"), 500.0)


def test_a_reading_that_rests_with_its_reference_is_not_stuck() -> None:
    watch = StuckWatch(repeats=3, moved=1.0, long_repeats=20)
    assert [watch.update(float(at), 7.0, 5.0 + 0.01 * at) for at in range(20)] == [False] * 20
    assert watch.update(20.0, 7.0, 5.2)
    watch.forget()
    assert [watch.update(float(at), 7.0, 5.0 + at) for at in range(4)] == [False, False, False, True]
