from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.events import Event
from demos.renewables.faults.inject import PV_KINDS, Injection, draw_pv, faulty
from demos.renewables.faults.pv_detector import PvDetector
from demos.renewables.faults.replay import PvRecord, Replay
from tests.demos.renewables.faults.conftest import FEW, SITE, clear_days, noon

DAYS = 120


@pytest.fixture(scope="module")
def record() -> PvRecord:
    samples = clear_days(DAYS)
    columns = np.array([(s.seconds, s.power, s.ghi, s.dni, s.temp_air) for s in samples]).T
    from demos.renewables.faults.pv import expected

    found = [expected(SITE, s.seconds + 450, s.ghi, s.temp_air) for s in samples]
    return PvRecord(
        "made up", SITE.longitude, SITE.nameplate, 15.0, *columns,
        np.array([f.power for f in found]), np.array([f.clear_index for f in found]),
        np.array([f.elevation for f in found]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def replay(record: PvRecord) -> Replay:
    return Replay(record, PvDetector("made up", SITE, PvDetectorConfig()))


def one(kind: str, strength: float, onset: float = 0.0) -> Injection:
    return Injection("made up", kind, "power", onset, onset + 86400.0, strength, 0)


@FEW
@given(st.sampled_from(PV_KINDS), st.integers(0, 99))
def test_nothing_changes_before_the_onset_and_gaps_stay(kind: str, onset: int) -> None:
    seconds = np.arange(100) * 900.0
    values = 1000 + 100 * np.sin(np.arange(100))
    values[::7] = np.nan
    assume(np.isfinite(values[onset]))  # a reading that is missing cannot get stuck
    out = faulty(values, seconds, one(kind, 0.25, onset * 900.0), 0)
    np.testing.assert_array_equal(out[:onset], values[:onset])
    np.testing.assert_array_equal(np.isnan(out), np.isnan(values))


def test_each_fault_does_what_it_says() -> None:
    seconds = np.arange(960) * 900.0
    values = np.linspace(1000, 2000, 960)
    assert np.all(faulty(values, seconds, one("trip", 0.0), 0) == 0)
    assert np.all(faulty(values, seconds, one("stuck", 0.0), 0) == 1000)
    np.testing.assert_allclose(faulty(values, seconds, one("string_outage", 0.25), 0), 0.75 * values)
    capped = faulty(values, seconds, one("clipping", 1500.0), 0)
    assert capped.max() < 1500 * 1.01
    np.testing.assert_array_equal(capped[:400], values[:400])
    dirty = faulty(values, seconds, one("soiling", -0.004), 0)
    assert dirty[-1] / values[-1] == pytest.approx(1 - 0.004 * seconds[-1] / 86400)
    drifted = faulty(values, seconds, one("drift", 0.005), 0)
    assert drifted[-1] / values[-1] == pytest.approx(1 + 0.005 * seconds[-1] / 86400)


@pytest.mark.parametrize("kind", PV_KINDS)
def test_injections_are_where_they_can_be_seen_and_on_healthy_days(record: PvRecord, kind: str) -> None:
    ill = Event("made up", "power", noon(20), noon(60), "snow", "made up")
    drawn = draw_pv(record, [ill], kind, 30, 0)
    assert len(drawn) == 30
    assert [injection.number for injection in drawn] == list(range(30))
    for injection in drawn:
        assert not noon(20) <= injection.onset <= noon(60)
        assert injection.until <= record.seconds[-1]
        if kind in ("trip", "stuck"):
            at = int(np.searchsorted(record.seconds, injection.onset))
            assert record.expected[at : at + 4].min() >= 0.1 * record.nameplate
    assert draw_pv(record, [ill], kind, 30, 0) == drawn
    assert draw_pv(record, [ill], kind, 30, 1) != drawn


def test_a_replay_from_the_days_start_is_the_replay_of_all(record: PvRecord, replay: Replay) -> None:
    """The snapshot of the state gives what a whole run from the first sample gives."""
    injection = Injection("made up", "string_outage", "power", noon(50), noon(55), 0.25, 0)
    outcome = replay.outcome(injection, 0)
    values = faulty(record.power, record.seconds, injection, 0)
    whole = Replay(replace(record, power=values), PvDetector("made up", SITE, PvDetectorConfig()))
    first = next(alarm for alarm in whole.alarms if alarm.raised >= injection.onset)
    assert outcome.kind == first.kind == "string_outage"
    assert outcome.samples == round((first.raised - injection.onset) / 900) + 1
    assert outcome.minutes == 15 * outcome.samples


def test_an_alarm_after_the_horizon_is_a_miss(replay: Replay) -> None:
    late = Injection("made up", "trip", "power", noon(50), noon(50) + 900.0, 0.0, 0)
    assert replay.outcome(late, 0).kind is None
    assert replay.outcome(replace(late, until=noon(50) + 1800.0), 0).kind == "trip"


def test_an_alarm_that_comes_anyway_does_not_count(record: PvRecord) -> None:
    power = record.power.copy()
    dead = (record.seconds >= noon(50)) & (record.seconds < noon(50) + 7200)
    power[dead] = 0.0
    sick = Replay(replace(record, power=power), PvDetector("made up", SITE, PvDetectorConfig()))
    assert [alarm.kind for alarm in sick.alarms] == ["trip"]
    assert sick.outcome(Injection("made up", "trip", "power", noon(50), noon(50) + 3600, 0.0, 0), 0).kind is None


def test_size_of_a_slow_fault_grows_and_is_bounded() -> None:
    slow = one("soiling", -0.004)
    assert slow.size(-5.0) == 0
    assert slow.size(10 * 86400.0) == pytest.approx(-0.04)
    assert slow.size(1e9) == -0.2
    assert math.copysign(1, one("drift", 0.004).size(86400.0)) == 1
