"""AutoETS says what statsforecast says and never looks ahead; NGBoost finds a mean and a spread; all learn an error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from demos.renewables.forecast import ets, ngboost_peer
from demos.renewables.forecast.horizons_config import EtsConfig, NgboostConfig
from demos.renewables.forecast.lagged import LEVELS, Learning, Rows, learn
from demos.renewables.forecast.models_config import NetworkConfig, TreesConfig

SETTINGS = EtsConfig(window=300, refit_every=150)
Array = NDArray[np.float64]


def wandering(length: int = 800, seed: int = 1) -> Array:
    draws = np.random.default_rng(seed)
    return np.asarray(0.5 + np.cumsum(draws.normal(0, 0.01, length)) + draws.normal(0, 0.03, length))


def test_a_rolling_forecast_is_that_of_the_library_given_the_values_up_to_its_origin() -> None:
    from statsforecast.models import AutoETS

    values, origins, ahead = wandering(), np.array([300, 377, 449, 450]), np.array([1, 5, 5, 2])
    ((mean, spread),) = ets.rolling(values, [origins], [ahead], SETTINGS)
    for row, (origin, steps) in enumerate(zip(origins, ahead, strict=True)):
        start = 300 if origin < 450 else 450  # parameters are chosen at 300 and at 450
        model = AutoETS(season_length=1, model="AZN").fit(values[start - 300 : start + 1])
        said = model.forward(values[start - 300 : origin + 1], h=int(steps), level=[80])
        assert mean[row] == pytest.approx(said["mean"][-1], abs=1e-12)
        # The library takes sigma anew from all values it is given; ours stays that of the fit.
        assert spread[row] == pytest.approx((said["hi-80"][-1] - said["mean"][-1]) / 1.2816, rel=0.1)


def test_ets_is_not_moved_by_what_comes_after_the_origin() -> None:
    values, origins, ahead = wandering(), np.arange(300, 700, 7), np.full(58, 4)
    changed = values.copy()
    changed[501:] = 5 - changed[501:]
    (before,), (after,) = (ets.rolling(one, [origins], [ahead], SETTINGS) for one in (values, changed))
    early = origins <= 500
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first[early], second[early])
        assert not np.allclose(first[~early], second[~early])


def test_the_spread_of_ets_grows_with_the_horizon_and_each_horizon_has_its_own_rows() -> None:
    values = wandering()
    near, far = ets.rolling(
        values, [np.array([400]), np.array([400, 500])], [np.array([1]), np.array([9, 9])], SETTINGS
    )
    assert near[0].shape == (1,)
    assert far[0].shape == (2,)
    assert far[1][0] > near[1][0] > 0


@pytest.mark.parametrize(
    ("origins", "ahead", "message"),
    [([299], [1], "300 values before"), ([800], [1], "inside the series"), ([300], [0], "count from 1")],
)
def test_ets_refuses_what_it_cannot_do(origins: list[int], ahead: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ets.rolling(wandering(), [np.array(origins)], [np.array(ahead)], SETTINGS)


def test_ets_refuses_gaps_and_takes_no_rows() -> None:
    with pytest.raises(ValueError, match="finite"):
        ets.rolling(np.array([np.nan] * 500), [np.array([400])], [np.array([1])], SETTINGS)
    none = np.array([], dtype=np.int64)
    assert [len(part) for part in ets.rolling(wandering(), [none], [none], SETTINGS)[0]] == [0, 0]


def test_ngboost_finds_a_mean_and_a_spread_that_differ_from_row_to_row() -> None:
    draws = np.random.default_rng(0)
    features = pd.DataFrame({"level": draws.uniform(-1, 1, 3000), "loud": draws.integers(0, 2, 3000).astype(float)})
    target = features["level"].to_numpy() + draws.normal(0, 0.1 + 0.4 * features["loud"].to_numpy())
    features.iloc[::50, 0] = np.nan
    rows = pd.DataFrame({"level": [-0.8, 0.8, 0.0, 0.0], "loud": [0.0, 0.0, 0.0, 1.0]})
    settings = NgboostConfig(rounds=150, learning_rate=0.1, row_share=0.5, column_share=1.0)
    mean, spread = ngboost_peer.normals(features, target, rows, settings, seed=0)
    assert mean[:2] == pytest.approx([-0.8, 0.8], abs=0.15)
    assert spread[2] == pytest.approx(0.1, abs=0.06)
    assert spread[3] == pytest.approx(0.5, abs=0.12)
    again = ngboost_peer.normals(features, target, rows, settings, seed=0)
    np.testing.assert_array_equal(mean, again[0])
    np.testing.assert_array_equal(spread, again[1])


@pytest.mark.parametrize(
    ("learner", "settings"),
    [
        ("LightGBM", TreesConfig(rounds=40, learning_rate=0.2, leaves=4, min_leaf=5, levels=(0.1, 0.5, 0.9))),
        ("NGBoost, normal", NgboostConfig(rounds=60, learning_rate=0.2, row_share=1.0, column_share=1.0)),
        ("torch network", NetworkConfig(members=1, hidden=16, layers=1, dropout=0, epochs=60, batch=64)),
    ],
)
def test_every_learner_adds_the_error_it_learned_to_the_anchor(learner: str, settings: object) -> None:
    draws = np.random.default_rng(0)
    anchor = draws.uniform(0, 1, 900)
    late = draws.integers(0, 2, 900)
    error = np.where(late == 1, 0.2, -0.1) + draws.normal(0, 0.01, 900)
    train = np.arange(900) < 800
    rows = Rows(
        horizon="1 h",
        steps=1,
        issue=np.arange(900),
        features=pd.DataFrame({"late": late.astype(float), "noise": draws.normal(size=900)}),
        target=np.where(train, anchor + error, np.nan),  # what came is not known when it is forecast
        anchor=anchor,
        scale=np.ones(900),
        train=train,
        test=~train,
    )
    found = learn(Learning(learner, rows, settings, 0))
    expected = (anchor + np.where(late == 1, 0.2, -0.1))[~train]
    assert found.quantiles is not None
    for part in (found.mean, found.median, found.quantiles[:, LEVELS.index(0.2)]):
        np.testing.assert_allclose(part, expected, atol=0.06)
