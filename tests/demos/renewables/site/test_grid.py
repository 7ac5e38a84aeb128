from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.renewables.site.finding import Refusal
from demos.renewables.site.grid import regular
from shared.seed import generator


def rows(freq: str = "15min", periods: int = 96 * 3, start: str = "2013-05-01") -> pd.DataFrame:
    index = pd.date_range(start, periods=periods, freq=freq, tz="UTC", name="time")
    return pd.DataFrame({"power_kw": np.arange(periods) % 17 + 1.0}, index=index)


def kinds(findings: list) -> list[str]:
    assert all(finding.action != "refused" and "\n" not in finding.message for finding in findings)
    return [finding.kind for finding in findings]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10_000), extra=st.integers(0, 40))
def test_order_and_repeats_do_not_matter(seed: int, extra: int) -> None:
    table = rows()
    random = generator(seed, "shuffle")
    doubled = pd.concat([table, table.iloc[random.integers(0, len(table), extra)]])
    mixed = doubled.iloc[random.permutation(len(doubled))]
    found, findings = regular(mixed, "left", "power")
    pd.testing.assert_frame_equal(found, table, check_freq=False)
    assert set(kinds(findings)) <= {"unsorted", "duplicates"}


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.sets(st.integers(1, 286), max_size=100))
def test_missing_rows_become_empty_ones(gone: set[int]) -> None:
    table = rows()
    found, findings = regular(table.drop(table.index[sorted(gone)]), "left", "power")
    assert found["power_kw"].isna().sum() == len(gone)
    assert len(found) == len(table)
    assert findings == []


def test_doubled_rows_that_contradict_are_refused_and_those_that_agree_are_averaged() -> None:
    table = rows()
    with pytest.raises(
        Refusal, match=r"1 stamps have rows that contradict .* first 2013-05-01 00:45 UTC: power_kw 4, 9"
    ):
        regular(pd.concat([table, table.iloc[[3]] + 5]), "left", "power", scale=10)
    found, findings = regular(pd.concat([table, table.iloc[[3]] + 0.08]), "left", "power", scale=10)
    assert found["power_kw"].iloc[3] == pytest.approx(4.04)
    assert "replaced by their mean (they differ by at most 0.08)" in findings[-1].message


@pytest.mark.parametrize("label", ["left", "right"])
def test_a_finer_stretch_is_averaged(label: str) -> None:
    truth = rows("5min", 3 * 96 * 4)
    side = {"label": label, "closed": label}
    coarse = truth.resample("15min", **side).mean()
    change = pd.Timestamp("2013-05-03", tz="UTC")
    early = coarse[coarse.index <= change] if label == "right" else coarse[coarse.index < change]
    late = truth[truth.index > change] if label == "right" else truth[truth.index >= change]
    found, findings = regular(pd.concat([early, late]), label, "power")
    assert kinds(findings) == ["mixed frequency"]
    assert "every 5 min and 15 min (first change near 2013-05-03" in findings[0].message
    assert found["power_kw"].isna().mean() < 0.01
    pd.testing.assert_frame_equal(found.dropna(), coarse.loc[found.dropna().index], check_freq=False)


def test_frequencies_that_do_not_divide_are_refused() -> None:
    mixed = pd.concat([rows("10min", 300), rows("15min", 300, "2013-06-01")])
    with pytest.raises(Refusal, match="rows come every 10 min and 15 min, first change near 2013-05-03"):
        regular(mixed, "left", "power")
    with pytest.raises(Refusal, match="rows come every 5 min and 15 min"):
        regular(pd.concat([rows("5min", 300), rows("15min", 300, "2013-06-01")]), "center", "power")


def test_a_grid_that_begins_past_the_hour_is_kept() -> None:
    table = rows(start="2013-05-01 00:02")
    found, findings = regular(table, "left", "power")
    assert found.index[0] == table.index[0]
    assert findings == []


@pytest.mark.parametrize("freq", ["7min", "1D", "30s", "2h"])
def test_steps_that_no_forecast_uses_are_refused(freq: str) -> None:
    with pytest.raises(Refusal, match="a step from 1 to 60 min that divides an hour"):
        regular(rows(freq), "left", "power")


def test_jitter_is_rounded_and_disorder_refused() -> None:
    table = rows()
    wobble = pd.to_timedelta(generator(0, "jitter").integers(-20, 20, len(table)), unit="s")
    found, findings = regular(table.set_axis(table.index + wobble), "left", "power")
    assert kinds(findings) == ["jitter"]
    np.testing.assert_array_equal(found["power_kw"], table["power_kw"])
    wild = pd.to_timedelta(generator(0, "wild").integers(0, 800, len(table)), unit="s")
    said = r"the nearest is 15 min, but \d+ stamps are more than 10% of it off that grid, most .* by \d+ s"
    with pytest.raises(Refusal, match=said):
        regular(table.set_axis(table.index + wild), "left", "power")


def test_a_few_rows_are_too_few() -> None:
    with pytest.raises(Refusal, match="5 different stamps are too few"):
        regular(rows(periods=5), "left", "power")
