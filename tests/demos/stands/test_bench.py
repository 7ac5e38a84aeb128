"""The bench: nobody overruns the clock, nobody's word is taken, and every plan is above the bound."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numba import typeof

from demos.stands.airport import load_airport, with_stands
from demos.stands.bench.config import BenchSize
from demos.stands.bench.contenders import (
    CBC,
    COLD,
    CONTENDERS,
    DUAL,
    FLOW,
    GREEDY,
    HIGHS,
    HINTED,
    KICKS,
    LEARNED,
    LIKELY,
    RANDOM,
    ROLLING,
    SEARCH,
    Offer,
    warm_up,
)
from demos.stands.bench.measure import measure
from demos.stands.bench.race import Race, race
from demos.stands.bench.sizes import bench_problem, pooled
from demos.stands.bench.tables import certified, certified_after, gap, primal_integral, seconds_to
from demos.stands.bench.year import plan_one, year_days
from demos.stands.column_generation.ascent import Bound
from demos.stands.config import StandsConfig
from demos.stands.data import Flights
from demos.stands.meetings import meetings
from demos.stands.problem import Problem, plan_cost
from demos.stands.search.greedy import greedy_cost
from shared.errors import UserError
from shared.progress import Progress
from shared.run import RunFolder
from tests.demos.stands.conftest import DAY, best_cost, make_airport, random_problem, stands_config

CONFIG = StandsConfig()


def is_killed(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def out_of_luck() -> None:
    raise ValueError("out of luck")


def never_ends(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    offer(greedy_cost(problem))
    while True:
        time.perf_counter()


def comes_late(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    began = time.perf_counter()
    while time.perf_counter() - began < seconds + 0.2:
        pass
    offer(greedy_cost(problem))
    return True


def cheats(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    offer(np.zeros(len(problem.turns), dtype=np.int64))
    return False


def breaks_down(problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    raise ValueError("out of luck")


def starts_another(pid: Path, problem: Problem, seconds: float, offer: Offer, config: StandsConfig) -> bool:
    pid.write_text(str(subprocess.Popen(["sleep", "600"]).pid))
    return never_ends(problem, seconds, offer, config)


def lives(pid: int) -> bool:
    """Whether a process is there; one that waits for its parent to look at it is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_what_a_contender_started_ends_with_it(tmp_path: Path) -> None:
    """CBC is such a process: it would go on beside all later contenders."""
    pid = tmp_path / "pid"
    race(random_problem(1, 12, 3), partial(starts_another, pid), 1.0, CONFIG)
    deadline = time.perf_counter() + 5
    while lives(int(pid.read_text())) and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert not lives(int(pid.read_text()))


def test_who_never_ends_is_stopped_and_keeps_what_was_handed_over() -> None:
    problem = random_problem(1, 12, 3)
    found = race(problem, never_ends, 0.3, CONFIG, partial(warm_up, GREEDY))
    assert found.seconds == pytest.approx(0.3, abs=0.1)
    assert [cost for _, cost in found.curve] == [plan_cost(problem, greedy_cost(problem))]
    assert not found.claims_best


def test_who_comes_late_has_nothing() -> None:
    found = race(random_problem(1, 12, 3), comes_late, 0.2, CONFIG)
    assert found.plan is None
    assert not found.curve
    assert not found.claims_best


def test_a_plan_that_breaks_a_hard_rule_does_not_count() -> None:
    found = race(random_problem(1, 12, 3), cheats, 5.0, CONFIG)
    assert (found.refused, found.plan) == (1, None)


def test_nothing_is_left_to_compile_after_the_warm_up() -> None:
    """Numba compiles for each type and layout, and a clock would run: those of a problem are those of the warm-up."""
    problem, tiny = random_problem(4, 12, 4), meetings(np.zeros((1, 1), np.int64), np.zeros((1, 1), bool), (), 1)
    assert problem.shadows
    for field in fields(tiny):
        assert typeof(getattr(problem.meetings, field.name)) == typeof(getattr(tiny, field.name)), field.name


