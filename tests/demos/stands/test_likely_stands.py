"""The learned start: it keeps the hard rules, leans to what past plans took, and nothing else changes."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stands.bench.config import BenchSize
from demos.stands.bench.sizes import bench_problem
from demos.stands.data import Flights
from demos.stands.learned_start import train
from demos.stands.learned_start.likely_stands import (
    FEATURES,
    LEAST,
    MODEL,
    learned_start,
    shipped,
    turns_and_groups,
    unlikeliness,
)
from demos.stands.problem import plan_cost
from demos.stands.search.greedy import greedy_cost
from demos.stands.search.neighbourhoods import keeps_hard_rules
from tests.demos.stands.conftest import FEW, random_problem, stands_config


@FEW
@given(seed=st.integers(0, 10**6), turns=st.integers(1, 16), stands=st.integers(1, 5), weight=st.floats(0, 10))
def test_a_learned_start_keeps_the_hard_rules(seed: int, turns: int, stands: int, weight: float) -> None:
    problem = random_problem(seed, turns, stands, closures=True)
    assert keeps_hard_rules(problem, learned_start(problem, weight), np.arange(turns))


def test_without_weight_it_is_greedy() -> None:
    problem = random_problem(2, 30, 6)
    assert np.array_equal(learned_start(problem, 0.0), greedy_cost(problem))


def test_the_shipped_model_knows_these_features_and_is_small() -> None:
    assert shipped().feature_name() == list(FEATURES)
    assert MODEL.stat().st_size < 2**20


def test_what_a_turn_costs_and_how_it_fits_are_told_apart() -> None:
    problem = random_problem(2, 30, 6)
    groups, values, fits = turns_and_groups(problem)
    assert values.shape == (30, len(groups), len(FEATURES))
    for index, group in enumerate(groups):
        assert np.array_equal(fits[:, index], problem.allowed[:, group[0]])
        assert np.array_equal(values[:, index, 0], problem.static[:, group[0]])
    assert (np.where(fits, values[:, :, 1], np.inf).min(axis=1) == 0).all()


def test_what_does_not_fit_is_least_likely_and_likelihoods_are_shared_within_a_group() -> None:
    problem = random_problem(2, 30, 6)
    found = unlikeliness(problem, shipped())
    assert found.min() >= 0
    assert found[~problem.allowed] == pytest.approx(-np.log(LEAST))
    for group in turns_and_groups(problem)[0]:
        assert (found[:, group] == found[:, group[:1]]).all()


def test_a_model_leans_to_the_plans_it_learned_from() -> None:
    problems = [random_problem(seed, 40, 6, shadows=False) for seed in range(3)]
    one, two = (train.train(problems) for _ in range(2))
    assert one.model_to_string() == two.model_to_string()
    for problem in problems:
        plan, unlikely = train.searched(problem), unlikeliness(problem, one)
        on = np.flatnonzero(plan >= 0)
        others = np.where(problem.allowed, unlikely, np.nan)
        assert unlikely[on, plan[on]].mean() < np.nanmean(others[on])


def test_a_learned_start_costs_less_than_greedy_on_a_day_it_never_saw(autumn: Flights) -> None:
    config = stands_config(
        days={"calibrate_from": "2013-09-20", "test_from": "2013-10-07", "first": "2013-10-08", "last": "2013-10-08"}
    )
    problem = bench_problem(autumn.departures, BenchSize(stands=40), date(2013, 10, 8), config)
    assert plan_cost(problem, learned_start(problem, 1.0)) < plan_cost(problem, greedy_cost(problem))
