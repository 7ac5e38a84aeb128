"""Runs a demo from its config to the finished run folder."""

from __future__ import annotations

import math
import os
import platform
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from shared import device, fanout, provenance
from shared.config import DemoConfig
from shared.config_docs import to_yaml
from shared.demo import Demo
from shared.errors import UserError
from shared.fanout import Engine
from shared.progress import Progress
from shared.result import Envelope, Interval, Result, Table
from shared.run import RunFolder, new_run_id, run_folder, write_atomically

Verb = Literal["run", "bench"]


@dataclass(frozen=True)
class Options:
    """How a run is carried out; nothing here changes what it measures."""

    out: Path
    quiet: bool = False
    engine: Engine = "processes"
    workers: int | None = None


def check_ready(demo: Demo, config: DemoConfig) -> None:
    """Raise UserError, with the way out, when packages of the demo's extra or the device named are not there."""
    if absent := provenance.missing(demo.extra):
        command = provenance.install_command(demo.extra)
        raise UserError(f"{demo.slug} needs {', '.join(absent)}, not installed here: {command}")
    if config.device != "auto":
        device.resolve(config.device)


def execute(
    demo: Demo, config: DemoConfig, profile: str, options: Options, *, verb: Verb = "run", command: str = ""
) -> tuple[Path, Envelope]:
    """Run one demo and return its finished folder and what `result.json` in it says.

    command: what repeats the run. Raises UserError for what the user can mend; on any exception nothing is kept.
    """
    import matplotlib

    from shared.report import write_report
    from shared.style import matplotlib_style

    work = demo.run if verb == "run" else demo.bench
    if work is None:
        raise UserError(f"{demo.slug} has no bench; its peers are in `trendlab run {demo.slug}`")
    check_ready(demo, config)
    started = datetime.now(UTC)
    run_id, clock = new_run_id(started), provenance.Clock()
    parent = options.out / demo.slug
    with run_folder(parent, run_id) as folder:
        write_atomically(folder / "config.yaml", to_yaml(config))
        run = RunFolder(folder, Progress(options.quiet), options.engine, options.workers)
        if "MPLBACKEND" not in os.environ:  # a notebook sets it, and keeps its own way to draw
            matplotlib.use("Agg")
        with matplotlib.rc_context(matplotlib_style()):
            result = checked(work(config, run), folder)
        fanout.shut_down()
        envelope = _envelope(demo, config, profile, verb, run_id, started, clock, result, command)
        write_atomically(folder / "result.json", envelope.model_dump_json(indent=1) + "\n")
        write_report(folder)
    for action in run.actions:
        action()
    return parent / run_id, envelope


def _envelope(
    demo: Demo,
    config: DemoConfig,
    profile: str,
    verb: Verb,
    run_id: str,
    started: datetime,
    clock: provenance.Clock,
    result: Result,
    command: str,
) -> Envelope:
    commit, dirty = provenance.git_state()
    return Envelope(
        demo=demo.slug,
        verb=verb,
        title=demo.title,
        question=demo.question,
        profile=profile,
        run_id=run_id,
        started_utc=started.isoformat(timespec="seconds"),
        git_commit=commit,
        git_dirty=dirty,
        command=command or shlex.join(["trendlab", verb, demo.slug, "--profile", profile]),
        python=platform.python_version(),
        platform=provenance.host(),
        packages=provenance.versions(demo.extra),
        # A demo that never imported torch computed on the CPU, whatever else the machine has.
        device=device.resolve(config.device) if "torch" in sys.modules else "cpu",
        cpu_threads=fanout.worker_count(None),
        seed=config.seed,
        wall_seconds=clock.wall(),
        cpu_seconds=clock.cpu(),
        peak_memory_mb=provenance.peak_memory_mb(),
        result=result,
    )


def checked(result: Result, folder: Path) -> Result:
    """The result, refused when a number in it cannot be quoted, with empty table cells for what was not measured.

    Raises ValueError, which is a bug of the demo: a headline, metric or interval is NaN or infinite, a row does not
    match its columns, or a figure is not in the folder.
    """
    for headline in result.headlines:
        _finite(f"headline {headline.name!r}", headline.value, headline.peer_value, headline.interval)
    for metric in result.metrics:
        _finite(f"metric {metric.name!r}", metric.value, None, metric.interval)
    names = [metric.name for metric in result.metrics]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"metrics named twice: {sorted(twice)}")
    for figure in result.figures:
        if not (folder / figure.file).is_file():
            raise ValueError(f"figure {figure.file!r} is not in the run folder; save it with run.figure")
    return result.model_copy(update={"tables": [_clean(table) for table in result.tables]})


def _finite(what: str, value: float, peer: float | None, interval: Interval | None) -> None:
    numbers = [value, peer, *((interval.low, interval.high) if interval else ())]
    if not all(math.isfinite(number) for number in numbers if number is not None):
        raise ValueError(f"{what} is not a finite number: {numbers}")


def _clean(table: Table) -> Table:
    # JSON has no NaN; a cell that holds none is an empty cell.
    rows = [
        [None if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in row] for row in table.rows
    ]
    return table.model_copy(update={"rows": rows})