def test_who_is_killed_is_called_so() -> None:
    assert race(random_problem(1, 12, 3), is_killed, 5.0, CONFIG).failed == "it was killed"


def test_who_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"did not start.*out of luck"):
        race(random_problem(1, 12, 3), cheats, 5.0, CONFIG, out_of_luck)


def test_who_breaks_down_says_why() -> None:
    assert race(random_problem(1, 12, 3), breaks_down, 5.0, CONFIG).failed == "ValueError: out of luck"


@pytest.mark.parametrize("name", [COLD, HINTED, CBC, HIGHS])
def test_solvers_of_the_whole_day_find_the_best_plan_of_a_small_one(name: str) -> None:
    problem = random_problem(4, 5, 3)
    found = race(problem, CONTENDERS[name], 20.0, CONFIG)
    assert found.curve[-1][1] == best_cost(problem)
    assert found.claims_best
    assert not found.refused


@pytest.mark.parametrize("name", [DUAL, SEARCH, KICKS, ROLLING, LEARNED, LIKELY, RANDOM, FLOW, GREEDY])
def test_the_others_hand_over_plans_that_hold(name: str) -> None:
    problem = random_problem(4, 5, 3)
    found = race(problem, CONTENDERS[name], 1.0, CONFIG, partial(warm_up, name))
    assert found.curve[-1][1] >= best_cost(problem)
    assert not found.refused
    assert not found.failed


def test_gap_integral_and_time() -> None:
    one = Race(curve=[(2.0, 200), (6.0, 125)])
    assert gap(one, 100) == pytest.approx(0.2)
    assert primal_integral(one, 100, 10.0) == pytest.approx((2 * 1 + 4 * 0.5 + 4 * 0.2) / 10)
    assert primal_integral(one, 100, 4.0) == pytest.approx((2 * 1 + 2 * 0.5) / 4)
    assert primal_integral(Race(), 100, 4.0) == gap(Race(), 100) == 1
    assert seconds_to(one, 100, 0.25) == 6
    assert seconds_to(one, 100, 0.2) is None


def test_certified_is_what_was_known_at_the_time() -> None:
    one, bound = Race(curve=[(2.0, 200), (6.0, 125)]), Bound(120, np.zeros(0, dtype=np.int64), [(3.0, 100), (8.0, 120)])
    assert certified(one, bound, 1.0) == certified(one, bound, 2.5) == certified(Race(), bound, 9.0) == 1
    assert certified(one, bound, 6.0) == pytest.approx(0.2)
    assert certified(one, bound, 9.0) == pytest.approx(0.04)
    assert [certified_after(one, bound, share) for share in (0.5, 0.1, 0.01)] == [3.0, 8.0, None]


def test_every_plan_costs_more_than_the_bound(tmp_path: Path) -> None:
    size = {"stands": 40, "seconds": 0.5, "contenders": [SEARCH, GREEDY], "longer": {SEARCH: 2.0}, "problems": 1}
    config = stands_config(
        data={"airport": "lga"}, bench={"one_day": size},
        prices={"ascents": 60, "rounds": 30},
    )  # fmt: skip
    result = measure(config, RunFolder(tmp_path, Progress(quiet=True), workers=1))
    contenders, bounds = result.tables
    above = {row[0]: float(row[2] or 0) for row in contenders.rows}
    assert 0 < above[SEARCH] < above[GREEDY] < 60
    assert [row[1] for row in contenders.rows] == [1.0, 0.5]
    assert float(bounds.rows[0][2] or 0) > 0
    assert len(result.figures) == 1


def test_a_year_is_planned_by_more_and_more_workers(tmp_path: Path, flights: Flights) -> None:
    """The table of airports is what the days say one by one, whoever plans them."""
    year = {"days": 2, "airports": ["lga"], "sample": 2, "kicks": 3}
    config = stands_config(bench={"year": year, "one_day": {"problems": 0}})
    scaling, airports = measure(config, RunFolder(tmp_path, Progress(quiet=True), workers=1)).tables
    assert [row[0] for row in scaling.rows] == [2**at for at in range(len(scaling.rows))]
    assert scaling.rows[0][2:] == [1, 100]
    days = [plan_one(day) for day in year_days(flights.departures, config)]
    saved = 100 * (1 - sum(day.last for day in days) / sum(day.first for day in days))
    assert airports.rows[0][:4] == ["LGA", 2, sum(day.turns for day in days), sum(day.unassigned for day in days)]
    assert airports.rows[0][4] == pytest.approx(saved)
    assert 0 < saved < 100


