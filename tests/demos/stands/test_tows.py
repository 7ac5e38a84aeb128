"""Long stays in parts: who is where when, with whom on board, and what delays do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from demos.stands.config import CostConfig, SearchConfig, TowConfig, TurnConfig
from demos.stands.problem import SCALE, UNASSIGNED, build_problem, plan_cost
from demos.stands.rules.couplings import Coupling, Tugs
from demos.stands.rules.tows import split_long_stays
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.neighbourhoods import search
from demos.stands.turns import occupation, real_occupation
from tests.demos.stands.conftest import make_airport, make_turns

TOW = TowConfig(stays_over=180, arrive=60, depart=50, minutes=20, tugs=1, cost=4.0)


def test_a_long_stay_arrives_parks_and_departs() -> None:
    turns = split_long_stays(make_turns([(500, 900), (510, 690), (520, 700)], seats=[151, 100, 80]), TOW)
    assert list(zip(turns.table["flight"], turns.sibt.tolist(), turns.sobt.tolist(), strict=True)) == [
        ("XX0", 500, 560), ("XX1", 510, 690), ("XX2", 520, 700), ("XX0", 560, 850), ("XX0", 850, 900),
    ]  # fmt: skip
    assert turns.links.tolist() == [[0, 3], [3, 4]]
    assert turns.seats.tolist() == [75, 100, 80, 0, 76]
    assert turns.aircraft.tolist() == [0, 1, 2, 0, 0]
    assert np.flatnonzero(turns.parked).tolist() == [3]
    assert np.flatnonzero(turns.leaves_by_tow).tolist() == [0, 3]
    assert np.flatnonzero(turns.comes_by_tow).tolist() == [3, 4]


def test_a_night_stop_without_a_known_arrival_parks_and_departs() -> None:
    night = replace(make_turns([(200, 419), (300, 360)]), night_stop=np.array([True, False]))
    turns = split_long_stays(night, TOW)
    assert list(zip(turns.sibt.tolist(), turns.sobt.tolist(), strict=True)) == [(200, 369), (300, 360), (369, 419)]
    assert turns.links.tolist() == [[0, 2]]
    assert turns.seats.tolist() == [0, 150, 150]
    assert turns.over_night.tolist() == [True, False, False]


def test_without_a_limit_nothing_is_split() -> None:
    day = make_turns([(500, 1900)])
    assert split_long_stays(day, TowConfig()) is day


def test_tows_are_on_schedule_and_the_delay_is_that_of_the_departure() -> None:
    aibt = pd.Series(pd.to_datetime(["2013-10-02 08:30"])).astype("datetime64[us]")
    turns = split_long_stays(make_turns([(500, 900)], delay=[100.0], aibt=aibt, sibt=aibt), TOW)
    on_block, off_block = occupation(turns, np.array([100.0, 100.0, 100.0]), TurnConfig(inbound_share=0.4))
    assert on_block.tolist() == [500, 560, 850]
    assert off_block.tolist() == [560, 850, 1000]
    assert real_occupation(turns, TurnConfig())[0].tolist() == [510, 560, 850]
    late = turns.table["aibt"] + pd.Timedelta(hours=2)
    on_block, off_block = real_occupation(replace(turns, table=turns.table.assign(aibt=late)), TurnConfig())
    assert (on_block[0], off_block[0]) == (560, 560)
    cancelled = split_long_stays(make_turns([(500, 900)], delay=[None]), TOW)
    assert np.isnan(real_occupation(cancelled, TurnConfig())[1]).all()


def test_parts_of_one_stay_do_not_disturb_each_other() -> None:
    """No overlap is expected of an aircraft with itself, and no buffer is short before its own next part."""
    turns = split_long_stays(make_turns([(500, 900)]), TOW)
    problem = build_problem(turns, make_airport("A1 C, A2 C"), CostConfig(), np.full((3, 3), 7.0), tow=TOW)
    assert plan_cost(problem, np.array([0, 0, 0])) == 0
    assert plan_cost(problem, np.array([0, 1, 0])) == 2 * 4 * SCALE
    assert plan_cost(problem, np.array([0, UNASSIGNED, 1])) == problem.unassigned


def test_an_aircraft_is_towed_away_when_its_stand_is_needed() -> None:
    """Two guests in the hours that a long stay would keep the one contact stand, and one remote stand."""
    airport = make_airport("A1 C, R1 C")
    day = make_turns([(500, 1000), (600, 660), (700, 760)], seats=[300, 150, 150])
    whole = build_problem(day, airport, CostConfig(), np.zeros((3, 3)))
    split = build_problem(split_long_stays(day, TOW), airport, CostConfig(), np.zeros((5, 5)), tow=TOW)
    found = []
    for problem in (whole, split):
        draws = np.random.default_rng(0)
        found.append(search(problem, greedy_cost(problem), SearchConfig(rounds=10, matchings=10), draws)[0])
    # By bus go the large one's passengers, or those of both guests, for 15 min; two tows cost 8.
    assert plan_cost(split, found[1]) == 8 * SCALE
    assert plan_cost(whole, found[0]) == 15 * SCALE
    assert [split.airport.stands[stand].id for stand in found[1]] == ["A1", "R1", "A1", "A1", "A1"]


def test_a_third_tow_waits_for_one_of_two_tugs() -> None:
    links = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    tugs = Tugs(links, np.array([100, 110, 119, 120]), minutes=20, tugs=2, price=7)
    assert tugs.waits(np.ones(4, dtype=bool)).tolist() == [False, False, True, True]
    assert tugs.waits(np.array([True, False, True, True])).tolist() == [False] * 4
    assert tugs.total(np.array([0, 1, 0, 1, 0, 1, 2, 2])) == 7


def test_partners_are_listed_both_ways() -> None:
    coupling = Coupling(np.array([[0, 2], [2, 3]]), np.array([[False, True], [True, False]]), 5, 4)
    assert np.sort(coupling.partners, axis=1).tolist() == [[2, 4], [4, 4], [0, 3], [2, 4]]
    assert coupling.costs(np.array([0, 0, UNASSIGNED, 0]), np.arange(4)).tolist() == [[0, 0], [0, 0], [0, 10], [0, 0]]
    assert Coupling(np.zeros((0, 2), dtype=int), np.eye(2, dtype=bool), 5, 3).total(np.array([0, 1, 1])) == 0


@pytest.mark.parametrize(("stays_over", "fits"), [(129, False), (130, True)])
def test_there_must_be_time_to_park(stays_over: int, fits: bool) -> None:
    settings = {"stays_over": stays_over, "arrive": 60, "depart": 50, "minutes": 20}
    if fits:
        assert TowConfig.model_validate(settings).stays_over == stays_over
    else:
        with pytest.raises(ValueError, match="stays_over must be at least"):
            TowConfig.model_validate(settings)
