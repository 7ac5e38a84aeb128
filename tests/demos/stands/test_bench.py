"""The bench on one real day: every plan is above the bound, and the bound is not far."""

from __future__ import annotations

from pathlib import Path

import pytest

from demos.stands.bench import BOTH, measure
from shared.progress import Progress
from shared.run import RunFolder
from tests.demos.stands.conftest import stands_config


def test_every_plan_costs_more_than_the_bound(tmp_path: Path) -> None:
    config = stands_config(
        data={"airport": "lga"},
        evaluation={"bench_seconds": 0.3, "flow_seconds": 60.0},
        prices={"ascents": 60, "rounds": 30, "bound_rounds": 5},
    )
    costs, bounds = measure(config, RunFolder(tmp_path, Progress(quiet=True), workers=1)).tables
    above = {row[0]: float(row[2] or 0) for row in costs.rows}
    assert all(share > 0 for share in above.values())
    assert above[BOTH] < 40
    ((_, value, by_subgradients, seconds, by_flow, _, search_above),) = bounds.rows
    assert float(by_flow or 0) == pytest.approx(float(value or 0), rel=0.2)
    assert float(by_subgradients or 0) <= float(value or 0)
    assert float(seconds or 0) > 0
    assert search_above == pytest.approx(above[BOTH])
