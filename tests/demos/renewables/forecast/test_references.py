"""What intraday forecasts are held against: the mixture is as strong as its parts and knows the training alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demos.renewables.forecast import intraday, references
from demos.renewables.forecast.horizons import score
from demos.renewables.forecast.lagged import Split
from demos.renewables.forecast.plant import make_plant
from tests.demos.renewables.forecast.pv_sites import SMALL, a_site, clouds, forecast


def test_the_mixture_is_at_least_as_good_as_each_of_its_parts_where_clouds_stay_or_go() -> None:
    """Hours ahead, wandering clouds are best told by neither the last value nor the usual one alone."""
    site = a_site(clouds(60, seed=5), days=60)
    config = SMALL.model_copy(update={"horizons": (15, 240), "learners": (), "test_from": date(2021, 7, 11)})
    for case in forecast(site, config):
        for mask in ("daylight", "all hours"):
            mixed = score(case, references.MIXED, "RMSE", mask)
            parts = [score(case, name, "RMSE", mask) for name in (references.REFERENCE, "climatology")]
            assert mixed < 1.02 * min(parts)
    assert mixed < 0.97 * min(parts)


def test_the_mixture_learns_its_weights_from_daylight_and_from_training_alone() -> None:
    site = a_site(clouds(60, seed=5), days=60)
    split = Split(pd.Timestamp("2021-07-11", tz="UTC"), pd.Timestamp("2021-07-31", tz="UTC"))
    plant = make_plant(site, split.start)
    rows = intraday.make_rows(plant, 16, intraday.known_features(plant), SMALL, split)
    lit = references.lit_rows(plant, rows.issue, rows.valid, SMALL)
    both = lit[rows.test]
    assert 0 < both.sum() < len(both)
    mixed = references.references(plant, rows, SMALL)[references.MIXED].mean
    # Dark mornings and everything in the test may change: rows in daylight are told the same.
    target = np.where(rows.train & lit, rows.target, 0.77 - 0.5 * rows.target)
    changed = references.references(plant, replace(rows, target=target), SMALL)[references.MIXED].mean
    np.testing.assert_array_equal(mixed[both], changed[both])
    assert not np.array_equal(mixed[~both], changed[~both])


def test_the_climatology_of_a_training_row_is_made_without_its_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    site = a_site(clouds(60, seed=5), days=60)
    split = Split(pd.Timestamp("2021-07-11", tz="UTC"), pd.Timestamp("2021-07-31", tz="UTC"))
    plant = make_plant(site, split.start)
    rows = intraday.make_rows(plant, 16, intraday.known_features(plant), SMALL, split)
    asked: list[tuple[Any, Any]] = []
    usual = references._usual

    def spied(plant: Any, train: Any, test: Any) -> Any:
        asked.append((train, test))
        return usual(plant, train, test)

    monkeypatch.setattr(references, "_usual", spied)
    references.references(plant, rows, SMALL)
    learned = [pair for pair in asked if np.isin(pair[1], rows.valid[rows.train]).all()]
    assert len(learned) == 5
    for train, test in learned:
        assert not np.isin(plant.day[train] // 7, plant.day[test] // 7).any()
    assert sum(len(test) for _, test in learned) == rows.train.sum()
    assert np.isin(np.concatenate([train for train, _ in asked]), rows.valid[rows.train]).all()


def test_the_fast_climatology_is_the_mean_of_the_slow_one() -> None:
    plant = make_plant(a_site(clouds(60), days=60), pd.Timestamp("2021-07-31", tz="UTC"))
    k, at = plant.index, np.arange(len(plant.power))
    train = at[(at < 3000) & (plant.hour > 8)]
    hour, day = np.floor(plant.hour), np.round(plant.season / (2 * np.pi) * 365.25)
    known = train[np.isfinite(k[train])]
    found = references._usual(plant, train, at)
    for one in at[5000:5300]:
        same = known[hour[known] == hour[one]]
        pool = same if len(same) else known
        near = pool[np.abs(day[pool] - day[one]) <= 30]
        expected = k[near if len(near) >= 20 else pool].mean() * plant.clear[one]
        assert found[one] == pytest.approx(expected)
