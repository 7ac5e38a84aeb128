"""The command line, end to end, on a tree with the demo of CONTRIBUTING.md."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Trendlab

ANSI = re.compile(r"\x1b\[")


def runs(folder: Path) -> list[Path]:
    return sorted((folder / "runs" / "coins").iterdir())


def test_a_run_ends_with_its_report(trendlab: Trendlab, tmp_path: Path) -> None:
    done = trendlab("run", "coins", "--quiet", "--workers", "2", "tosses=500")
    assert done.returncode == 0, done.stderr
    (folder,) = runs(tmp_path)
    assert done.stdout.splitlines()[-1] == str(folder / "report.html")
    assert re.fullmatch(r"toss: 4 in \d+\.\d s\n", done.stderr)
    result = json.loads((folder / "result.json").read_text())
    assert result["command"] == "trendlab run coins --profile smoke tosses=500"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml",
        "heads.png",
        "heads.svg",
        "report.html",
        "result.json",
    ]


def test_engine_and_workers_change_nothing_and_the_shown_config_repeats_the_run(
    trendlab: Trendlab, tmp_path: Path
) -> None:
    for options in (["--engine", "serial"], ["--workers", "2"]):
        assert trendlab("run", "coins", *options, "seed=3").returncode == 0
    shown = tmp_path / "mine.yaml"
    shown.write_text(trendlab("config", "coins", "seed=3").stdout)
    assert trendlab("run", "coins", "--config", "mine.yaml", "--engine", "serial").returncode == 0
    first, *others = [json.loads((folder / "result.json").read_text())["result"] for folder in runs(tmp_path)]
    assert [first] * 2 == others


def test_compare_and_report(trendlab: Trendlab, tmp_path: Path) -> None:
    for seed in (1, 2):
        trendlab("run", "coins", "--engine", "serial", f"seed={seed}")
    first, second = (folder.name for folder in runs(tmp_path))
    compared = trendlab("compare", first, str(tmp_path / "runs" / "coins" / second))
    assert compared.returncode == 0, compared.stderr
    assert "share of heads" in compared.stdout
    page = Path(compared.stdout.splitlines()[-1]).read_text()
    assert "seed" in page
    assert first in page
    combined = trendlab("report", first, second)
    assert combined.stdout.splitlines()[-1] == str(tmp_path / "runs" / "report.html")
    latest = trendlab("report")
    assert latest.stdout.splitlines()[-1] == str(tmp_path / "runs" / "coins" / second / "report.html")


def test_runs_of_other_demos_are_not_compared(trendlab: Trendlab, tmp_path: Path) -> None:
    trendlab("run", "coins", "--engine", "serial")
    (folder,) = runs(tmp_path)
    record = json.loads((folder / "result.json").read_text())
    other = tmp_path / "runs" / "dice" / "x"
    other.mkdir(parents=True)
    (other / "result.json").write_text(json.dumps({**record, "demo": "dice"}))
    refused = trendlab("compare", "coins", str(other))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "not comparable" in refused.stderr
    (other / "result.json").write_text(json.dumps({**record, "schema_version": 99}))
    assert "has schema version 99" in trendlab("compare", "coins", str(other)).stderr


def test_a_dry_run_checks_and_writes_nothing(trendlab: Trendlab, tmp_path: Path) -> None:
    done = trendlab("run", "all", "--dry-run", "tosses=5", "--profile", "cpu")
    assert done.stdout.startswith("trendlab run coins --profile cpu tosses=5: the configuration is valid")
    assert list(tmp_path.iterdir()) == []
    assert trendlab("run", "coins", "--dry-run", "tosses=0").returncode == 2


def test_what_is_there_is_told(trendlab: Trendlab) -> None:
    assert re.search(r"coins +Tossing coins +chance +ready", trendlab("list").stdout)
    info = trendlab("info", "coins").stdout
    assert "How fair is a simulated coin?" in info
    assert "smoke: Expect: 0.5 within 0.02 in one second on one core." in info
    assert "tosses" in json.loads(trendlab("config", "coins", "--schema").stdout)["properties"]
    doctor = trendlab("doctor").stdout
    assert re.search(r"base +numpy +\d", doctor)
    assert "devices: cpu" in doctor
    assert trendlab("data", "fetch", "--all").stdout == "coins: has no data to fetch\n"


def test_pipes_get_plain_whole_lines(trendlab: Trendlab) -> None:
    for command in (["list"], ["run", "coins", "--engine", "serial"]):
        done = trendlab(*command, COLUMNS="40", FORCE_COLOR="")
        assert not ANSI.search(done.stdout + done.stderr)
        assert "…  " not in done.stdout
        assert max(map(len, done.stdout.splitlines())) > 60 or command == ["list"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "coin"], "unknown demo 'coin'; did you mean \"coins\"?"),
        (["run", "zebra"], "unknown demo 'zebra'; known: coins"),
        (["info", "coin"], "unknown demo 'coin'"),
        (["data", "fetch", "coin"], "unknown demo 'coin'"),
        (["data", "fetch"], "or give --all"),
        (["run", "seed=1"], "name a demo before the overrides"),
        (["run", "coins", "--profile", "smok"], 'did you mean "smoke"?'),
        (["run", "coins", "toses=1"], "unknown key 'toses' (from override 'toses=1'); did you mean \"tosses\"?"),
        (["run", "coins", "tosses=many"], "tosses: got \"many\" (from override 'tosses=many'); allowed: integer"),
        (["run", "coins", "parts=1"], "allowed: integer, at least 2, at most 1000"),
        (["run", "coins", "--config", "absent.yaml"], "absent.yaml: no such file"),
        (["run", "coins", "--engine", "process"], 'did you mean "processes"?'),
        (["run", "coins", "--workers", "0"], "--workers must be 1 or more, got 0"),
        (["run", "coins", "device=cuda"], "device=cuda"),
        (["bench", "coins"], "has no bench"),
        (["report"], "start with: trendlab run all"),
        (["report", "coin"], "no run 'coin'"),
        (["compare", "coins", "coins"], "no run 'coins'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(trendlab: Trendlab, arguments: list[str], message: str) -> None:
    done = trendlab(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize("arguments", [["runs"], ["run"], ["run", "coins", "--profil", "cpu"], ["compare", "a"]])
def test_wrong_usage_is_exit_2_too(trendlab: Trendlab, arguments: list[str]) -> None:
    done = trendlab(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_terminal_that_knows_ascii_alone_gets_no_traceback(trendlab: Trendlab) -> None:
    done = trendlab("run", "coins", "--engine", "serial", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "1.02 ?" in done.stdout


def test_runs_go_where_they_are_told(trendlab: Trendlab, tmp_path: Path) -> None:
    variable, option = tmp_path / "variable", tmp_path / "option"
    trendlab("run", "coins", "--engine", "serial", TRENDLAB_RUNS=str(variable))
    trendlab("run", "coins", "--engine", "serial", "--out", str(option), TRENDLAB_RUNS=str(variable))
    assert len(list((variable / "coins").iterdir())) == len(list((option / "coins").iterdir())) == 1
    assert not (tmp_path / "runs").exists()


def test_several_demos_end_with_one_table_and_one_page(
    tree: Path, environment: dict[str, str], tmp_path: Path, trendlab: Trendlab
) -> None:
    two = tmp_path / "two"
    shutil.copytree(tree, two)
    for folder in ("demos", "configs"):
        shutil.copytree(two / folder / "coins", two / folder / "dice")
    for file in (two / "demos" / "dice").glob("*.py"):
        file.write_text(file.read_text().replace("coins", "dice"))
    registry = two / "demos" / "__init__.py"
    registry.write_text(registry.read_text().replace("}", '    "dice": "demos.dice.demo:DEMO",\n}'))
    done = trendlab("run", "all", "--engine", "serial", "--quiet", PYTHONPATH=str(two))
    assert done.returncode == 0, done.stderr
    table = [line.split()[0] for line in done.stdout.splitlines() if "share of heads" in line]
    assert table == ["coins", "dice"]
    page = tmp_path / "runs" / "report.html"
    assert done.stdout.splitlines()[-1] == str(page)
    assert page.read_text().count("<article") == 2
    refused = trendlab("compare", "coins", "dice", PYTHONPATH=str(two))
    assert "not comparable" in refused.stderr
