"""Why a stand, why not another: the parts add up, the difference is exact, who is named is in the way; and what if."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.config import StandsConfig
from demos.stands.data import Flights
from demos.stands.explain import answer
from demos.stands.explain.what_if import draw, planned, read_closures, read_delays, rows_of, what_if
from demos.stands.explain.why import blocks, cost_parts, difference, others_free
from demos.stands.jobs import write_forecasts, write_plans
from demos.stands.plan import DAY_AHEAD, DayJob, optimise, problem_for, risk_of
from demos.stands.problem import UNASSIGNED, Problem, blocked, insertion_costs, plan_cost
from demos.stands.search.greedy import greedy_cost
from demos.stands.verify import violations
from shared.config_docs import to_yaml
from shared.errors import UserError
from tests.demos.stands.conftest import (
    FEW,
    MANY,
    RULES,
    TOW,
    as_stays,
    make_airport,
    make_turns,
    random_plan,
    random_problem,
    ruled_day,
    stand_names,
    stands_config,
)

PLAIN = stands_config()
RULED = PLAIN.model_copy(update={"rules": RULES, "tow": TOW})
SEEDS = st.integers(0, 10**6)


def a_day(seed: int, ruled: bool) -> tuple[Problem, StandsConfig]:
    """Ten turns on five stands; ruled: with tows, push-backs, wishes and a stand for the night."""
    return (ruled_day(seed, 8, 5), RULED) if ruled else (random_problem(seed, 10, 5, closures=True), PLAIN)


@MANY
@given(seed=SEEDS, ruled=st.booleans(), where=st.integers(UNASSIGNED, 4))
def test_the_parts_of_a_cost_add_up_to_it(seed: int, ruled: bool, where: int) -> None:
    problem, config = a_day(seed, ruled)
    plan, turn = random_plan(problem, seed), seed % len(problem.turns)
    costs = insertion_costs(problem, plan, np.array([turn]))[0]
    parts = cost_parts(problem, config, plan, turn, where)
    assert sum(part.cost for part in parts) == (problem.unassigned if where == UNASSIGNED else costs[where])
    assert all(part.what.strip() for part in parts)


@MANY
@given(seed=SEEDS, ruled=st.booleans(), where=st.integers(0, 4))
def test_the_difference_is_that_of_the_whole_plan(seed: int, ruled: bool, where: int) -> None:
    """With the one move, minus as it is, whatever the others do."""
    problem, _ = a_day(seed, ruled)
    plan, turn = random_plan(problem, seed), seed % len(problem.turns)
    moved = plan.copy()
    moved[turn] = where
    assert difference(problem, plan, turn, where) == plan_cost(problem, moved) - plan_cost(problem, plan)


@MANY
@given(seed=SEEDS, ruled=st.booleans(), where=st.integers(0, 4))
def test_what_is_in_the_way_is_what_blocks(seed: int, ruled: bool, where: int) -> None:
    """A stand is refused for a reason, and with the flights that are named gone, and the stand open, it is free."""
    problem, _ = a_day(seed, ruled)
    plan, turn = random_plan(problem, seed), seed % len(problem.turns)
    reasons = blocks(problem, plan, turn, where)
    row = np.array([turn])
    assert bool(reasons) == blocked(problem, plan, row)[0, where]
    named = {one.sentence.split()[0] for one in reasons if " is on " in one.sentence}
    cleared = plan.copy()
    cleared[np.isin(problem.turns.table["flight"].to_numpy(str), list(named)) & (np.arange(len(plan)) != turn)] = (
        UNASSIGNED
    )
    assert blocked(problem, cleared, row)[0, where] == (not problem.allowed[turn, where])


def test_other_stands_come_cheapest_first_and_are_free() -> None:
    problem = random_problem(5, 12, 6)
    plan = greedy_cost(problem)
    for turn in range(12):
        found = others_free(problem, plan, turn)
        assert [more for _, more in found] == sorted(more for _, more in found)
        assert {at for at, _ in found} == {
            at for at in range(6) if at != plan[turn] and not blocks(problem, plan, turn, at)
        }


def test_each_rule_is_called_by_its_name() -> None:
    airport = make_airport(
        "A1 D, A2 D, A3 C, W1 E, W2 C, W3 C", [("A2", "A1", "D")], [("A3", "10:00", "12:00")],
        mars=[{"wide": "W1", "narrow": ["W2", "W3"]}],
    )  # fmt: skip
    turns = make_turns([(600, 660), (605, 665), (606, 666), (607, 667)], "DCDC")
    problem = problem_for(a_job(turns, airport), PLAIN.cost, np.zeros((4, 4)))
    plan = np.array([1, 0, 3, UNASSIGNED])
    found = {at: [(one.rule, one.sentence) for one in blocks(problem, plan, 3, at)] for at in range(6)}
    assert found[0] == [
        ("shadow", "XX0 is on A2 from 10:00 to 11:00"),
        ("one aircraft a stand", "XX1 is on A1 from 10:05 to 11:05"),
    ]
    assert found[2] == [("closure", "A3 is closed 10:00-12:00")]
    assert found[4] == [("MARS", "XX2 is on W1 from 10:06 to 11:06")]
    assert blocks(problem, plan, 0, 5)[0].sentence == "code D does not fit W3, which takes up to code C"


def a_job(turns=None, airport=None, seed: int = 0) -> DayJob:  # type: ignore[no-untyped-def]
    """A crowded morning on five stands."""
    draws = np.random.default_rng(seed)
    on = np.sort(draws.integers(600, 720, 12))
    turns = turns if turns is not None else make_turns([(int(one), int(one) + 50) for one in on])
    airport = airport or make_airport("A1 C, A2 D, A3 C, B1 C, B2 C, R1 D", [("A2", "A3", "D")])
    config = stands_config(delay={"levels": [0.1, 0.5, 0.9], "scenarios": 50}, search={"rounds": 1, "matchings": 10})
    quantiles = np.tile([-3.0, 2.0, 30.0], (len(turns), 1))
    return DayJob(turns, airport, config, quantiles, quantiles, quantiles, np.zeros(len(turns), dtype=np.int64))


def made_plan(job: DayJob):  # type: ignore[no-untyped-def]
    return optimise(job, problem_for(job, job.config.cost, risk_of(job, job.day_ahead)))[1]


@FEW
@given(seed=st.integers(0, 1000), late=st.integers(0, 90))
def test_what_if_tells_all_that_changes_and_keeps_the_closure(seed: int, late: int) -> None:
    job = a_job(seed=seed)
    plan, turn = made_plan(job), seed % 12
    flight = str(job.turns.table["flight"].iloc[turn])
    found = what_if(job, plan, {"A2": "10:00-11:30"}, {flight: late})
    after, turns = found.after, found.after.problem.turns
    assert [change.turn for change in found.changes] == np.flatnonzero(after.plan != plan).tolist()
    assert turns.sibt[turn] - job.turns.sibt[turn] == turns.sobt[turn] - job.turns.sobt[turn] == late
    inside = (turns.sibt < 690) & (turns.sobt > 600)
    assert not (inside & (after.plan == 1)).any()
    # An overlap of at most `live.wait` is waited out.
    broken = violations(as_stays(after.problem), after.problem.airport, stand_names(after.problem, after.plan))
    assert [one for one in broken if "both on" not in one and "shadows" not in one] == []


@pytest.mark.parametrize("tail", [1.0, 0.2])
def test_what_if_nothing_happens_costs_what_the_plan_costs(tail: float) -> None:
    job = a_job(seed=4)
    cost = job.config.cost.model_copy(update={"tail": tail})
    job = replace(job, config=job.config.model_copy(update={"cost": cost}))
    plan = made_plan(job)
    found = what_if(job, plan, {}, {"XX3": 0})
    now = planned(job, plan)
    if not found.changes:
        assert found.after.cost == now.cost
    assert plan_cost(found.after.problem, plan) == now.cost


def test_before_and_after_are_drawn(tmp_path: Path) -> None:
    job = a_job(seed=4)
    plan = made_plan(job)
    draw(planned(job, plan), what_if(job, plan, {"A1": "10:00-14:00"}, {}), tmp_path / "new" / "x.png", "Testing")
    assert (tmp_path / "new" / "x.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: read_closures(["C71"]), "--close 'C71': give STAND@HH:MM-HH:MM"),
        (lambda: read_closures(["C71@10:00-10:00"]), "give STAND@HH:MM-HH:MM"),
        (lambda: read_delays(["UA1564"]), r"--delay 'UA1564': give FLIGHT\+MINUTES"),
        (lambda: what_if(a_job(), made_plan(a_job()), {"A9": "10:00-11:00"}, {}), "no stand 'A9' in Testing"),
        (lambda: rows_of(a_job().turns, "XX99"), "no flight 'XX99' on 2013-10-02; did you mean"),
        (lambda: answer.answer(None, None, None, [], [], None, None), "name a flight"),
        (lambda: answer.answer("XX1", None, "tomorrow", [], [], None, None), "--day 'tomorrow': give YYYY-MM-DD"),
    ],
)
def test_what_cannot_be_asked_is_one_line(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=text):
        call()


def test_arguments_are_read() -> None:
    assert read_closures(["C71@14:00-18:00", "A1@22:00-02:00"]) == {"C71": "14:00-18:00", "A1": "22:00-02:00"}
    assert read_delays(["UA1564+60"]) == {"UA1564": 60}


def test_the_plan_of_the_newest_run_is_explained(
    tmp_path: Path, flights: Flights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made on climatology at LaGuardia, kept as a run keeps it, and read again: the same plan at the same cost."""
    monkeypatch.setattr(answer, "load_flights", lambda path: flights)
    config = stands_config(data={"airport": "lga"}, search={"rounds": 1, "matchings": 20, "parts": False})
    monkeypatch.setattr(answer, "load", lambda *arguments: config)
    job, plan, source = answer.plan_to_explain(tmp_path, None)
    assert "planned now, for no run in" in source
    folder = tmp_path / "stands" / "20130101T000000Z-abcdef"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{}")
    (folder / "config.yaml").write_text(to_yaml(config))
    write_plans(folder / "plans.csv", [(job.turns, {DAY_AHEAD: plan})], job.airport)
    write_forecasts(folder / "forecasts.csv", [job])
    again, same, source = answer.plan_to_explain(tmp_path, job.turns.day)
    assert source == f"{DAY_AHEAD}, of run {folder.name}"
    assert np.array_equal(same, plan)
    assert planned(again, same).cost == planned(job, plan).cost
    flight = str(job.turns.table["flight"].iloc[100])
    answer.answer(flight, "B-A2", None, ["B-A2@09:00-12:00"], [f"{flight}+45"], tmp_path / "x.png", tmp_path)
    told = capsys.readouterr().out
    assert "the plan costs" in told
    assert f"{flight}, code" in told
    assert (tmp_path / "x.png").is_file()
    fewer = replace(flights, departures=flights.departures[flights.departures["flight"] != flight])
    monkeypatch.setattr(answer, "load_flights", lambda path: fewer)
    with pytest.raises(UserError, match="not those of today's data"):
        answer.plan_to_explain(tmp_path, None)
    (folder / "config.yaml").write_text(to_yaml(config) + "gone: 1\n")
    with pytest.raises(UserError, match="its config is of another version of this demo; run the demo again"):
        answer.plan_to_explain(tmp_path, None)
