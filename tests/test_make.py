"""The Makefile's stamps, with a stand-in for Python, and the wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

TARGET = "venv/.stamps/install-all+dev"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile beside an environment whose Python only notes its arguments and does as the file `status` says."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "venv" / ".stamps").mkdir(parents=True)
    (tmp_path / "venv" / ".stamps" / "venv").touch()
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$@" >> calls\nexit "$(cat status)"\n')
    python.chmod(0o755)
    (tmp_path / "status").write_text("0")
    return tmp_path


def make(project: Path, *words: str) -> int:
    command = ["make", "-s", "VENV=venv", *words]
    # Nothing else: `make test ARGS=-v` hands its ARGS on to all that runs below it.
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True).returncode


def calls(project: Path) -> list[str]:
    return (project / "calls").read_text().splitlines()


def test_an_install_is_done_once_and_again_when_what_it_rests_on_changes(project: Path) -> None:
    assert [make(project, TARGET), make(project, TARGET)] == [0, 0]
    assert calls(project) == ["-m pip install --quiet --constraint constraints.txt -e .[all,dev]"]
    stamp = (project / TARGET).stat()
    os.utime(project / "constraints.txt", ns=(stamp.st_mtime_ns + 10**9,) * 2)
    assert make(project, TARGET) == 0
    assert len(calls(project)) == 2


def test_a_failed_install_leaves_no_stamp(project: Path) -> None:
    (project / "status").write_text("1")
    assert make(project, TARGET) != 0
    assert not (project / TARGET).exists()
    (project / "status").write_text("0")
    assert make(project, TARGET) == 0
    assert len(calls(project)) == 2


def test_the_newest_versions_are_one_option_away(project: Path) -> None:
    assert make(project, TARGET, "CONSTRAINTS=") == 0
    assert calls(project) == ["-m pip install --quiet -e .[all,dev]"]


def test_one_demo_installs_its_extra_only(project: Path) -> None:
    trendlab = project / "venv" / "bin" / "trendlab"
    shutil.copy(project / "venv" / "bin" / "python", trendlab)
    assert make(project, "demo", "DEMO=stands") == 0
    install, fetch, run = calls(project)
    assert install.endswith("-e .[stands]")
    assert (fetch, run.strip()) == ("data fetch stands", "run stands --profile smoke")


def test_an_old_python_is_said_to_be_old(project: Path) -> None:
    shutil.rmtree(project / "venv" / ".stamps")
    (project / "status").write_text("1")
    assert make(project, TARGET, "PYTHON=venv/bin/python") != 0
    assert not (project / "venv" / ".stamps").exists()


def test_ci_runs_what_people_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make check" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.slow
def test_the_wheel_holds_configs_and_templates_beside_the_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("trendlab-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(file.relative_to(ROOT))
        for folder in ("shared", "demos", "configs")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert expected <= names
    assert not any(name.startswith(("tests/", "runs/", ".venv/")) for name in names)
