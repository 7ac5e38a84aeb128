"""Days of a PV system and the watch for slow losses, on made-up days."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.days import Day, DayLog, fit_effects, local_day, usual_ratio
from demos.renewables.faults.pv import NO_EFFECTS, expected
from demos.renewables.faults.soiling import RampWatch
from shared.seed import generator
from tests.demos.renewables.faults.conftest import FEW, SITE, clear_days

CONFIG = PvDetectorConfig()


def healthy(days: int, name: str) -> list[float]:
    """Log ratios of days as noisy as the config takes a day of 24 clear samples to be."""
    return (generator(0, "faults", name).standard_normal(days) * CONFIG.day_noise / math.sqrt(24)).tolist()


def raised(ratios: list[float], watch: RampWatch) -> list[tuple[int, int, float]]:
    """(day raised, day of onset, slope) with a level that follows each day."""
    found, level = [], 0.0
    for day, ratio in enumerate(ratios):
        level += CONFIG.level_weight * (ratio - level)
        ramp = watch.update(day, ratio, 24, level)
        if ramp:
            found.append((day, *ramp))
    return found


@FEW
@given(slope=st.floats(0.002, 0.005), onset=st.integers(20, 40))
def test_a_ramp_is_found_with_its_onset_and_slope(slope: float, onset: int) -> None:
    ratios = [-slope * max(0.0, day + 0.5 - onset) for day in range(onset + 30)]
    day, since, found = raised(ratios, RampWatch(CONFIG))[0]
    assert slope * (day + 1 - onset) < 0.05
    assert abs(since - onset) <= 5
    assert found == pytest.approx(slope, rel=0.5)


def test_noise_alone_is_raised_no_more_than_once_in_three_weeks_of_clear_days() -> None:
    assert len(raised(healthy(1000, "noise"), RampWatch(CONFIG))) <= 48


def test_a_rise_raises_nothing_and_a_gap_starts_again() -> None:
    watch = RampWatch(CONFIG)
    assert raised([0.003 * day for day in range(40)], watch) == []
    assert watch.update(400, -0.05, 1, -0.05) is None
    assert watch.update(3, -0.05, 1, -0.05) is None  # a clock that was set back


def test_a_loss_that_was_raised_is_raised_again_only_for_more() -> None:
    watch = RampWatch(CONFIG)
    lost = [-0.004 * min(max(0, day - 20), 10) for day in range(120)]
    days = [day for day, _, _ in raised(lost, watch)]
    assert days
    # A loss of 4 % that stays is not raised for ever.
    assert max(days) < 60
    assert watch.known < -0.005


def test_cost_of_a_day_is_bounded() -> None:
    watch = RampWatch(CONFIG)
    raised([0.0] * 500, watch)
    assert len(watch._onsets) == CONFIG.soiling_window


def test_effects_of_weather_are_learned_from_a_year_of_days_and_not_from_less() -> None:
    random = generator(0, "faults", "effects")
    days = []
    for number in range(15000, 15600):
        warmer, clearness = float(random.normal(0, 4)), float(random.normal(0, 0.02))
        ratio = 0.01 - 0.002 * warmer + 0.01 * math.sin(2 * math.pi * number / 365.2425) - 0.3 * clearness
        odd = 0.15 if number % 25 == 0 else 0.0
        days.append(Day(number, ratio + odd, 24, warmer, clearness))
    effects = fit_effects(days, 24.0)
    assert effects == pytest.approx((0.01, -0.002, 0.01, 0.0, -0.3), abs=0.03)
    assert effects[1] == pytest.approx(-0.002, abs=0.0003)
    assert usual_ratio(effects, days[1]) == pytest.approx(days[1].ratio, abs=0.004)
    assert fit_effects(days[:200], 24.0) == NO_EFFECTS
    assert fit_effects([], 24.0) == NO_EFFECTS


def test_a_day_is_logged_once_with_its_clear_samples() -> None:
    log = DayLog(CONFIG)
    found = []
    for one in clear_days(4):
        day = log.begin(local_day(one.seconds, SITE.longitude))
        found += [day] if day else []
        log.add(one.seconds, 0.9 * one.power, 20.0, expected(SITE, one.seconds + 450, one.ghi, one.temp_air))
    assert len(found) == 3
    for day in found:
        assert day.ratio == pytest.approx(math.log(0.9 * 1.02), abs=0.02)
        assert 30 < day.samples <= 96
        assert day.warmer == 0
