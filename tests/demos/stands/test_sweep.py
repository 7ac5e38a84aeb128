"""The same days with other numbers of stands, and peers at equal contact."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from demos.stands.airport import Airport, load_airport
from demos.stands.plan import CLIMATOLOGY_MENDED
from demos.stands.report.peers import OURS, Peer, at_equal_contact, equal_contact_climatology
from demos.stands.report.sweep import peak, sweep, sweep_figure, sweep_table, with_stands
from shared.progress import Progress
from shared.run import RunFolder
from tests.demos.stands.conftest import make_airport, make_turns
from tests.demos.stands.test_evaluate import days_of, made_up
from tests.demos.stands.test_plan import config, made_up_day


def test_the_peak_is_the_most_turns_at_once() -> None:
    assert peak(make_turns([(0, 60), (30, 90), (59, 70), (60, 100), (200, 210)])) == 3
    assert peak(make_turns([(0, 60), (60, 90)])) == 1


@pytest.mark.parametrize("count", [20, 38, 40, 56, 80])
def test_stands_are_dropped_or_doubled_in_proportion(count: int) -> None:
    airport = load_airport("ewr")
    found = with_stands(airport, count)
    Airport.model_validate(found.model_dump(by_alias=True))
    assert len(found.stands) == count
    assert (found == airport) == (count == len(airport.stands))
    kinds, before = (Counter((stand.terminal, stand.contact) for stand in one.stands) for one in (found, airport))
    for kind, stands in before.items():
        assert abs(kinds[kind] - stands * count / 40) <= 1


def test_what_stands_on_a_dropped_stand_is_dropped_with_it() -> None:
    airport = make_airport(
        "A1 C, A2 C, A3 C, B1 C", [("A2", "A3", "C")], [("A1", "10:00", "11:00")], {"XX": ("A", "B")}
    )
    half = with_stands(airport, 2)
    assert [stand.id for stand in half.stands] == ["A2", "B1"]
    assert (half.shadows, half.closures, half.preferences) == ((), (), {"XX": ("A", "B")})
    assert with_stands(airport, 1).preferences == {"XX": ("A",)}
    double = with_stands(airport, 8)
    assert [stand.id for stand in double.stands][:4] == ["A1", "A1+1", "A2", "A2+1"]
    assert (double.shadows, double.closures) == (airport.shadows, airport.closures)


def test_a_peer_is_mixed_to_the_share_or_better_as_it_is() -> None:
    cheap, dear = Peer("cheap", made_minutes(10), 0.90), Peer("dear", made_minutes(50), 0.98)
    mixed = at_equal_contact([cheap, dear], 0.94)
    assert mixed.minutes == pytest.approx(made_minutes(30))
    assert mixed.contact == 0.94
    assert at_equal_contact([cheap, dear], 0.85) == cheap
    assert at_equal_contact([cheap, dear], 0.99) == dear


def made_minutes(value: float):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.full(3, value)


def test_climatology_is_brought_to_our_contact_over_the_price_of_a_remote_stand() -> None:
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.93))
    days = [replace(day, front={(CLIMATOLOGY_MENDED, 2.0): made_up(55, 0.96)}) for day in days]
    peer = equal_contact_climatology(days)
    # 35 min at 0.90, 55 at 0.96: half way.
    assert peer.minutes == pytest.approx([45, 45, 45])
    assert days[0].replays[OURS].minutes[0] == 10


def test_a_sweep_plans_the_same_days_with_other_stands(tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings = config(evaluation={"buffers": [0, 20], "front_weights": [2.0], "stand_factors": [0.8, 1.2]})
    jobs = [replace(made_up_day(seed, 10), config=settings) for seed in range(2)]
    top = max(peak(job.turns) for job in jobs)
    run = RunFolder(tmp_path, Progress(quiet=True), workers=1)
    swept = sweep(jobs, settings, run)
    assert [stands for stands, _ in swept.values()] == [round(0.8 * top), round(1.2 * top)]
    table = sweep_table(swept, settings)
    assert len(table.rows) == 2 * 4
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert (tmp_path / sweep_figure(swept, settings, run).file).stat().st_size > 5000
    assert sweep(jobs, config(), run) == {}
