"""Scores: what each is given, skill and its interval, and the small functions that forecasts are built from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from pydantic import ValidationError

from demos.renewables.forecast import horizon_figures, horizons
from demos.renewables.forecast.horizons import Case, Scheme
from demos.renewables.forecast.horizons_config import IntradayConfig, WindConfig
from demos.renewables.forecast.lagged import (
    BLEND,
    LEVELS,
    P10,
    P90,
    Prediction,
    ahead,
    blended,
    normal,
    point,
    rolling,
    shift,
)
from shared.evaluation.metrics import crps_from_quantiles
from shared.result import Figure

FEW = settings(derandomize=True, deadline=None, max_examples=25)
SCHEME = Scheme("made up", "RMSE", "held", "harder", "bright", "days", {60: 0.1})


def a_case(seed: int = 0, days: int = 40, minutes: int = 60) -> Case:
    draws = np.random.default_rng(seed)
    rows = days * 24
    y = draws.uniform(0, 1, rows)
    start = pd.date_range("2020-01-01", periods=rows, freq="h", tz="UTC")
    return Case(
        horizon=f"{minutes} min",
        minutes=minutes,
        issue_time=start,
        valid_time=start + pd.Timedelta(minutes=minutes),
        y=y,
        block=np.arange(rows) // 24 + 18262,
        masks={"bright": np.arange(rows) % 24 >= 8, "all hours": np.ones(rows, dtype=bool)},
        predictions={
            BLEND: normal(y + draws.normal(0, 0.1, rows), np.full(rows, 0.1)),
            "held": point(y + draws.normal(0, 0.2, rows)),
            "harder": point(y + draws.normal(0, 0.15, rows)),
            "perfect": point(y.copy()),
        },
    )


def test_a_perfect_forecast_has_skill_one_and_the_reference_none() -> None:
    case = a_case()
    for measure in ("RMSE", "MAE", "CRPS"):
        best = horizons.skill(case, "perfect", "held", measure, "bright", "days")
        assert (best.value, best.interval.low, best.interval.high) == (1, 1, 1)
        none = horizons.skill(case, "held", "held", measure, "bright", "days")
        assert (none.value, none.interval.low, none.interval.high) == pytest.approx((0, 0, 0))


def test_skill_is_one_minus_the_ratio_of_scores_over_the_rows_of_the_mask() -> None:
    case = a_case()
    bright = case.masks["bright"]
    for measure, power in (("RMSE", 2), ("MAE", 1)):
        errors = [np.abs(case.predictions[name].mean - case.y)[bright] ** power for name in (BLEND, "held")]
        expected = 1 - (errors[0].mean() / errors[1].mean()) ** (1 / power)
        found = horizons.skill(case, BLEND, "held", measure, "bright", "days")
        assert found.value == pytest.approx(expected)
        assert found.interval.low < expected < found.interval.high
        assert found.interval.unit.startswith("40 days")
    assert horizons.score(case, "held", "RMSE", "bright") == pytest.approx(100 * errors_rms(case, "held", bright))


def errors_rms(case: Case, method: str, chosen: Any) -> float:
    return float(np.sqrt(np.mean((case.predictions[method].mean - case.y)[chosen] ** 2)))


@FEW
@given(st.integers(0, 10**6))
def test_the_interval_holds_the_value_and_a_worse_method_has_less_skill(seed: int) -> None:
    case = a_case(seed, days=12)
    found = [horizons.skill(case, name, "held", "RMSE", "bright", "days") for name in (BLEND, "harder")]
    assert all(one.interval.low <= one.value <= one.interval.high for one in found)
    assert found[0].value > found[1].value


def test_squared_errors_take_the_mean_and_absolute_ones_the_median() -> None:
    case = a_case()
    rows = len(case.y)
    skewed = Prediction(np.full(rows, 0.7), np.full(rows, 0.2), np.full((rows, len(LEVELS)), 0.2))
    case.predictions["skewed"] = skewed
    np.testing.assert_allclose(horizons.row_losses(case, "skewed", "RMSE"), (0.7 - case.y) ** 2)
    np.testing.assert_allclose(horizons.row_losses(case, "skewed", "MAE"), np.abs(0.2 - case.y))


def test_crps_is_the_shared_one_and_that_of_a_point_is_its_absolute_error() -> None:
    case = a_case()
    quantiles = case.predictions[BLEND].quantiles
    assert quantiles is not None
    expected = crps_from_quantiles(case.y, quantiles, LEVELS)
    assert horizons.row_losses(case, BLEND, "CRPS").mean() == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(horizons.row_losses(case, "held", "CRPS"), horizons.row_losses(case, "held", "MAE"))


def test_coverage_counts_rows_between_p10_and_p90() -> None:
    case = a_case()
    rows = len(case.y)
    quantiles = np.zeros((rows, len(LEVELS)))
    quantiles[:, P90:] = 1.0
    quantiles[: rows // 4, P10:] = 2.0  # the first quarter of days: y lies below P10
    quantiles[: rows // 4, :P10] = 2.0
    case.predictions["band"] = Prediction(case.y, case.y, quantiles)
    share, interval = horizons.held(case, "band", "bright", "days") or (0.0, None)
    assert share == pytest.approx(0.75)
    assert interval is not None
    assert interval.low < 0.75 < interval.high
    assert horizons.held(case, "held", "bright", "days") is None
    even = np.linspace(0, 1, rows)
    case.y[:] = even
    case.predictions["even"] = Prediction(even, even, np.tile(LEVELS, (rows, 1)))
    found = horizons.held(case, "even", "all hours", "days")
    assert found is not None
    assert found[0] == pytest.approx(0.8, abs=0.002)


def test_blocks_without_rows_of_the_mask_are_left_out() -> None:
    case = a_case(days=5)
    case.masks["bright"][24:48] = False
    assert len(horizons.by_block(case, np.ones(len(case.y)), "bright")) == 4


@pytest.mark.parametrize(("asked", "met"), [(0.1, True), (0.9, False)])
def test_a_target_is_met_when_the_measured_skill_reaches_it(asked: float, met: bool) -> None:
    scheme = Scheme("made up", "RMSE", "held", "harder", "bright", "days", {60: asked, 240: 0.0})
    (target,) = horizons.targets([a_case()], scheme)
    assert target.met is met
    assert f"{100 * asked:.0f} %" in target.asked
    assert horizons.skill(a_case(), BLEND, "held", "RMSE", "bright", "days").text() in target.reached


def test_headlines_stand_beside_the_reference_with_a_paired_interval() -> None:
    (line,) = horizons.headlines([a_case(), a_case(minutes=30)], SCHEME)
    assert line.peer == "held"
    assert line.interval is not None
    assert line.interval.low < line.value < line.interval.high
    assert line.value == pytest.approx(horizons.score(a_case(), BLEND, "RMSE", "bright"))
    assert "over harder" in line.note
    names = [metric.name for metric in horizons.metrics([a_case()], SCHEME)]
    assert len(names) == len(set(names)) == 3


def test_tables_have_every_method_and_every_horizon() -> None:
    cases = [a_case(), a_case(minutes=120)]
    skills, errors = horizons.skill_table(cases, SCHEME), horizons.error_table(cases, SCHEME)
    assert [row[0] for row in skills.rows] == [BLEND, "held", "harder", "perfect"]
    assert all(len(row) == len(skills.columns) == 3 for row in skills.rows)
    assert len(errors.rows) == 8
    assert all(len(row) == len(errors.columns) for row in errors.rows)
    assert errors.rows[0][1] == pytest.approx(horizons.score(cases[0], BLEND, "RMSE", "bright"))
    assert errors.rows[1][-1] is None


class Folder:
    """As much of a run as figures need."""

    def figure(self, drawing: Any, name: str, *, title: str, caption: str, alt: str) -> Figure:
        drawing.canvas.draw()
        pyplot.close(drawing)
        return Figure(file=f"{name}.svg", title=title, caption=caption, alt=alt)


def test_figures_name_what_is_too_bad_to_draw_and_pick_the_restless_day() -> None:
    case = a_case(days=6)
    restless = np.arange(48, 72)
    calm = np.setdiff1d(np.arange(len(case.y)), restless)
    case.y[calm] = 0.5
    case.y[restless] = np.tile([0.0, 1.0], 12)
    case.predictions.update(perfect=point(case.y.copy()), awful=point(case.y + 3))
    drawn = horizon_figures.skills([case], SCHEME, Folder(), "name", "source")  # type: ignore[arg-type]
    assert "awful" in drawn.caption
    assert "perfect" not in drawn.caption
    assert horizon_figures._restless_day([case], "bright") == case.block[48]


@FEW
@given(st.integers(0, 12), st.integers(1, 9), st.integers(0, 10**6))
def test_shifts_and_rolling_measures_never_see_what_comes_later(steps: int, window: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    values = draws.normal(size=60)
    changed = values.copy()
    changed[30:] = draws.normal(size=30)
    for measure in ("mean", "std", "min", "max"):
        np.testing.assert_array_equal(rolling(values, window, measure)[:30], rolling(changed, window, measure)[:30])
    np.testing.assert_array_equal(shift(values, steps)[:30], shift(changed, steps)[:30])
    issue = np.arange(20, 40)
    np.testing.assert_array_equal(ahead(values, issue, -steps), shift(values, steps)[issue])


def test_a_shift_into_the_future_is_refused_and_ahead_ends_with_the_series() -> None:
    with pytest.raises(ValueError, match="leak"):
        shift(np.arange(3.0), -1)
    assert np.isnan(shift(np.arange(3.0), 5)).all()
    np.testing.assert_array_equal(ahead(np.arange(3.0), np.array([0, 1, 2]), 1), [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(rolling(np.array([1.0, np.nan, 3.0]), 2, least=2), [np.nan] * 3)
    np.testing.assert_array_equal(rolling(np.array([1.0, np.nan, 3.0]), 2), [1.0, 1.0, 3.0])


def test_blends_average_and_keep_quantiles_in_order() -> None:
    first, second = normal(np.zeros(3), np.ones(3)), normal(np.ones(3), np.full(3, 3.0))
    both = blended({"LightGBM": first, "torch network": second, "other": point(np.zeros(3))})
    assert list(both) == [BLEND, "LightGBM", "torch network", "other"]
    quantiles = both[BLEND].quantiles
    assert quantiles is not None
    assert (np.diff(quantiles, axis=1) > 0).all()
    assert both[BLEND].mean.tolist() == both[BLEND].median.tolist() == [0.5] * 3
    assert quantiles[0, P90] == pytest.approx((0 + 1.2816 + 1 + 3 * 1.2816) / 2, abs=1e-3)
    assert list(blended({"LightGBM": first})) == ["LightGBM"]


def test_predictions_are_bounded_and_joined_in_all_their_parts() -> None:
    one = normal(np.array([0.5, 2.0]), np.ones(2)).then(np.array([9.0])).within(0.0, 1.0)
    assert one.mean.tolist() == one.median.tolist() == [0.5, 1.0, 1.0]
    assert one.quantiles is not None
    assert one.quantiles.shape == (3, len(LEVELS))
    assert one.quantiles.min() == 0.0
    assert one.quantiles.max() == 1.0
    assert point(np.zeros(2)).then(np.ones(1)).quantiles is None


@pytest.mark.parametrize(
    ("model", "wrong", "message"),
    [
        (IntradayConfig, {"horizons": (60, 30)}, "increase"),
        (IntradayConfig, {"horizons": ()}, "at least 1"),
        (IntradayConfig, {"learners": ("LightGBM", "LightGBM")}, "once"),
        (IntradayConfig, {"test_from": "2013-02-01", "test_until": "2013-02-01"}, "after test_from"),
        (WindConfig, {"test_until": "2015-01-01"}, "after test_from"),
        (WindConfig, {"train_every": 15}, "multiple of 10"),
        (WindConfig, {"learners": ("a crystal ball",)}, "LightGBM"),
    ],
)
def test_settings_that_make_no_sense_are_refused(model: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model(**wrong)


def test_a_users_file_is_named_with_its_checksum(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("x")
    used = horizons.own_file(tmp_path / "mine.csv")
    assert used.sha256.startswith("2d711642b726")
