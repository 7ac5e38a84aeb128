"""The bench: its rows are the ways it times, and its shares are of the peak."""

from __future__ import annotations

from pathlib import Path

import pytest

from demos.diffusion import bench
from demos.diffusion.config import DiffusionConfig
from shared.errors import UserError
from shared.progress import Progress
from shared.run import RunFolder


def test_each_way_is_timed_beside_the_first(
    tiny_config: DiffusionConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: object) -> None:
        raise UserError("no compiler")

    monkeypatch.setattr(bench, "compiled", none)
    config = tiny_config.model_copy(
        update={
            "evaluation": tiny_config.evaluation.model_copy(update={"repeats": 3}),
            "student": tiny_config.student.model_copy(update={"draws": 2}),
        }
    )
    result = bench.measure(config, RunFolder(tmp_path, Progress(quiet=True)))
    assert [table.title for table in result.tables] == [
        "One evaluation of the network",
        "A step of training",
        "Whole pictures",
    ]
    steps = result.tables[1].rows
    assert steps[0][2] == 1
    assert str(steps[-1][0]).endswith("attention in its parts, Muon")
    assert all(0 < float(row[4] or 0) < 100 for table in result.tables[:2] for row in table.rows)
    assert [row[0] for row in result.tables[2].rows] == ["50 steps, 100 evaluations", "2 steps, 2 evaluations"]
    assert result.headlines[0].value > 5
    assert result.headlines[0].peer_value == 50
