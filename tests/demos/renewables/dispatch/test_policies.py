"""All policies on one day and what is made of them; the chapter from end to end on a small file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from demos.renewables.config import RenewablesConfig
from demos.renewables.dispatch import bench
from demos.renewables.dispatch.chapter import run_chapter
from demos.renewables.dispatch.composite import COLUMNS, LOAD
from demos.renewables.dispatch.config import DispatchConfig
from demos.renewables.dispatch.days import DayInputs
from demos.renewables.dispatch.evaluate import Study, headlines, percent, recourse_table, targets
from demos.renewables.dispatch.measures import block_sums, ratio_with_interval, scenario_coverage
from demos.renewables.dispatch.model import solve
from demos.renewables.dispatch.policies import (
    BATTERY_HINDSIGHT,
    BATTERY_IDLE,
    BATTERY_MPC,
    BATTERY_RULE,
    DETERMINISTIC,
    FOLLOWED,
    HINDSIGHT,
    PERFECT,
    SCENARIO_MPC,
    STOCHASTIC,
    DayResult,
    by_rules,
    deterministic,
    hedged,
    idle,
    play_day,
    stochastic,
    try_spread,
)
from shared.result import Figure
from tests.demos.renewables.dispatch.conftest import SMALL, made_up


@pytest.fixture(scope="module")
def played(day: DayInputs) -> DayResult:
    return play_day((day, 0.3))


def test_no_policy_beats_perfect_foresight_and_no_recourse_beats_hindsight(played: DayResult) -> None:
    cost = {name: outcome.cost for name, outcome in played.outcomes.items()}
    assert min(cost.values()) == cost[PERFECT]
    assert cost[HINDSIGHT] <= min(cost[STOCHASTIC], cost[SCENARIO_MPC], cost[FOLLOWED], cost[BATTERY_HINDSIGHT])
    assert cost[BATTERY_HINDSIGHT] <= min(cost[BATTERY_MPC], cost[FOLLOWED])


def test_schedules_pass_the_verifier_and_both_models_agree(played: DayResult) -> None:
    assert played.worst < 1e-4
    assert played.gap < 1e-6


def test_jobs_travel_to_workers(day: DayInputs, played: DayResult) -> None:
    again = play_day(pickle.loads(pickle.dumps((day, 0.3))))
    assert again.outcomes == played.outcomes
    assert len(pickle.dumps(day)) < 1_000_000


def test_scenarios_hedge_where_being_short_is_dear(day: DayInputs) -> None:
    """With a premium of 50 against a discount of 15, less is sold than the mean says; turned round, more."""
    market = day.config.market.model_copy(update={"short_premium": 15.0, "long_discount": 50.0})
    turned = replace(
        day,
        prices=replace(day.prices, short=day.prices.day_ahead + 15, long=day.prices.day_ahead - 50),
        config=day.config.model_copy(update={"market": market}),
    )
    assert stochastic(day).sum() < deterministic(day).sum() - 5
    assert stochastic(turned).sum() > deterministic(turned).sum() + 5


def test_the_margin_goes_the_way_of_its_level(day: DayInputs) -> None:
    sold = [hedged(day, level).sum() for level in (0.1, 0.3, 0.5, 0.9)]
    assert sold == sorted(sold)
    assert sold[0] < sold[-1] - 20


def test_planning_does_not_change_the_day(day: DayInputs) -> None:
    before = pickle.dumps(day)
    hedged(day, 0.2)
    stochastic(day)
    assert pickle.dumps(day) == before


def test_plans_do_not_look_at_the_day(day: DayInputs) -> None:
    blind = replace(day, actual=np.full_like(day.actual, np.nan))
    for plan in (stochastic, deterministic, lambda inputs: hedged(inputs, 0.2), lambda inputs: by_rules(inputs)[0]):
        assert np.array_equal(plan(day), plan(blind))


def test_rules_put_water_into_the_hours_dearer_than_its_value(day: DayInputs) -> None:
    value, price = day.config.market.water_value, day.prices.day_ahead
    hours = by_rules(day)[1].reshape(24, 4)[:, 0]
    assert hours[price <= value].max() == 0
    assert hours[price > value] == pytest.approx(day.config.fleet.hydro)
    # With little water, the dearest hours get all of it.
    fleet = day.config.fleet.model_copy(update={"reservoir_start": 0.0, "hydro": 20.0})
    dry = replace(day, config=day.config.model_copy(update={"fleet": fleet}))
    hours = by_rules(dry)[1].reshape(24, 4)[:, 0]
    assert hours.sum() == pytest.approx(day.persistence[:, 3].sum() / 4)
    assert price[hours < 1e-9].max() <= price[hours > 1e-9].min()


def test_other_spreads_change_costs_only_through_prices(day: DayInputs, played: DayResult) -> None:
    ours, peer, best = try_spread((day, 50.0, 15.0))
    expected = [played.outcomes[name].cost for name in (STOCHASTIC, DETERMINISTIC, PERFECT)]
    assert [ours, peer, best] == pytest.approx(expected, rel=1e-6)
    assert try_spread((day, 100.0, 15.0))[1] > peer


def test_load_of_a_perfect_day_costs_what_the_model_says(day: DayInputs, played: DayResult) -> None:
    assert solve(day.truth(), day.config.solver)[1] == pytest.approx(played.outcomes[PERFECT].cost, rel=1e-6)


def study_of(played: DayResult, costs: dict[str, list[float]]) -> Study:
    """Days like the one played, with other costs."""
    count = len(next(iter(costs.values())))
    days = []
    for number in range(count):
        outcomes = {
            name: replace(outcome, cost=costs[name][number]) if name in costs else outcome
            for name, outcome in played.outcomes.items()
        }
        days.append(replace(played, outcomes=outcomes))
    return Study(days, 0.3, {}, played.inputs.config, seed=0)


def test_targets_are_met_or_missed_by_what_was_measured(played: DayResult) -> None:
    common = {DETERMINISTIC: [100.0, 300.0], PERFECT: [50.0, 150.0], FOLLOWED: [120.0, 320.0], HINDSIGHT: [60.0, 180.0]}
    good = {STOCHASTIC: [90.0, 290.0], SCENARIO_MPC: [80.0, 200.0]}
    bad = {STOCHASTIC: [99.0, 299.0], SCENARIO_MPC: [100.0, 300.0]}
    met, missed = (targets(study_of(played, common | costs)) for costs in (good, bad))
    assert (met[0].met, met[0].reached.split(" %")[0]) == (True, "5.0")
    assert (missed[0].met, missed[0].reached.split(" %")[0]) == (False, "0.5")
    assert "10.0 %" in met[0].note
    assert (met[1].met, met[1].reached.split(" %")[0]) == (True, "80.0")
    assert (missed[1].met, missed[1].reached.split(" %")[0]) == (False, "20.0")
    slow = [replace(played, seconds=0.3, gap=1e-3, worst=1.0)] * 2
    verdicts = {target.asked: target.met for target in targets(Study(slow, 0.3, {}, played.inputs.config, 0))}
    assert not verdicts["one day (stochastic) solves in under 0.2 s"]
    assert not verdicts["PuLP and OR-Tools agree to 1e-6"]
    assert not verdicts["every schedule passes the independent verifier"]


def test_recourse_is_counted_from_an_idle_battery_too(played: DayResult) -> None:
    """Following a schedule may cost more than doing nothing, and then flatters whoever is counted from it."""
    costs = {FOLLOWED: [200.0, 200.0], BATTERY_IDLE: [150.0, 150.0], BATTERY_HINDSIGHT: [100.0, 100.0]}
    costs |= {BATTERY_MPC: [120.0, 120.0], BATTERY_RULE: [130.0, 130.0]}
    study = study_of(played, costs)
    flattering, plain = (target for target in targets(study) if "battery alone" in target.asked)
    assert (flattering.met, flattering.reached.split(" %")[0]) == (True, "80.0")
    assert (plain.met, plain.reached.split(" %")[0]) == (False, "60.0")
    assert "70.0 %" in flattering.note
    assert "40.0 %" in plain.note
    rows = {str(row[0]): row for row in recourse_table(study).rows}
    rule = rows["battery alone, rule without a model: against the last deviation"]
    assert (str(rule[3])[:4], str(rule[4])[:4]) == ("70.0", "40.0")


def test_an_idle_battery_rests_and_leaves_the_turbine(played: DayResult) -> None:
    found = idle(played.schedule)
    assert found.charge.max() == found.discharge.max() == 0
    assert np.array_equal(found.hydro, played.schedule.hydro)
    assert played.outcomes[BATTERY_IDLE].cycled == 0
    assert played.outcomes[BATTERY_RULE].cycled > 0


def test_a_share_of_nothing_or_of_earnings_is_undefined(played: DayResult) -> None:
    ratio, interval = ratio_with_interval(np.array([1.0, 2.0]), np.array([0.0, 0.0]), 1, seed=0)
    assert np.isnan(ratio)
    assert interval is None
    assert percent((ratio, interval)).startswith("undefined")
    # One day costs and one earns: in some resamples there is nothing left to have a share of.
    ratio, interval = ratio_with_interval(np.array([1.0, 1.0]), np.array([30.0, -10.0]), 1, seed=0)
    assert (ratio, interval) == (pytest.approx(0.1), None)
    same = {policy: [100.0, 100.0] for policy in (FOLLOWED, HINDSIGHT, SCENARIO_MPC)}
    earning = study_of(played, same | {DETERMINISTIC: [-100.0, -200.0], STOCHASTIC: [-150.0, -250.0]})
    assert len(headlines(earning)) == 1
    saving, recourse = targets(earning)[:2]
    assert saving.reached.startswith("undefined")
    assert recourse.reached.startswith("undefined")
    assert not saving.met
    assert not recourse.met


def test_headline_and_recourse_are_shares_of_sums(played: DayResult) -> None:
    costs = {STOCHASTIC: [90.0, 290.0], DETERMINISTIC: [100.0, 300.0], FOLLOWED: [120.0, 320.0]}
    costs |= {HINDSIGHT: [60.0, 180.0], SCENARIO_MPC: [80.0, 200.0]}
    study = study_of(played, costs)
    first, second = headlines(study)
    assert (first.value, first.peer_value) == (190.0, 200.0)
    assert second.value == pytest.approx(100 * 160 / 200)
    assert recourse_table(study).rows[0][1:3] == pytest.approx([80.0, 100.0])


def test_blocks_keep_days_together() -> None:
    values = np.arange(10.0)[:, None]
    assert block_sums(values, 4).ravel().tolist() == [6.0, 22.0, 17.0]
    # There are always two at least.
    assert block_sums(values, 60).ravel().tolist() == [10.0, 35.0]
    ratio, interval = ratio_with_interval(values.ravel(), np.full(10, 2.0), 4, seed=0)
    assert ratio == 45 / 20
    assert interval is not None
    assert interval.low < ratio < interval.high
    assert ratio_with_interval(np.ones(1), np.ones(1), 4, seed=0)[1] is None
    assert percent((0.0512, interval.model_copy(update={"low": 0.01, "high": 0.1}))) == "5.1 % (1.0 to 10.0)"


def test_coverage_counts_what_lies_inside(day: DayInputs) -> None:
    for shift, expected in ((0.0, 1.0), (200.0, 0.0)):
        actual = day.actual.copy()
        actual[-96:] = np.repeat(np.median(day.every.values, axis=0), 4, axis=0)
        actual[-96:, LOAD] += shift
        hours, days = scenario_coverage([replace(day, actual=actual)], seed=0)["Schaake shuffle (ours)"]
        assert hours == pytest.approx(expected, abs=0.05)
        assert days == expected


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"days": {"tune_last": "2016-06-30"}}, "2 days or more after tune_last"),
        ({"days": {"first": "2016-12-31"}}, "first <= last"),
        ({"market": {"floor": -10.0}}, "long_floor <= floor < cap"),
        ({"forecast": {"scenarios": 91}}, "at most dispatch.forecast.templates"),
        ({"fleet": {"wear": 0.0}}, "greater than 0"),
        ({"market": {"lost_load": 250.0}}, r"lost_load must be above cap plus .* \(300\)"),
        ({"evaluation": {"spreads": [[3000.0, 15.0]]}}, r"lost_load must be above cap plus .* \(3200\)"),
    ],
)
def test_configs_that_make_no_sense_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DispatchConfig.model_validate(sections)


class Here:
    """A run in this process that keeps the names of its figures."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, []  # type: ignore[var-annotated]

    def say(self, message: str) -> None:
        self.said.append(message)

    def map(self, label: str, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [function(item) for item in items]

    def track(self, label: str, items: Iterable[Any]) -> Iterable[Any]:
        return items

    def figure(self, drawing: Any, name: str, *, title: str, caption: str, alt: str) -> Figure:
        from matplotlib import pyplot

        drawing.savefig(self.folder / f"{name}.png")
        pyplot.close(drawing)
        return Figure(file=f"{name}.svg", title=title, caption=caption, alt=alt)


@pytest.fixture
def small_config(tmp_path: Path) -> RenewablesConfig:
    """Four test days of a made-up file."""
    table = pd.DataFrame(made_up().reshape(-1, 4), columns=list(COLUMNS))
    starts = pd.date_range("2020-01-01", periods=len(table), freq="15min", tz="UTC")
    table.insert(0, "time", starts.strftime("%Y-%m-%dT%H:%M:%SZ"))
    table.to_csv(tmp_path / "own.csv", index=False)
    return RenewablesConfig.model_validate(
        {
            "dispatch": {
                "data": {"profiles": tmp_path / "own.csv"},
                "forecast": SMALL.model_dump(),
                "days": {
                    "tune_first": "2020-03-05",
                    "tune_last": "2020-03-10",
                    "tune_step": 5,
                    "first": "2020-03-20",
                    "last": "2020-03-22",
                    "step": 1,
                    "spread_step": 2,
                },
                "evaluation": {"margins": [0.3, 0.5], "spreads": [[100.0, 15.0]], "bench_days": 2},
            }
        }
    )


@pytest.mark.slow
def test_the_chapter_from_file_to_targets(small_config: RenewablesConfig, tmp_path: Path) -> None:
    chapter = run_chapter(small_config, Here(tmp_path))
    assert len({table.title for table in chapter.tables}) == 5
    assert "your fleet" in chapter.tables[0].title
    assert "composite" not in chapter.title + chapter.intro + chapter.headlines[0].name
    assert {figure.file for figure in chapter.figures} == {"dispatch-stack.svg", "dispatch-policies.svg"}
    assert [headline.peer for headline in chapter.headlines] == [DETERMINISTIC, "hindsight recourse"]
    assert chapter.targets == []  # what was asked is of the composite
    values = {metric.name: metric.value for metric in chapter.metrics}
    assert values["dispatch: EVPI: stochastic less perfect foresight"] > 0
    assert "own.csv" in chapter.notes[0]
    assert not any("COMPOSITE" in note for note in chapter.notes)


def test_the_bench_measures_solvers_and_workers(
    small_config: RenewablesConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(bench, "plan_and_follow", lambda inputs: 0.0)
    monkeypatch.setattr(bench, "solve", lambda problem, solver: None)
    monkeypatch.setattr(bench, "REPEATS", 3)
    result = bench.measure(small_config, Here(tmp_path))
    solvers = {row[0] for row in result.tables[0].rows}
    assert solvers == {"PuLP, CBC", "OR-Tools, GLOP", "PuLP, HiGHS in its own process"}
    (row,) = result.tables[1].rows
    assert (row[0], row[3], row[6], row[7]) == ("1", 1.0, 0.0, "1")
    assert result.headlines[0].value > 0


def test_scaling_is_paired_within_a_round() -> None:
    """A slow spell that hits both numbers of workers alike leaves the speed-up alone."""
    one = bench.Scaling(1, np.array([10.0, 20.0, 10.0]), 0.0, 1)
    two = bench.Scaling(2, np.array([5.0, 10.0, 8.0]), 1.5, 1)
    table = bench._fan_out_table([one, two], days=40)
    assert table.rows[0] == ["1", 10.0, 4.0, 1.0, "1.00 to 1.00", 100.0, 0.0, "1"]
    assert table.rows[1] == ["2", 8.0, 5.0, 2.0, "1.62 to 2.00", 100.0, 1.5, "1"]
    assert "73 s" in table.caption


def test_one_day_in_service_costs_what_the_policy_does(day: DayInputs, played: DayResult) -> None:
    assert bench.plan_and_follow(day) == pytest.approx(played.outcomes[STOCHASTIC].cost, rel=1e-9)
