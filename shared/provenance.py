"""What is needed to judge and repeat a run: commit, versions, machine, time and memory."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from shared import ROOT

DISTRIBUTION = "trendlab"


def git_state(root: Path = ROOT) -> tuple[str | None, bool | None]:
    """(commit, whether tracked files differ from it) of the checkout the package lies in; (None, None) elsewhere."""
    # An installed package may lie in an environment inside some other checkout: the file itself must be tracked.
    if _git(root, "ls-files", "--error-unmatch", "shared/__init__.py") is None:
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def requirements(extra: str | None = None) -> list[str]:
    """Names of the packages the base install (None) or one extra asks for; empty when trendlab is not installed."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    names = []
    for line in lines:
        match = re.search(r"""extra\s*==\s*["']([^"']+)["']""", line)
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name and (match.group(1) if match else None) == extra and name.group() != DISTRIBUTION:
            names.append(name.group())
    return sorted(names, key=str.lower)


def extras() -> list[str]:
    """All extras of the distribution, by name."""
    try:
        return sorted(metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or [])
    except metadata.PackageNotFoundError:
        return []


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions(*of_extras: str) -> dict[str, str]:
    """Installed versions of the base install and of the extras named."""
    names = set(requirements()).union(*(requirements(extra) for extra in of_extras)) | {DISTRIBUTION}
    found = {name: version(name) for name in sorted(names, key=str.lower)}
    return {name: number for name, number in found.items() if number}


def missing(extra: str) -> list[str]:
    """Packages of an extra that are not installed."""
    return [name for name in requirements(extra) if version(name) is None]


def install_command(extra: str) -> str:
    """The command that installs an extra from a checkout."""
    return f'pip install -e ".[{extra}]"'


def host() -> str:
    """Operating system, processor and number of cores, in words."""
    return f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} cores"


class Clock:
    """Wall and CPU seconds since its creation, of this process and of its children that have ended."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def wall(self) -> float:
        """Seconds on the clock."""
        return round(time.perf_counter() - self._wall, 3)

    def cpu(self) -> float:
        """Seconds of processor time, all threads and ended children together."""
        return round(_cpu_seconds() - self._cpu, 3)


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def peak_memory_mb() -> float:
    """Peak resident memory [MB] of the largest process so far, ended children included; 0 where it is not measured."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(peak * unit / 1e6, 1)
