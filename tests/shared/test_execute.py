"""What a run leaves: a complete folder with provenance, or nothing."""

import errno
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import shared.execute
from shared import provenance
from shared.config import DemoConfig
from shared.demo import Demo, Run
from shared.errors import UserError
from shared.execute import Options, checked, execute
from shared.report import read_envelope
from shared.result import Column, Figure, Headline, Interval, Metric, Result, Table

TABLE = Table(title="T", columns=[Column(name="method"), Column(name="cost", unit="min")], rows=[["a", math.nan]])
HEADLINE = Headline(name="cost", value=1.0, unit="min", direction="lower", peer="greedy", peer_value=2.0)


def result(**changes: object) -> Result:
    fields: dict[str, object] = {"headlines": [HEADLINE], "metrics": [], "tables": [TABLE], "figures": [], "data": []}
    return Result.model_validate({**fields, **changes})


def demo(work: Callable[[DemoConfig, Run], Result], extra: str = "none-needed") -> Demo:
    return Demo("toy", "Toy", "trend", "Why?", DemoConfig, work, extra)


def test_a_finished_folder_is_complete(tmp_path: Path) -> None:
    folder, envelope = execute(demo(lambda config, run: result()), DemoConfig(seed=5), "smoke", Options(tmp_path, True))
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "report.html", "result.json"]
    assert list((tmp_path / "toy").iterdir()) == [folder]
    assert read_envelope(folder) == envelope
    assert (envelope.demo, envelope.seed, envelope.profile, envelope.device) == ("toy", 5, "smoke", "cpu")
    assert envelope.packages["numpy"] == provenance.version("numpy")
    assert envelope.peak_memory_mb > 10
    assert 0 < envelope.wall_seconds < 60
    assert envelope.command == "trendlab run toy --profile smoke"


def test_what_was_not_measured_is_null_and_the_json_is_strict(tmp_path: Path) -> None:
    folder, _ = execute(demo(lambda config, run: result()), DemoConfig(), "smoke", Options(tmp_path, True))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    data = json.loads((folder / "result.json").read_text(), parse_constant=refuse)
    assert data["result"]["tables"][0]["rows"] == [["a", None]]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"headlines": [HEADLINE.model_copy(update={"value": math.nan})]}, "headline 'cost' is not a finite"),
        ({"headlines": [HEADLINE.model_copy(update={"peer_value": math.inf})]}, "headline 'cost' is not a finite"),
        ({"metrics": [Metric(name="m", value=math.nan, unit="")]}, "metric 'm' is not a finite"),
        (
            {"metrics": [Metric(name="m", value=1, unit="", interval=Interval(low=math.nan, high=1, unit="days"))]},
            "metric 'm' is not a finite",
        ),
        ({"metrics": [Metric(name="m", value=1, unit="")] * 2}, "metrics named twice"),
        ({"figures": [Figure(file="no.svg", title="", caption="", alt="")]}, "not in the run folder"),
    ],
)
def test_a_result_nobody_could_quote_is_refused(tmp_path: Path, bad: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(result().model_copy(update=bad), tmp_path)


def test_a_table_whose_rows_do_not_fit_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table(title="T", columns=TABLE.columns, rows=[["a"]])


@pytest.mark.parametrize("step", ["write_atomically", "write_report"])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = "shared.report.write_report" if step == "write_report" else "shared.execute.write_atomically"
    monkeypatch.setattr(place, full)
    with pytest.raises(UserError, match="no space left"):
        execute(demo(lambda config, run: result()), DemoConfig(), "smoke", Options(tmp_path, True))
    assert list((tmp_path / "toy").iterdir()) == []


def burn(seconds: float) -> None:
    while time.process_time() < seconds:
        pass


def test_the_time_of_workers_counts(tmp_path: Path) -> None:
    def work(config: DemoConfig, run: Run) -> Result:
        run.map("burn", burn, [1.0, 1.0])
        return result()

    _, envelope = execute(demo(work), DemoConfig(), "smoke", Options(tmp_path, True, workers=2))
    assert envelope.cpu_seconds >= 1.5


def test_packages_that_are_missing_are_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.execute.provenance, "missing", lambda extra: ["lightgbm"])
    with pytest.raises(UserError, match=r'toy needs lightgbm, not installed here: pip install -e "\.\[trees\]"'):
        execute(demo(lambda config, run: result(), "trees"), DemoConfig(), "smoke", Options(tmp_path, True))
    assert not (tmp_path / "toy").exists()


def test_a_demo_without_bench_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no bench"):
        execute(demo(lambda config, run: result()), DemoConfig(), "smoke", Options(tmp_path, True), verb="bench")


def test_requirements_are_those_of_the_extra() -> None:
    assert {"numpy", "pydantic"} <= {name.lower() for name in provenance.requirements()}
    assert "pytest" in provenance.requirements("dev")
    assert "pytest" not in provenance.requirements()
    assert provenance.requirements("no-such-extra") == []


def test_git_state_is_that_of_the_tree_only(tmp_path: Path) -> None:
    assert provenance.git_state(tmp_path) == (None, None)
