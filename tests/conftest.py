"""Fixtures of the whole suite: no network, a cache that is found, and a tree with a throw-away demo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
Trendlab = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure() -> None:
    """Data were fetched by `make`; a test that still needs the network says so and takes this back."""
    os.environ.setdefault("TRENDLAB_OFFLINE", "1")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test of a GPU says that there is none, on a machine without."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch sees no CUDA device here")


def contributing_files() -> dict[str, str]:
    """The files that CONTRIBUTING.md shows: path -> text."""
    blocks = re.finditer(r"^(`{3,})\w+ file=(\S+)\n(.*?)^\1$", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    return {block[2]: block[3] for block in blocks}


def contributing_lines() -> dict[str, str]:
    """The lines that CONTRIBUTING.md adds to files: path -> text."""
    blocks = re.finditer(r"^```\w+ line=(\S+)\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    return {block[1]: block[2] for block in blocks}


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the house with one demo, `coins`, made from CONTRIBUTING.md to the letter."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "shared", folder / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in contributing_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    registry = "DEMOS = {\n" + contributing_lines()["demos/__init__.py"] + "}\n"
    (folder / "demos" / "__init__.py").write_text(registry)
    return folder


@pytest.fixture
def environment(tree: Path) -> dict[str, str]:
    """Variables under which `python -m shared.cli` is the one of `tree`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRENDLAB_", "PYTEST_"))}
    return {**plain, "PYTHONPATH": str(tree), "TRENDLAB_OFFLINE": "1", "PYTHONWARNINGS": "error"}


@pytest.fixture
def trendlab(environment: dict[str, str], tmp_path: Path) -> Trendlab:
    """Call the command line of `tree` in an empty folder; runs go to `tmp_path / "runs"`."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shared.cli", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**environment, **variables}, capture_output=True, text=True, timeout=120
        )

    return call
