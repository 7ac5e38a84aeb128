"""Tables for people: drawn to fit a terminal, whole and plain in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.format import beside_peer, with_unit
from shared.result import Envelope

WIDE = 1000  # columns: a pipe has no edge to fit


def say(line: str = "") -> None:
    """One line of result, on standard output; never wrapped or coloured."""
    print(line, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> Table:
    """A table of plain strings; `right` are the columns aligned to the right."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    at_right = set(right)
    for index, name in enumerate(columns):
        drawn.add_column(name, justify="right" if index in at_right else "left", overflow="fold")
    for row in rows:
        # Text, because a string would be read as markup: "[min]" is a unit, not a style.
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def show(drawn: Table) -> None:
    """Print a table on standard output."""
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else WIDE, no_color=None if terminal else True)
    console.print(drawn)


def headline_table(envelopes: Iterable[Envelope]) -> Table:
    """Every headline of several runs beside its peer."""
    rows = [
        (
            envelope.demo,
            headline.name,
            with_unit(headline.value, headline.unit),
            headline.peer,
            with_unit(headline.peer_value, headline.unit),
            beside_peer(headline),
        )
        for envelope in envelopes
        for headline in envelope.result.headlines
    ]
    return table(["demo", "measure", "ours", "peer", "peer's", "ours beside it"], rows, right=(2, 4, 5))
