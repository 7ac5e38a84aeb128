"""Ctrl-C and SIGTERM in the middle of real work: nothing is kept, nothing is left running."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Workers say that they are busy and then wait for ever; the test sends the signal when it reads that.
WAITING = '''
"""Waits until it is stopped."""

import os
import threading

from shared.config import DemoConfig
from shared.demo import Demo


def wait(item):
    os.write(2, b"busy\\n")  # in one piece, whatever the other worker writes
    threading.Event().wait()


def run(config, run):
    (run.folder / "half.txt").write_text("half")
    return run.map("wait", wait, range(4))


DEMO = Demo("waiting", "Waiting", "t", "When?", DemoConfig, run, extra="none")
'''


@pytest.fixture(scope="module")
def waiting_tree(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waiting") / "tree"
    shutil.copytree(tree, folder)
    (folder / "demos" / "waiting.py").write_text(WAITING)
    (folder / "demos" / "__init__.py").write_text('DEMOS = {"waiting": "demos.waiting:DEMO"}\n')
    (folder / "configs" / "waiting").mkdir()
    (folder / "configs" / "waiting" / "smoke.yaml").write_text("# Expect: to wait.\n")
    return folder


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "interrupted: nothing of this waiting run was kept"),
        (signal.SIGTERM, 143, "terminated: nothing of this waiting run was kept"),
    ],
)
@pytest.mark.parametrize("options", [["--engine", "serial"], ["--workers", "2"]], ids=["serial", "processes"])
def test_a_stopped_run_leaves_nothing(
    waiting_tree: Path,
    environment: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    message: str,
    options: list[str],
) -> None:
    command = [sys.executable, "-m", "shared.cli", "run", "waiting", "--quiet", *options]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(waiting_tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "busy\n"
    (partial,) = (tmp_path / "runs" / "waiting").iterdir()
    assert (partial / "half.txt").exists()
    # A terminal sends Ctrl-C to the workers as well; a supervisor sends SIGTERM to the one process it knows.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    # A worker that lived on would keep the pipe open, and this would not return.
    out, errors = process.communicate(timeout=60)
    lines = [line for line in errors.splitlines() if line != "busy"]
    assert (process.returncode, out, lines) == (code, "", [message])
    assert list((tmp_path / "runs" / "waiting").iterdir()) == []
