"""The contract between a demo and the house: a `Demo` record, and the `Run` it is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from shared.config import DemoConfig
from shared.result import Figure, Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

T = TypeVar("T")
R = TypeVar("R")


class Run(Protocol):
    """What a demo may ask of the run it is part of. Files written under `folder` are kept only if the run completes."""

    folder: Path

    def say(self, message: str) -> None:
        """Tell the user one line of what is going on."""

    def map(self, label: str, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`[function(item) for item in items]`, fanned out over processes or Ray, with progress; order is kept."""

    def track(self, label: str, items: Iterable[T]) -> Iterable[T]:
        """Iterate with a progress bar."""

    def afterwards(self, action: Callable[[], None]) -> None:
        """Call `action` when the run is kept, whole and under its name; never if it is not."""

    def figure(self, drawing: Drawing, name: str, *, title: str, caption: str, alt: str) -> Figure:
        """Save a matplotlib figure as `name`.svg and `name`.png in the run folder and close it."""


@dataclass(frozen=True)
class Demo:
    """One demo. `run` and `bench` import what they need inside: the base install lists and explains all demos."""

    slug: str
    title: str
    trend: str
    question: str
    config: type[DemoConfig]
    run: Callable[[Any, Run], Result]
    extra: str
    bench: Callable[[Any, Run], Result] | None = None
