from __future__ import annotations

import math
from dataclasses import replace

import pytest

from demos.renewables.faults.alarm import Alarm
from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.intake import GAP_SAMPLES, Intake
from demos.renewables.faults.pv_detector import PvDetector
from tests.demos.renewables.faults.conftest import SITE, alarms_of, changed, clear_days, noon


def test_good_samples_pass_unbroken() -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    assert [intake.admit(900.0 * at, 1.0, alarms) for at in range(5)] == [(True, True)] * 5
    assert alarms == []


def test_a_duplicate_is_dropped_and_said_once() -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    intake.admit(0.0, 1.0, alarms)
    assert intake.admit(0.0, 2.0, alarms) == (False, False)
    assert intake.admit(0.0, 3.0, alarms) == (False, False)
    assert [alarm.kind for alarm in alarms] == ["duplicate"]
    assert intake.admit(900.0, 1.0, alarms) == (True, True)


def test_late_and_off_grid_stamps_are_dropped() -> None:
    for wrong in (900.0, 3000.0, math.nan):
        intake, alarms = Intake("x", 15), list[Alarm]()
        intake.admit(1800.0, 1.0, alarms)
        assert intake.admit(wrong, 1.0, alarms) == (False, False)
        assert [alarm.kind for alarm in alarms] == ["disorder"]
        assert intake.last == 1800.0


def test_a_gap_breaks_the_run_and_is_raised_with_its_length() -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    intake.admit(0.0, 1.0, alarms)
    assert intake.admit(900.0 * 9, 1.0, alarms) == (True, False)
    (gap,) = alarms
    assert (gap.kind, gap.first_seen, gap.value) == ("gap", 900.0, 2.0)
    assert intake.admit(900.0 * 10, 1.0, alarms) == (True, True)


def test_missing_values_are_a_gap_from_the_fourth_on() -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    intake.admit(0.0, 1.0, alarms)
    for at in range(1, GAP_SAMPLES + 3):
        assert intake.admit(900.0 * at, math.nan, alarms) == (False, False)
        assert len(alarms) == (at >= GAP_SAMPLES)
    assert intake.admit(900.0 * (GAP_SAMPLES + 3), 1.0, alarms) == (True, False)
    assert len(alarms) == 1


@pytest.mark.parametrize("jump", [7.0, -7.0, 450.0])
def test_a_clock_that_moved_off_the_grid_silences_nothing_for_long(jump: float) -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    for at in range(10):
        intake.admit(900.0 * at, 1.0, alarms)
    verdicts = [intake.admit(900.0 * at + jump, 1.0, alarms) for at in range(10, 20)]
    assert verdicts == [(False, False)] * (GAP_SAMPLES - 1) + [(True, False)] + [(True, True)] * (10 - GAP_SAMPLES)
    assert [alarm.kind for alarm in alarms] == ["disorder", "disorder"]
    assert "a new clock" in alarms[1].seen


def test_one_stamp_of_the_future_silences_the_stream_for_a_day_at_most() -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    intake.admit(0.0, 1.0, alarms)
    assert intake.admit(900.0 * 10**6, 1.0, alarms)[0]
    judged = [intake.admit(900.0 * at, 1.0, alarms)[0] for at in range(2, 200)]
    assert judged == [False] * 95 + [True] * 103


def test_a_buffer_sent_afterwards_is_dropped_and_does_not_move_the_clock() -> None:
    intake, alarms = Intake("x", 15), list[Alarm]()
    for at in range(100):
        intake.admit(900.0 * at, 1.0, alarms)
    for at in range(100, 160):
        assert intake.admit(900.0 * at, 1.0, alarms) == (True, True)
        assert intake.admit(900.0 * (at - 80), 1.0, alarms) == (False, False)
    assert not any(intake.admit(900.0 * at, 1.0, alarms)[0] for at in range(50))
    assert intake.admit(900.0 * 160, 1.0, alarms) == (True, True)


def test_a_dead_irradiance_feed_is_a_gap_not_silence(pv: PvDetector) -> None:
    samples = [replace(one, ghi=math.nan) if one.seconds >= noon(1) else one for one in clear_days(2)]
    (gap,) = alarms_of(pv, samples)
    assert (gap.kind, gap.first_seen) == ("gap", noon(1))


def test_equal_values_on_both_sides_of_a_gap_are_not_stuck(pv: PvDetector) -> None:
    """Every second value missing: never two in a row, so nothing can be said to stand still."""
    samples = changed(clear_days(2), noon(1) - 7200, lambda power, late: 1500.0 if late < 14400 else power)
    holes = [replace(one, power=math.nan) if at % 2 else one for at, one in enumerate(samples)]
    assert "stuck" not in [alarm.kind for alarm in alarms_of(pv, holes)]
    assert "stuck" in [alarm.kind for alarm in alarms_of(PvDetector("x", SITE, PvDetectorConfig()), samples)]


def test_a_shuffled_feed_gives_the_alarms_of_the_samples_that_came_in_order(pv: PvDetector) -> None:
    samples = changed(clear_days(3), noon(1), lambda power, late: 0.0)
    late = samples[150]
    mixed = [*samples[:160], late, *samples[160:]]
    kinds = [alarm.kind for alarm in alarms_of(pv, mixed)]
    assert kinds.count("disorder") == 1
    assert kinds.count("trip") == 1
