"""`trendlab run` and `trendlab bench`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer

from shared import registry
from shared.commands.tables import headline_table, say, show
from shared.config import DemoConfig, load
from shared.demo import Demo
from shared.errors import UserError
from shared.execute import Options, Verb, check_ready, execute
from shared.fanout import ENGINES, Engine, worker_count
from shared.names import did_you_mean
from shared.result import Envelope
from shared.run import Terminated, output_root


@dataclass(frozen=True)
class Job:
    """One demo with its validated config and the command that repeats it."""

    demo: Demo
    config: DemoConfig
    command: str


def run_demos(
    words: Sequence[str],
    verb: Verb,
    profile: str,
    config: Path | None,
    out: Path | None,
    quiet: bool,
    engine: str,
    workers: int | None,
    dry_run: bool,
) -> None:
    """Validate everything, then run one demo after the other and show their headlines."""
    options = Options(output_root(out), quiet, _engine(engine), workers if workers is None else worker_count(workers))
    jobs = [_job(slug, verb, profile, config, overrides) for slug, overrides in _split(words)]
    if dry_run:
        for job in jobs:
            check_ready(job.demo, job.config)
            say(f"{job.command}: the configuration is valid; would write to {options.out / job.demo.slug}")
        return
    finished = [_execute(job, profile, options, verb) for job in jobs]
    _conclude(finished, options.out)


def _split(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    slugs = [word for word in words if "=" not in word]
    overrides = [word for word in words if "=" in word]
    if not slugs:
        raise UserError(f"name a demo before the overrides, or all{did_you_mean('', registry.entries())}")
    if "all" in slugs:
        slugs = list(registry.entries())
    return [(slug, overrides) for slug in dict.fromkeys(slugs)]


def _job(slug: str, verb: Verb, profile: str, config: Path | None, overrides: list[str]) -> Job:
    demo = registry.get(slug)
    words = ["trendlab", verb, slug, "--profile", profile, *(["--config", str(config)] if config else []), *overrides]
    return Job(demo, load(demo.config, slug, profile, config, overrides), shlex.join(words))


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        raise UserError(f"unknown engine {name!r}{did_you_mean(name, ENGINES)}")
    return cast(Engine, name)


def _execute(job: Job, profile: str, options: Options, verb: Verb) -> tuple[Path, Envelope]:
    try:
        return execute(job.demo, job.config, profile, options, verb=verb, command=job.command)
    except KeyboardInterrupt:
        print(f"interrupted: nothing of this {job.demo.slug} run was kept", file=sys.stderr)
        raise typer.Exit(130) from None
    except Terminated:
        print(f"terminated: nothing of this {job.demo.slug} run was kept", file=sys.stderr)
        raise typer.Exit(143) from None


def _conclude(finished: list[tuple[Path, Envelope]], out: Path) -> None:
    show(headline_table([envelope for _, envelope in finished]))
    if len(finished) == 1:
        say(str(finished[0][0] / "report.html"))
        return
    from shared.report import render_many

    say(str(render_many([folder for folder, _ in finished], out / "report.html")))
