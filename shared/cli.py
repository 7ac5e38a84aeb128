"""The command line: `trendlab --help`. Verbs only; what they do lies in `shared.commands`, imported when called."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, cast

import typer

from shared import registry
from shared.errors import UserError

app = typer.Typer(
    help="One runnable, measured reference for each technology trend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Bring data into the user's cache.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Words = Annotated[list[str], typer.Argument(metavar="SLUG... [KEY=VALUE...]", help="Demos, or all; then overrides.")]
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The demo.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Overrides.")]
Profile = Annotated[str, typer.Option("--profile", "-p", help="smoke, cpu or gpu: how large, for which machine.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Your own YAML, read after the profile's.")]
Out = Annotated[Path | None, typer.Option("--out", help="Where runs go.", show_default="TRENDLAB_RUNS or ./runs")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Results only, one plain line for each finished loop.")]
Engine = Annotated[str, typer.Option("--engine", help="Fan-out over processes, serial or ray.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Number of workers.", show_default="all cores")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would happen, do nothing.")]


@app.command()
def run(
    words: Words,
    profile: Profile = "smoke",
    config: ConfigFile = None,
    out: Out = None,
    quiet: Quiet = False,
    engine: Engine = "processes",
    workers: Workers = None,
    dry_run: DryRun = False,
) -> None:
    """Run demos and write one report each.

    trendlab run stands --profile cpu seed=7
    """
    from shared.commands.run import run_demos

    run_demos(words, "run", profile, config, out, quiet, engine, workers, dry_run)


@app.command()
def bench(
    words: Words,
    profile: Profile = "smoke",
    config: ConfigFile = None,
    out: Out = None,
    quiet: Quiet = False,
    engine: Engine = "processes",
    workers: Workers = None,
    dry_run: DryRun = False,
) -> None:
    """Measure a demo beside its peers, at length."""
    from shared.commands.run import run_demos

    run_demos(words, "bench", profile, config, out, quiet, engine, workers, dry_run)


@app.command("list")
def list_demos() -> None:
    """The demos, one line each."""
    from shared.commands.show import list_demos

    list_demos()


@app.command()
def info(slug: Slug) -> None:
    """What one demo asks, on which data, with which profiles."""
    from shared.commands.show import info

    info(slug)


@app.command("config")
def show_config(
    slug: Slug,
    overrides: Overrides = None,
    profile: Profile = "smoke",
    config: ConfigFile = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON schema instead.")] = False,
) -> None:
    """The resolved configuration of a demo, each field explained; a start for your own --config file."""
    from shared.commands.show import show_config

    show_config(slug, profile, config, overrides or [], schema)


@app.command()
def report(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]", help="Run folders, ids or demos.")] = None,
    out: Out = None,
) -> None:
    """Render reports again; without arguments, of the latest run of each demo."""
    from shared.commands.reports import report

    report(runs or [], out)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Run folder, id or demo (its latest run).")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another run of the same demo.")],
    out: Out = None,
) -> None:
    """Metric by metric, how run B differs from run A."""
    from shared.commands.reports import compare

    compare(first, second, out)


@app.command()
def doctor() -> None:
    """Versions, devices and data: what is here, what is missing, and the command that mends it."""
    from shared.commands.doctor import doctor

    doctor()


@data_app.command("fetch")
def data_fetch(
    slugs: Annotated[list[str] | None, typer.Argument(metavar="[SLUG...]", help="Demos.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The data of every demo.")] = False,
    large: Annotated[bool, typer.Option("--large", help="Also large packages that only some profiles read.")] = False,
) -> None:
    """Download and check the data of demos; what is there and intact is kept."""
    from shared.commands.doctor import fetch_data

    fetch_data(slugs or [], everything, large)


def main() -> None:
    """The entry point: what a user can cause is one line and exit 2."""
    for stream in (sys.stdout, sys.stderr):
        # "×" on a terminal that knows ASCII alone becomes "?", not a traceback.
        cast(TextIOWrapper, stream).reconfigure(errors="replace")
    for name, function in registry.verbs().items():
        app.command(name)(function)
    try:
        app(prog_name="trendlab")
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
