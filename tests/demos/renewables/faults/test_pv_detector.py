from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.level import LevelWatch
from demos.renewables.faults.pv_detector import PvDetector, PvSample
from tests.demos.renewables.faults.conftest import FEW, SITE, alarms_of, changed, clear_days, judged, noon


def test_healthy_days_raise_nothing(pv: PvDetector) -> None:
    assert alarms_of(pv, clear_days(20)) == []


def test_trip_by_day_is_raised_at_the_third_sample(pv: PvDetector) -> None:
    (alarm,) = alarms_of(pv, changed(clear_days(3), noon(1), lambda power, late: 0.0 if late < 7200 else power))
    assert (alarm.kind, alarm.severity) == ("trip", "critical")
    assert alarm.first_seen == noon(1)
    assert alarm.raised == noon(1) + 2 * 900
    assert alarm.value == 0
    assert alarm.expected > 1500


def test_a_day_without_power_after_frost_is_snow_not_a_trip(pv: PvDetector) -> None:
    frost = clear_days(3, temp_air=-4.0)
    morning = noon(1) - 8 * 3600
    assert judged(alarms_of(pv, changed(frost, morning, lambda power, late: 0.0))) == ["snow"]


def test_the_same_power_at_night_is_no_fault(pv: PvDetector) -> None:
    night = noon(1) + 10 * 3600
    samples = changed(clear_days(2), night, lambda power, late: 0.0 if late < 6 * 3600 else power)
    assert alarms_of(pv, samples) == []


