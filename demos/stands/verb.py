"""`trendlab explain`: why a flight is on its stand, and what if. Light: the command line imports it for its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Flight = Annotated[str | None, typer.Argument(metavar="[FLIGHT]", help="Which flight, such as UA1564.")]
Stand = Annotated[
    str | None, typer.Option("--stand", help="Why not there? The rule in the way, or what it costs more.")
]
Day = Annotated[str | None, typer.Option("--day", help="YYYY-MM-DD.", show_default="the first of the newest run")]
Close = Annotated[list[str] | None, typer.Option("--close", help="What if: STAND@HH:MM-HH:MM is closed.")]
Delay = Annotated[list[str] | None, typer.Option("--delay", help="What if: FLIGHT+MINUTES is so late.")]
Picture = Annotated[
    Path | None,
    typer.Option("--picture", help="The PNG of a what-if, before and after.", show_default="runs/explain/..."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Where runs are.", show_default="TRENDLAB_RUNS or ./runs")]


def explain(
    flight: Flight = None,
    stand: Stand = None,
    day: Day = None,
    close: Close = None,
    delay: Delay = None,
    picture: Picture = None,
    out: Out = None,
) -> None:
    """Stands: why this flight is on its stand, why not on another, and what if one is closed or a flight late.

    trendlab explain UA1564 --stand C71
    trendlab explain --close C71@14:00-18:00 --delay UA1564+60
    """
    from demos.stands.explain.answer import answer

    answer(flight, stand, day, list(close or []), list(delay or []), picture, out)
