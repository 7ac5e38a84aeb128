"""What a check found in a table, and the one-line error when it cannot be mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from shared.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Action = Literal["mended", "refused", "noted"]


@dataclass(frozen=True)
class Finding:
    """One thing that was wrong or odd.

    kind: short name, stable, for tests and tables; message: one line, what and where; count: rows or events concerned;
    first: where it is first seen, a UTC time or a row; action: mended (and the message says how), refused or noted.
    """

    kind: str
    message: str
    action: Action
    count: int = 0
    first: str = ""

    def __str__(self) -> str:
        return f"{self.action}: {self.message}"


class Refusal(UserError):
    """A table that cannot be used as it is; `finding` says the same as the message."""

    def __init__(self, source: str, finding: Finding) -> None:
        super().__init__(f"{source}: {finding.message}")
        self.finding = finding


def refuse(source: str, kind: str, message: str, count: int = 0, first: str = "") -> NoReturn:
    """Raise the Refusal of `source` (a file or the name of a series)."""
    raise Refusal(source, Finding(kind, message, "refused", count, first))


def when(stamp: pd.Timestamp) -> str:
    """A UTC stamp as messages show it."""
    return f"{stamp:%Y-%m-%d %H:%M} UTC"
