"""Plans of a day: mending uses nothing before it is known and never moves what is fixed; broken plans do not pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.stands import plan as planning
from demos.stands.airport import Airport
from demos.stands.config import StandsConfig, TowConfig
from demos.stands.jobs import write_plans
from demos.stands.learned_start.likely_stands import learned_start
from demos.stands.learning.features import minutes_since_1970
from demos.stands.plan import DAY_AHEAD, HINDSIGHT, ON_THE_DAY, DayJob, buffer_name, judged, mend, plan_day
from demos.stands.problem import UNASSIGNED, Problem, plan_cost
from demos.stands.report import broken
from demos.stands.rules.tows import split_long_stays
from demos.stands.search.greedy import greedy_cost
from tests.demos.stands.conftest import FEW, MIDNIGHT, make_airport, make_turns, stands_config

AIRPORT = make_airport(
    "A1 C, A2 D, A3 C, B1 C, R1 D", shadows=[("A2", "A3", "D")], preferences={"XX": ("A", "B"), "YY": ("B",)}
)
START = int(minutes_since_1970(pd.Series([MIDNIGHT]))[0])
LEVELS = (0.1, 0.5, 0.9)
TINY = {"rounds": 2, "matchings": 6, "free_turns": 6, "stands": 3}


def config(**sections: dict[str, object]) -> StandsConfig:
    base = {
        "search": TINY,
        "mending": TINY | {"rounds": 1},
        "delay": {"levels": LEVELS, "scenarios": 50},
        "evaluation": {"buffers": [0, 20]},
    }
    return stands_config(**{**base, **sections})


def made_up_day(seed: int, turns: int = 16) -> DayJob:
    """A crowded morning; delays are about as forecast, and forecasts a day ahead are vague."""
    draws = np.random.default_rng(seed)
    on = np.sort(draws.integers(600, 600 + 22 * turns, turns))
    stays = [(int(start), int(start) + 50) for start in on]
    expected = draws.exponential(40, turns)
    real = [None if draws.random() < 0.05 else float(np.round(mean * draws.exponential(1) - 5)) for mean in expected]
    codes = "".join(draws.choice(["B", "C", "D"], turns, p=[0.3, 0.5, 0.2]))
    day = make_turns(stays, codes, real, carrier=draws.choice(["XX", "YY"], turns))
    day = replace(day, reconstructed=np.ones(turns, dtype=bool))
    vague, sharp = np.outer(np.full(turns, 40.0), [-0.1, 0.7, 2.3]), np.outer(expected, [0.1, 0.7, 2.3]) - 5
    decided = START + np.minimum(day.sobt - 120, day.sibt - 30) // 15 * 15
    return DayJob(day, AIRPORT, config(), vague, vague, sharp, decided)


def mended(job: DayJob, problem: Problem, plan: NDArray[np.int64]) -> NDArray[np.int64]:
    return mend(job, problem, plan, job.day_ahead, job.on_the_day)


def starting(job: DayJob) -> tuple[Problem, NDArray[np.int64]]:
    problem = planning.problem_for(job, job.config.cost, planning.risk_of(job, job.day_ahead))
    return problem, planning.optimise(job, problem)[1]


def with_departures(job: DayJob, atd: pd.Series) -> DayJob:
    return replace(job, turns=replace(job.turns, table=job.turns.table.assign(atd=atd.astype("datetime64[us]"))))


@FEW
@given(seed=st.integers(0, 10**6), at=st.floats(0, 1), blank=st.booleans())
def test_what_leaves_later_moves_no_stand_that_was_fixed_before(seed: int, at: float, blank: bool) -> None:
    """Departures after a moment are cancelled or leave at some other time after it; forecasts made later are others."""
    job = made_up_day(seed)
    now = int(np.quantile(job.decided_at, at))
    moment = MIDNIGHT + pd.Timedelta(minutes=now - START)
    later = ~(job.turns.table["atd"] <= moment)
    draws = np.random.default_rng(seed)
    other = moment + pd.to_timedelta(draws.integers(1, 400, len(later)), unit="min")
    changed = with_departures(
        job, job.turns.table["atd"].mask(later, pd.NaT if blank else pd.Series(other, later.index))
    )
    made_later = job.decided_at > now
    changed = replace(changed, on_the_day=job.on_the_day + 90.0 * made_later[:, None])
    start = starting(job)
    before, after = mended(job, *start), mended(changed, *start)
    assert np.array_equal(before[~made_later], after[~made_later])


def test_what_has_left_before_does_move_the_stands_after() -> None:
    """Else the test above would hold for a plan that is never mended."""
    moved = 0
    for seed in range(6):
        job = made_up_day(seed)
        start = starting(job)
        late = with_departures(job, job.turns.table["std"] + pd.Timedelta(minutes=150))
        prompt = with_departures(job, job.turns.table["std"])
        moved += not np.array_equal(mended(late, *start), mended(prompt, *start))
    assert moved >= 3


@pytest.mark.parametrize("seed", range(4))
def test_a_stand_once_fixed_is_fixed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each decision time the turns due before are locked, and those due now are the last to be free."""
    job, calls = made_up_day(seed), []

    def recorded(problem, plan, settings, draws, locked):  # type: ignore[no-untyped-def]
        found = search(problem, plan, settings, draws, locked=locked)
        calls.append((plan.copy(), locked, found[0].copy(), problem.pair))
        return found

    start = starting(job)
    search = planning.search
    monkeypatch.setattr(planning, "search", recorded)
    final = mended(job, *start)
    times = np.unique(job.decided_at)
    assert len(calls) == len(times)
    assert np.array_equal(calls[0][0], start[1])
    for now, (given_plan, locked, found, pair) in zip(times, calls, strict=True):
        assert np.array_equal(locked, job.decided_at < now)
        assert np.array_equal(found[locked], given_plan[locked])
        fixed = job.decided_at <= now
        assert np.array_equal(final[fixed], found[fixed])
        assert np.array_equal(pair, pair.T)
    assert np.array_equal(mended(job, *start), final)


