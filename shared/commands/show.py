"""`trendlab list`, `info` and `config`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

from shared import ROOT, data, provenance, registry
from shared.commands.tables import say, show, table
from shared.config import config_folder, load, profiles
from shared.config_docs import to_yaml


def list_demos() -> None:
    """Print every demo in one line."""
    rows = []
    for slug in registry.entries():
        demo = registry.get(slug)
        absent = provenance.missing(demo.extra)
        rows.append((slug, demo.title, demo.trend, provenance.install_command(demo.extra) if absent else "ready"))
    show(table(["demo", "title", "trend", "state"], rows))


def info(slug: str) -> None:
    """Print what one demo is about."""
    demo = registry.get(slug)
    say(f"{demo.title} ({demo.trend})")
    say()
    say("\n".join(textwrap.wrap(demo.question, 100)))
    say()
    absent = provenance.missing(demo.extra)
    state = f"not installed ({', '.join(absent)}): {provenance.install_command(demo.extra)}" if absent else "installed"
    say(f"packages  {state}")
    for name in profiles(slug):
        say(f"profile   {name}: {profile_comment(slug, name)}")
    if data.manifest_file(slug).is_file():
        manifest = data.read_manifest(data.manifest_file(slug))
        for package in manifest.packages:
            files = ", ".join(f"{member.name} ({data.state(package, member)})" for member in package.members)
            say(f"data      {package.package} {package.version}, {package.licence}: {files}")
    card = ROOT / "demos" / slug / "README.md"
    if card.is_file():
        say(f"card      {card}")
    say()
    say(f"trendlab run {slug}")


def profile_comment(slug: str, profile: str) -> str:
    """The comment a profile's YAML opens with, in one line."""
    lines = (config_folder(slug) / f"{profile}.yaml").read_text(encoding="utf-8").splitlines()
    opening = []
    for line in lines:
        if not line.startswith("#"):
            break
        opening.append(line.lstrip("# ").strip())
    return " ".join(opening)


def show_config(slug: str, profile: str, file: Path | None, overrides: Sequence[str], schema: bool) -> None:
    """Print the resolved config, or the JSON schema of all there is to configure."""
    demo = registry.get(slug)
    if schema:
        say(json.dumps(demo.config.model_json_schema(), indent=2))
    else:
        say(to_yaml(load(demo.config, slug, profile, file, overrides)).rstrip())
