from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from demos.renewables.faults.events import Event
from demos.renewables.faults.forest import fit_forest
from demos.renewables.faults.inject import Injection
from demos.renewables.faults.peers import Filter, choose, cut, false_episodes, peer_outcome, run_length
from demos.renewables.faults.peers_pv import _clipped
from demos.renewables.faults.peers_wind import bin_centres, bin_filter, unresponsive
from demos.renewables.faults.replay import PvRecord, TurbineRecord

DAY = 86400.0
SCALARS = ("system", "longitude", "nameplate", "minutes")


def record(count: int = 2880) -> TurbineRecord:
    """Twenty days of a turbine in changing wind."""
    step = np.arange(count)
    speed = 8 + 3 * np.sin(step / 23.0)
    power = 200 * (speed - 3)
    same = {"neighbour_speed": speed, "by_neighbours": power, "by_own": power}
    air = 10 + np.sin(step / 50.0)
    return TurbineRecord(
        "A", 2050.0, 10.0, step * 600.0, power, speed, air, 180 + step % 90.0, neighbour_temp=air, **same
    )


def test_run_length_counts_equal_steps() -> None:
    values = np.array([1.0, 1.0, 1.0, 2.0, 2.0, np.nan, np.nan, 3.0])
    np.testing.assert_array_equal(run_length(values, 0.0), [0, 1, 2, 0, 1, 0, 0, 0])
    assert run_length(np.ones(200), 0.0).max() == 50


def test_unresponsive_flags_the_whole_row() -> None:
    values = np.array([5.0, 7.0, 7.0, 7.0, 8.0, 8.0, 9.0])
    np.testing.assert_array_equal(unresponsive(values, 3), [0, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(unresponsive(values, 2), [0, 1, 1, 1, 1, 1, 0])


def test_bin_filter_flags_what_is_far_from_its_bin() -> None:
    fine = record()
    centres = {"A": bin_centres(fine)}
    assert not bin_filter(fine, 1.5, centres).any()
    speed = fine.wind_speed.copy()
    at = int(np.flatnonzero((fine.power > 400) & (fine.power < 1500))[5])
    speed[at] += 3.0
    np.testing.assert_array_equal(np.flatnonzero(bin_filter(replace(fine, wind_speed=speed), 1.5, centres)), [at])


def test_flags_less_than_a_day_apart_are_one_alarm_and_events_excuse() -> None:
    fine = record()
    flags = np.zeros(len(fine.seconds), dtype=bool)
    flags[[10, 20, 100, 1000, 2000]] = True
    assert false_episodes(flags, fine, []) == 3
    excuse = Event("A", "power", 1000 * 600.0 - 10, 1000 * 600.0 + 10, "trip", "made up")
    assert false_episodes(flags, fine, [excuse]) == 2
    assert false_episodes(flags, fine, [replace(excuse, source="B")]) == 3
    assert false_episodes(np.zeros_like(flags), fine, []) == 0


def test_settings_are_the_most_sensitive_within_the_budget() -> None:
    fine = record()
    length = len(fine.seconds)

    def flags(_: PvRecord | TurbineRecord, alarms: float) -> np.ndarray:
        found = np.zeros(length, dtype=bool)
        found[: int(alarms) * 300 : 300] = True
        return found

    month = (fine.seconds[-1] - fine.seconds[0]) / (30.4375 * DAY)
    one = Filter("one", (6, 3, 1), flags)
    assert choose("x", "", [one], [fine], [], 3.2 / month).filters[0][1] == 3
    assert np.isnan(choose("x", "", [one], [fine], [], 0.5 / month).filters[0][1])
    # What one filter leaves of the budget goes to the other.
    silent = Filter("silent", (0,), flags)
    assert choose("x", "", [one, silent], [fine], [], 3.2 / month).filters[0][1] == 3


def test_a_peer_is_credited_for_new_flags_in_time_only() -> None:
    fine = record()
    centre = Filter("stuck", (3,), lambda r, n: unresponsive(r.power, int(n)))
    peer = choose("x", "", [centre], [fine], [], 100.0)
    onset = float(fine.seconds[1500])
    stuck = Injection("A", "stuck", "power", onset, onset + 7200, 0.0, 0)
    untouched = peer.flags(fine)
    outcome = peer_outcome(peer, fine, untouched, stuck, 0)
    assert outcome.kind == "flag"
    assert outcome.samples == 1  # it may look ahead: the whole row is flagged
    assert peer_outcome(peer, fine, np.ones_like(untouched), stuck, 0).kind is None
    healthy = replace(stuck, kind="string_outage", strength=0.0)
    assert peer_outcome(peer, fine, untouched, healthy, 0).kind is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("minutes", [5.0, 15.0])
def test_clipping_of_pvanalytics_is_given_the_records_own_step_and_gaps(minutes: float) -> None:
    """Days of flat tops at any step; three missing hours of a night move nothing that comes after them."""
    step = np.arange(0, 12 * DAY, 60 * minutes)
    sun = 3000 * np.maximum(np.sin((step % DAY - 6 * 3600) / (12 * 3600) * np.pi), 0)
    same = {
        "ghi": sun / 3,
        "dni": sun / 3,
        "temp_air": sun * 0,
        "expected": sun,
        "clear_index": sun * 0,
        "elevation": sun / 40,
    }
    whole = PvRecord("x", 0.0, 3400.0, minutes, step, np.minimum(sun, 2000.0), **same)
    night = (step >= 4 * DAY) & (step < 4 * DAY + 3 * 3600)
    columns = {one.name: getattr(whole, one.name)[~night] for one in fields(whole) if one.name not in SCALARS}
    holed = replace(whole, **columns)
    top = (whole.power == 2000.0) & (np.abs(np.diff(whole.power, prepend=0)) < 1) & (np.roll(whole.power, -1) == 2000.0)
    flags = _clipped(whole, 0.2)
    assert flags[top].mean() > 0.9
    assert not flags[whole.power < 1900].any()
    np.testing.assert_array_equal(_clipped(holed, 0.2), flags[~night])


def test_cut_keeps_all_columns_together() -> None:
    part = cut(record(), 6000.0, 12000.0)
    assert part.seconds[0] == 6000.0
    assert part.seconds[-1] == 11400.0
    assert {len(part.seconds), len(part.power), len(part.by_own)} == {10}


def test_the_forest_is_fitted_without_labelled_events_and_flags_the_odd() -> None:
    fine = record()

    def features(one: PvRecord | TurbineRecord) -> np.ndarray:
        assert isinstance(one, TurbineRecord)
        return np.column_stack([one.power, one.wind_speed])

    forest = fit_forest("f", [fine], features, [], 3.0, 50, 0)
    power = fine.power.copy()
    power[1500:1510] = -500
    flags = forest.flags(replace(fine, power=power))
    assert flags[1500:1510].all()
    assert flags.mean() < 0.1
    gap = fine.power.copy()
    gap[7] = np.nan
    assert not forest.flags(replace(fine, power=gap))[7]
    again = fit_forest("f", [fine], features, [], 3.0, 50, 0)
    assert again.threshold == pytest.approx(forest.threshold)