def test_a_stand_fixed_the_evening_before_knows_no_forecast_of_the_next_evening() -> None:
    """A user's own on-block times: there from 20:00 the day before to 18:00, so decided at 19:30 the day before.

    The other comes at 18:05 and leaves at 19:40, so its T-24 h is ten minutes later.
    """
    airport = make_airport("A1 C, R1 B")
    day = make_turns([(-240, 1080), (1085, 1180)], "BC", [0.0, 0.0])
    certain = np.array([[60.0, 60.0, 60.0], [0.0, 0.0, 0.0]])
    job = DayJob(day, airport, config(mending=TINY), certain, certain, certain, START + np.array([-270, 1050]))
    assert job.decided_at[0] < START + day.sobt[1] - 24 * 60
    stands = []
    for late in (0.0, 400.0):
        other = replace(job, day_ahead=certain + np.array([[0.0], [late]]))
        stands.append(mended(other, starting(other)[0], np.array([0, 0]))[0])
    assert stands[0] == stands[1]


def test_a_plan_that_breaks_a_rule_is_never_judged() -> None:
    job = made_up_day(0)
    _, plan = starting(job)
    assert judged(job, plan).turns == len(plan)
    widest = int(np.argmax([ord(code) for code in job.turns.codes]))
    broken = plan.copy()
    broken[widest] = 0
    with pytest.raises(AssertionError, match=r"2013-10-02: the plan breaks \d+ hard rules, first: XX\d+"):
        judged(job, broken)


def test_hindsight_sees_what_really_was_and_cancelled_turns_meet_nobody() -> None:
    day = make_turns([(-300, 90), (600, 660), (670, 730), (675, 735)], delay=[0.0, 40.0, 0.0, None])
    job = replace(made_up_day(0), turns=day)
    real = planning.real_overlap(job)
    # 40 % of 40 min was late arrival: there from 616 to 700; the next from 670 on.
    assert real.tolist() == [[0, 0, 0, 0], [0, 0, 30, 0], [0, 30, 0, 0], [0, 0, 0, 0]]


