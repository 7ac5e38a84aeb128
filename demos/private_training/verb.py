"""`trendlab ledger`: what owners granted, what was spent of it. Light: the command line imports it for its options."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Action(StrEnum):
    """What can be done with a ledger from the command line; only a program spends."""

    SHOW = "show"
    GRANT = "grant"
    VERIFY = "verify"


What = Annotated[Action, typer.Argument(help="show, grant or verify.")]
Owner = Annotated[str | None, typer.Argument(metavar="[OWNER]", help="Whose budget.")]
File = Annotated[
    Path | None, typer.Option("--file", help="The ledger.", show_default="TRENDLAB_LEDGER or ./ledger.sqlite")
]
Epsilon = Annotated[float | None, typer.Option("--epsilon", help="To grant, above 0.")]
Delta = Annotated[float | None, typer.Option("--delta", help="To grant, from 0 to below 1.")]
Known = Annotated[str | None, typer.Option("--known", help="A hash that it gave before, and must still hold.")]
Picture = Annotated[Path | None, typer.Option("--picture", help="A PNG of what was spent over time, with show.")]


def ledger(
    action: What = Action.SHOW,
    owner: Owner = None,
    file: File = None,
    epsilon: Epsilon = None,
    delta: Delta = None,
    known: Known = None,
    picture: Picture = None,
) -> None:
    """Privacy budgets: show what is left, grant more, verify that no line was changed.

    trendlab ledger grant JFK --epsilon 3 --delta 1e-4
    trendlab ledger show --picture spend.png
    trendlab ledger verify
    """
    from demos.private_training.trust.show import act

    place = file or Path(os.environ.get("TRENDLAB_LEDGER") or "ledger.sqlite")
    act(action.value, owner, place.expanduser(), epsilon, delta, known, picture)