@pytest.mark.parametrize(
    ("sections", "text"),
    [
        ({"bench": {"first": "2013-07-01"}}, "bench.first 2013-07-01 is before days.test_from 2013-10-01"),
        ({"rules": {"locked": {"UA1545": "C71"}}}, "rules.locked is not for the bench"),
        ({"tow": {"stays_over": 180}}, "tow.stays_over is not for the bench"),
    ],
)
def test_what_the_bench_has_not_is_one_line(sections: dict, text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=text):
        measure(stands_config(**sections), RunFolder(tmp_path, Progress(quiet=True), workers=1))


def test_an_unknown_contender_is_refused_first(tmp_path: Path) -> None:
    config = stands_config(bench={"one_day": {"contenders": ["serch"]}})
    with pytest.raises(UserError, match="no contender 'serch'; did you mean"):
        measure(config, RunFolder(tmp_path, Progress(quiet=True), workers=1))


def test_pooled_days_hold_all_turns_and_keep_preferences(autumn: Flights) -> None:
    airports = ("ewr", "jfk", "lga")
    config = stands_config(
        days={"calibrate_from": "2013-09-20", "test_from": "2013-10-07", "first": "2013-10-08", "last": "2013-10-08"}
    )
    one = bench_problem(autumn.departures, BenchSize(airports=airports, stands=150), DAY, config)
    two = bench_problem(autumn.departures, BenchSize(airports=airports, days=2, stands=150), DAY, config)
    assert one.n_stands == two.n_stands == 150
    assert len(two.turns) > 1.8 * len(one.turns)
    assert two.turns.sobt.max() > one.turns.sobt.max() + 1000
    assert (np.diff(two.turns.sibt) >= 0).all()
    united = one.turns.table["carrier"].to_numpy(str) == "EWR-UA"
    at_home = np.array([stand.terminal == "EWR-C" for stand in one.airport.stands])
    assert (one.static[united][:, at_home] == 0).all()
    assert one.static[united].max() > 0


def test_pooled_airports_keep_all_their_rules() -> None:
    one = make_airport(
        "A1 E, A2 C, A3 C, A4 C",
        shadows=[("A1", "A2", "E")],
        closures=[("A4", "08:00", "09:00")],
        mars=[{"wide": "A1", "narrow": ("A2", "A3")}],
        rows=[("A3", "A4")],
    )
    other = make_airport("A1 C, A2 C", night_parking=["A2"]).model_copy(update={"iata": "ZZZ"})
    both = pooled([one, other])
    own = one.iata
    assert len(both.stands) == 6
    assert [(entry.stand, entry.blocks) for entry in both.shadows] == [(f"{own}-A1", f"{own}-A2")]
    assert [(entry.wide, entry.narrow) for entry in both.mars] == [(f"{own}-A1", (f"{own}-A2", f"{own}-A3"))]
    assert both.rows == ((f"{own}-A3", f"{own}-A4"),)
    assert [entry.stand for entry in both.closures] == [f"{own}-A4"]
    assert both.night_parking == (*(f"{own}-A{number}" for number in (1, 2, 3, 4)), "ZZZ-A2")
    assert pooled([one]).night_parking == ()


def test_a_widened_airport_keeps_its_stands_and_doubles_some() -> None:
    airport = load_airport("ewr")
    wide, narrow = with_stands(airport, 60), with_stands(airport, 30)
    assert len(wide.stands) == 60
    assert {stand.id for stand in airport.stands} <= {stand.id for stand in wide.stands}
    assert len(narrow.stands) == 30
    assert {stand.id for stand in narrow.stands} < {stand.id for stand in airport.stands}