def test_a_day_has_every_plan_and_the_same_seed_gives_them_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    job = made_up_day(3)
    job = replace(job, config=config(evaluation={"buffers": [0, 20], "front_weights": [4.0]}))
    first, again = plan_day(job), plan_day(job)
    assert first.replays == again.replays
    assert first.front == again.front
    for name, plan in first.plans.items():
        assert np.array_equal(plan, again.plans[name]), name
    assert {buffer_name(0), buffer_name(20), DAY_AHEAD, ON_THE_DAY, HINDSIGHT} <= set(first.plans)
    assert set(first.plans) == set(first.replays)
    assert all(len(replayed.minutes) == 3 for replayed in first.replays.values())
    dearer = first.front[DAY_AHEAD, 4.0]
    assert dearer.remote_passengers <= first.replays[DAY_AHEAD].remote_passengers
    check_plans_file(tmp_path / "plans.csv", first, job.airport)


def test_rules_that_could_not_hold_are_in_the_report() -> None:
    """Two flights are wished on one stand at once."""
    job = made_up_day(3)
    flights = job.turns.table["flight"].tolist()
    clash = next(at for at in range(1, 16) if job.turns.sibt[at] < job.turns.sobt[at - 1])
    wishes = {flights[clash - 1]: "A2", flights[clash]: "A2"}
    job = replace(job, config=config(rules={"locked": wishes}))
    day = plan_day(job)
    assert len(day.replays[ON_THE_DAY].broken) == 1
    (table,) = broken.of_plans([day])
    assert table.rows[0][:3] == ["locked stand", 2, "2013-10-02"]
    assert broken.metric([day]).value == 1.0
    free = plan_day(replace(job, config=config()))
    assert broken.of_plans([free]) == []
    assert broken.metric([free]).value == 0.0


def test_split_stays_are_planned_mended_and_replayed() -> None:
    job = made_up_day(4)
    rule = TowConfig(stays_over=45, arrive=12, depart=18, minutes=10, tugs=1)
    turns = split_long_stays(job.turns, rule)
    order = np.argsort(job.turns.table.index.to_numpy())
    rows = order[np.searchsorted(job.turns.table.index.to_numpy()[order], turns.table.index.to_numpy())]
    parts = replace(
        job,
        turns=turns,
        config=config(tow=rule.model_dump()),
        climatology=job.climatology[rows],
        day_ahead=job.day_ahead[rows],
        on_the_day=job.on_the_day[rows],
        decided_at=np.minimum(job.decided_at[rows], (START + turns.sibt - 30) // 15 * 15),
    )
    day = plan_day(parts)
    assert len(turns) == 3 * len(job.turns)
    assert day.replays[ON_THE_DAY].passengers == job.turns.seats.sum()
    assert all(len(plan) == len(turns) for plan in day.plans.values())


def check_plans_file(path, day, airport: Airport) -> None:  # type: ignore[no-untyped-def]
    write_plans(path, [(day.turns, day.plans)], airport)
    table = pd.read_csv(path)
    assert len(table) == (len(day.plans) - 1) * len(day.turns)
    assert HINDSIGHT not in set(table["method"])
    mine = table[table["method"] == DAY_AHEAD]
    assert mine["flight"].tolist() == day.turns.table["flight"].tolist()
    names = [None if at == UNASSIGNED else airport.stands[at].id for at in day.plans[DAY_AHEAD]]
    assert mine["stand"].astype(object).where(mine["stand"].notna(), None).tolist() == names
    assert mine["sobt_min"].tolist() == day.turns.sobt.tolist()


def test_kicks_follow_the_search_and_a_learned_start_precedes_it() -> None:
    job = made_up_day(3)
    problem, searched = starting(job)
    kicked = replace(job, config=config(kicks={"number": 30}))
    start, plan, log = planning.optimise(kicked, problem)
    assert np.array_equal(start, greedy_cost(problem))
    assert plan_cost(problem, plan) == log.curve[-1][1] <= plan_cost(problem, searched)
    _, _, leaning = planning.optimise(replace(job, config=config(start={"learned": 2.0})), problem)
    assert leaning.curve[0][1] == plan_cost(problem, learned_start(problem, 2.0)) != plan_cost(problem, start)
