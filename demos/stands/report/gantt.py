"""What all Gantt charts of stands share: one row a stand, grouped by terminal, hours across."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.stands.airport import Airport
from demos.stands.turns import Turns
from shared.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLANNED, REAL, CONFLICT, CHANGED = "#d5dae1", "#5b8db8", "#d1242f", COLOURS[4]
LAST_HOUR = 30  # of the operating day; who leaves later than 06:00 of the next is cut off


def stand_axis(axes: Axes, airport: Airport) -> None:
    """Stands by name from top to bottom, with a line between terminals."""
    axes.set_yticks(range(len(airport.stands)), [stand.id for stand in airport.stands], fontsize=7)
    axes.set_ylim(len(airport.stands) - 0.4, -0.6)
    for index, stand in enumerate(airport.stands[1:], start=1):
        before = airport.stands[index - 1]
        if (stand.terminal, stand.contact) != (before.terminal, before.contact):
            axes.axhline(index - 0.5, color="#555b66", linewidth=0.9)
    axes.tick_params(axis="y", length=0)


def hour_axis(axes: Axes, turns: Turns, end: float) -> tuple[int, int]:
    """The day from its first turn to `end` [min after midnight]; returns both ends, in minutes."""
    first, last = int(turns.sibt.min() // 60), min(int(end // 60) + 1, LAST_HOUR)
    axes.set_xlim(first * 60, last * 60)
    hours = range(first + 1, last + 1, 2)
    axes.set_xticks([60 * hour for hour in hours], [f"{hour % 24:02d}:00" for hour in hours])
    axes.grid(axis="y", visible=False)
    return first * 60, last * 60
