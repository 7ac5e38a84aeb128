"""What is measured, on made-up replays: the best peers are the best, and every table holds together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from demos.stands import evaluate
from demos.stands.evaluate import OURS, best_buffer, equal_contact_buffer
from demos.stands.learning.delay import DelayModel
from demos.stands.learning.forecast import Forecasts, LeadForecast
from demos.stands.plan import (
    CLIMATOLOGY,
    CLIMATOLOGY_GREEDY,
    CLIMATOLOGY_MENDED,
    DAY_AHEAD,
    DAY_AHEAD_GREEDY,
    HINDSIGHT,
    SOFT_BUFFER,
    DayPlans,
    buffer_name,
)
from demos.stands.replay import Replay
from demos.stands.search.neighbourhoods import SearchLog
from tests.demos.stands.conftest import DAY, make_turns, stands_config

CONFIG = stands_config(evaluation={"buffers": [0, 10, 20], "other_inbound_shares": [0.0, 1.0]})
NAMES = [buffer_name(buffer) for buffer in (0, 10, 20)]


def made_up(minutes: float, contact: float) -> Replay:
    remote = round(1000 * (1 - contact))
    return Replay((minutes, 2 * minutes, 3 * minutes), 4, 1000, remote, 0, 0, 5, 10)


def day_of(number: int, buffers: Sequence[tuple[float, float]], ours: tuple[float, float]) -> DayPlans:
    turns = replace(make_turns([(600, 660), (700, 760)]), day=DAY + timedelta(days=number))
    replays = {name: made_up(*values) for name, values in zip(NAMES, buffers, strict=True)}
    others = {CLIMATOLOGY_GREEDY: 80, CLIMATOLOGY: 40, DAY_AHEAD_GREEDY: 70, DAY_AHEAD: 30, HINDSIGHT: 1}
    others |= {CLIMATOLOGY_MENDED: 35, SOFT_BUFFER: 60}
    replays |= {name: made_up(value, 0.9) for name, value in others.items()} | {OURS: made_up(*ours)}
    logs = {name: SearchLog(curve=[(0.0, 1000), (2.0, 800 + number)]) for name in (CLIMATOLOGY, DAY_AHEAD)}
    return DayPlans(turns, {}, replays, logs, {})


def days_of(buffers: Sequence[tuple[float, float]], ours: tuple[float, float], count: int = 3) -> list[DayPlans]:
    """The same numbers each day, but for the first, on which all conflicts are doubled."""
    return [
        day_of(number, [((2 - bool(number)) * minutes, contact) for minutes, contact in buffers], ours)
        for number in range(count)
    ]


def test_the_best_buffer_is_the_one_with_fewest_minutes_over_all_days() -> None:
    one = day_of(0, [(100, 0.9), (50, 0.9), (120, 0.9)], (10, 0.9))
    two = day_of(1, [(100, 0.9), (160, 0.9), (70, 0.9)], (10, 0.9))
    assert best_buffer([one], CONFIG) == NAMES[1]
    assert best_buffer([two], CONFIG) == NAMES[2]
    assert best_buffer([one, two], CONFIG) == NAMES[2]


def test_buffers_are_mixed_to_our_contact_share() -> None:
    """0.9 lies a quarter of the way down from 0.92 to 0.84, and half way from 0.96 to 0.84."""
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90))
    peer = equal_contact_buffer(days, CONFIG)
    assert peer.minutes == pytest.approx([2 * 160, 160, 160])
    assert peer.contact == pytest.approx(0.90)
    assert (peer.name.count("10"), peer.name.count("20")) == (1, 1)


def test_a_cheaper_mix_of_distant_buffers_is_found() -> None:
    days = days_of([(100, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90))
    assert equal_contact_buffer(days, CONFIG).minutes == pytest.approx([140, 70, 70])


def test_where_no_buffer_reaches_our_share_the_nearest_is_the_peer() -> None:
    days = days_of([(100, 0.80), (90, 0.82), (40, 0.70)], (10, 0.90))
    peer = equal_contact_buffer(days, CONFIG)
    assert (peer.name, peer.contact) == (NAMES[1], pytest.approx(0.82))


@pytest.mark.parametrize(
    "buffers",
    [
        [(400, 0.98), (30, 0.95), (60, 0.94)],  # all have more contact: now the one with most, and most minutes, counts
        [(400, 0.98), (30, 0.95), (60, 0.80)],  # the second beats every mix
    ],
)
def test_a_buffer_with_more_contact_and_fewer_minutes_is_the_stronger_peer(buffers: list[tuple[float, float]]) -> None:
    peer = equal_contact_buffer(days_of(buffers, (50, 0.90)), CONFIG)
    assert peer.minutes.tolist() == [60, 30, 30]


def test_the_contact_share_counts_passengers_without_a_stand_as_remote() -> None:
    replays = [Replay((0.0,), 0, 100, 10, 1, 20, 0, 2), Replay((0.0,), 0, 300, 0, 0, 0, 0, 2)]
    assert evaluate.contact_share(replays) == pytest.approx(1 - 30 / 400)


@pytest.mark.parametrize("count", [1, 3])
def test_tables_and_headlines_hold_together(count: int) -> None:
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90), count)
    for table in (evaluate.methods_table, evaluate.ratios_table, evaluate.rules_table):
        found = table(days, CONFIG)
        assert found.rows
        assert all(len(row) == len(found.columns) for row in found.rows)
        assert all(isinstance(row[0], str) for row in found.rows)
    for headline in evaluate.headlines(days, CONFIG):
        assert headline.peer
        assert headline.direction == "lower"
        assert np.isfinite([headline.value, headline.peer_value]).all()


def test_the_methods_table_holds_the_means() -> None:
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90))
    table = evaluate.methods_table(days, CONFIG)
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == list(days[0].replays)
    row = dict(zip([column.name for column in table.columns], rows[NAMES[1]], strict=True))
    assert row["conflict minutes a day"] == pytest.approx(800 / 3)
    assert row["passengers at contact stands"] == pytest.approx(92)
    assert row["remote passengers a day"] == pytest.approx(80)
    assert row["in best terminal"] == pytest.approx(50)


def test_ratios_are_ours_over_the_peer() -> None:
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90))
    rows = evaluate.ratios_table(days, CONFIG).rows
    by_peer = {(row[1], row[2]): row for row in rows}
    assert by_peer[OURS, NAMES[2]][3] == pytest.approx(30 / 160)
    assert by_peer[OURS, NAMES[2]][5] == pytest.approx(6)
    assert by_peer[DAY_AHEAD, CLIMATOLOGY][3] == pytest.approx(30 / 40)
    assert by_peer[CLIMATOLOGY, CLIMATOLOGY_GREEDY][3] == pytest.approx(40 / 80)
    assert by_peer[DAY_AHEAD, DAY_AHEAD_GREEDY][3] == pytest.approx(30 / 70)


def test_the_ablation_holds_each_engine_out() -> None:
    """By hand: 30 minutes with both, 40 without learning, 70 without search, 80 with neither."""
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90))
    table = evaluate.ablation_table(days)
    assert [row[2] for row in table.rows] == [30, 40, 70, 80]
    assert [row[3] for row in table.rows] == pytest.approx([1, 40 / 30, 70 / 30, 80 / 30])
    assert [bool(row[4]) for row in table.rows] == [False, True, True, True]


def test_days_on_which_nothing_has_left_are_planned_and_not_judged() -> None:
    """Tomorrow: no departure of the test days can tell what a forecast was worth."""
    days = days_of([(0, 0.96), (0, 0.92), (0, 0.84)], (0, 0.90))
    quantiles = np.zeros((1, len(CONFIG.delay.levels)))
    model = DelayModel(CONFIG.delay.levels, ())
    lead = LeadForecast(np.zeros(1, np.int64), quantiles, quantiles, quantiles, model)
    departures, leads = pd.DataFrame({"origin": ["EWR"]}), {"T-24h": lead, "T-2h": lead}
    forecasts = Forecasts(departures, np.array([np.nan]), np.array([False]), quantiles, quantiles, leads)
    assert not forecasts.judged("EWR").any()
    assert not any("pinball" in metric.name for metric in evaluate.metrics(days, forecasts, CONFIG, "EWR"))


def test_a_peer_without_conflicts_gives_no_ratio() -> None:
    days = days_of([(0, 0.96), (0, 0.92), (0, 0.84)], (10, 0.90))
    rows = evaluate.ratios_table(days, CONFIG).rows
    assert rows[0][3] is None
    assert rows[0][4] is None


def test_the_rules_table_shows_each_replay() -> None:
    days = days_of([(400, 0.96), (200, 0.92), (40, 0.84)], (10, 0.90))
    table = evaluate.rules_table(days, CONFIG)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows[OURS] == pytest.approx([10, 20, 30])
    assert [column.name for column in table.columns[1:]] == ["inbound share 0.4", "inbound share 0", "inbound share 1"]