@pytest.mark.parametrize("flicker", [0.0, 0.0001])
def test_a_stuck_reading_is_named(pv: PvDetector, flicker: float) -> None:
    frozen = 1800.0
    samples = changed(
        clear_days(3), noon(1) - 3 * 3600, lambda power, late: frozen * (1 + flicker * (-1) ** int(late // 900))
    )
    found = alarms_of(pv, samples)
    assert found[0].kind == "stuck"
    # What is expected is what the sun gives, not the stuck value itself.
    assert found[0].expected > 1.2 * found[0].value
    assert found[0].raised - (noon(1) - 3 * 3600) <= 5 * 900


@FEW
@given(share=st.floats(0.2, 0.45), day=st.integers(2, 5))
def test_a_lost_string_is_found_within_two_days_whatever_its_size(share: float, day: int) -> None:
    pv = PvDetector("made up", SITE, PvDetectorConfig())
    found = alarms_of(pv, changed(clear_days(9), noon(day), lambda power, late: power * (1 - share)))
    assert found[0].kind == "string_outage"
    assert noon(day) < found[0].raised <= noon(day) + 2 * 86400
    # What it says of the size is what was lost.
    assert 1 - found[0].value / found[0].expected == pytest.approx(share, abs=0.02)


def test_soiling_is_found_before_five_percent_and_rain_resets_it(pv: PvDetector) -> None:
    onset, rain = noon(5), 14 * 86400

    def dirt(power: float, late: float) -> float:
        return power * (1 - 0.004 * late / 86400) if late < rain else power

    found = alarms_of(pv, changed(clear_days(40), onset, dirt))
    # Raised early, and once more for as much loss again.
    assert set(judged(found)) == {"soiling"}
    assert 0.004 * (found[0].raised - onset) / 86400 < 0.03
    assert 0.004 * (found[-1].raised - onset) / 86400 < 0.056
    # It says since when, to a few days.
    assert abs(found[0].first_seen - onset) < 3 * 86400
    # After the rain the level is back, and the next soiling is raised again.
    assert abs(pv.level.mean) < 0.005
    assert pv.ramp.known > -0.005
    again = clear_days(80)
    second = changed(again, noon(45), lambda power, late: power * (1 - 0.004 * late / 86400))[40 * 96 :]
    assert judged(alarms_of(pv, second))[0] == "soiling"


def test_a_meter_that_drifts_up_is_drift(pv: PvDetector) -> None:
    found = alarms_of(pv, changed(clear_days(30), noon(3), lambda power, late: power * (1 + 0.005 * late / 86400)))
    assert judged(found)[0] == "drift"


def test_a_flat_top_is_clipping(pv: PvDetector) -> None:
    def cut(power: float, late: float) -> float:
        return min(power, 2000 * (1 + 0.001 * math.sin(late)))

    found = alarms_of(pv, changed(clear_days(4), noon(1) - 8 * 3600, cut))
    assert found[0].kind == "clipping"
    assert found[0].value == pytest.approx(2000, rel=0.01)


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_units_off_by_a_thousand_are_named_and_not_judged(pv: PvDetector, factor: float) -> None:
    found = alarms_of(pv, changed(clear_days(6), noon(1) - 8 * 3600, lambda power, late: power * factor))
    assert set(judged(found)) == {"units"}


def test_small_negative_power_at_night_is_normal_and_large_is_impossible(pv: PvDetector) -> None:
    samples = [replace(one, power=-8.0) if one.power == 0 else one for one in clear_days(3)]
    assert alarms_of(pv, samples) == []
    (alarm,) = pv.update(PvSample(samples[-1].seconds + 900, -500.0, 0.0, 20.0))
    assert alarm.kind == "out_of_range"


def test_negative_power_by_day_is_a_trip(pv: PvDetector) -> None:
    assert judged(alarms_of(pv, changed(clear_days(2), noon(1), lambda power, late: -5.0)))[0] == "trip"


def test_missing_temperature_and_irradiance_do_not_stop_it(pv: PvDetector) -> None:
    samples = clear_days(3)
    cut = [replace(one, temp_air=math.nan) for one in samples]
    dark = [replace(one, ghi=math.nan) if one.seconds >= noon(2) else one for one in cut]
    assert judged(alarms_of(pv, changed(dark, noon(1), lambda power, late: 0.0))) == ["trip"]


def test_a_lasting_fault_is_raised_once(pv: PvDetector) -> None:
    assert judged(alarms_of(pv, changed(clear_days(6), noon(1), lambda power, late: 0.0))) == ["trip"]


def test_it_does_not_look_ahead() -> None:
    """Alarms until a moment are the same whatever comes after it."""
    samples = changed(clear_days(8), noon(2), lambda power, late: power * 0.7)
    first = PvDetector("made up", SITE, PvDetectorConfig())
    second = PvDetector("made up", SITE, PvDetectorConfig())
    cut = 5 * 96
    early = alarms_of(first, samples[:cut])
    other = alarms_of(second, samples[:cut] + [replace(one, power=0.0) for one in samples[cut:]])
    assert early
    assert other[: len(early)] == early


@FEW
@given(
    st.lists(
        st.tuples(
            st.sampled_from([900.0, 900.0, 900.0, 0.0, -900.0, 1800.0, 86400.0, 450.0, math.nan, math.inf]),
            st.sampled_from([0.0, 1500.0, -3.0, 3e6, -1e9, math.nan, math.inf, -math.inf]),
            st.sampled_from([0.0, 800.0, math.nan, 5000.0, math.inf]),
            st.sampled_from([20.0, -40.0, math.nan, math.inf]),
        ),
        max_size=200,
    )
)
def test_no_input_makes_it_crash(steps: list[tuple[float, float, float, float]]) -> None:
    pv = PvDetector("made up", SITE, PvDetectorConfig())
    at = noon(0)
    for step, power, ghi, temp_air in steps:
        for alarm in pv.update(PvSample(at + step, power, ghi, temp_air)):
            alarm.record()
        at = at + step if math.isfinite(step) else at


def test_a_second_trip_of_a_day_is_raised_again(pv: PvDetector) -> None:
    def twice(power: float, late: float) -> float:
        return 0.0 if late < 2700 or 9900 <= late < 12600 else power

    assert judged(alarms_of(pv, changed(clear_days(2), noon(1) - 7200, twice))) == ["trip", "trip"]


def test_frost_alone_is_not_snow(pv: PvDetector) -> None:
    assert alarms_of(pv, clear_days(10, temp_air=-5.0)) == []


def test_one_odd_day_does_not_move_the_level() -> None:
    level = LevelWatch(PvDetectorConfig())
    for day in range(5):
        assert level.fits(0.002)
        assert level.update(86400.0 * day, 0.002) is None
    before = level.mean
    assert not level.fits(-0.7)
    level.update(86400.0 * 6, -0.19)
    # One day counts for no more than a step, however odd it is.
    assert before - level.config.level_step <= level.mean < before
