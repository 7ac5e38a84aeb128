"""`trendlab students`: versions of the models, and their answers. Light, for the command line reads its options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    """Who there is."""

    DEVICE = "device"
    EDGE = "edge"
    CLOUD = "cloud"


class Action(StrEnum):
    """What can be done with versions from the command line; runs make them."""

    HISTORY = "history"
    ANSWER = "answer"
    DEPLOY = "deploy"
    ROLLBACK = "rollback"


What = Annotated[Action, typer.Argument(help="history, answer, deploy or rollback.")]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WORDS]...",
        help="answer: the text, or - for lines of standard input; deploy: a version; rollback: edge, device or cloud.",
    ),
]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="The versions.", show_default="those of the newest run that has some")
]
Who = Annotated[Kind, typer.Option("--kind", help="Who answers.")]


def students(
    action: What = Action.HISTORY, words: Words = None, folder: Folder = None, kind: Who = Kind.DEVICE
) -> None:
    """Small models and large: show where each came from, ask one, deploy another, go back.

    trendlab students history
    trendlab students answer "not a good film"
    trendlab students rollback device
    """
    from demos.coevolution.versions.show import act

    act(action.value, list(words or []), folder, kind.value)
