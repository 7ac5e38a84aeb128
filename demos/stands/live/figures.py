"""The live day as a Gantt chart that plays: an SVG that moves without a script, also where it is shown as a picture.

matplotlib draws the day as it ended, each bar in a group with a name; then each group is told when to appear (SMIL).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot
from matplotlib.patches import Rectangle

from demos.stands.airport import Airport
from demos.stands.live.measure import LIVE, Followed, Lived
from demos.stands.problem import UNASSIGNED
from demos.stands.report.gantt import CHANGED, CONFLICT, PLANNED, REAL, hour_axis, stand_axis
from demos.stands.turns import real_occupation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from demos.stands.config import StandsConfig
    from shared.demo import Run
    from shared.result import Figure

SECONDS = 60  # for a day
HELD = 0.08  # share of these for which the end is shown
FADED, VEIL = 0.25, 0.5
CLOCK_ROOM = 18  # points between the title and the stands, for the time beside the clock's line


def draw(day: Lived, airport: Airport, config: StandsConfig, run: Run) -> list[Figure]:
    """Draw one live day as an animation, and as a still picture of how it ended."""
    way = day.ways[LIVE]
    figure, axes = pyplot.subplots(figsize=(12, 0.19 * len(airport.stands) + 1.6))
    stand_axis(axes, airport)
    _, off_block = real_occupation(day.turns, config.turn)
    first, last = hour_axis(axes, day.turns, float(np.fmax(off_block, day.turns.sobt).max()))
    shows = dict(_bars(axes, day, way, config))
    axes.axvline(first, color="black", linewidth=1.2, gid="clock")
    axes.set_title(
        f"{airport.iata}, {day.turns.day:%A %d %B %Y}: {LIVE}\n{len(way.moved):,} events, {way.changes} stands"
        f" changed, {len(way.waits)} aircraft waited",
        pad=CLOCK_ROOM,
    )
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in (PLANNED, CHANGED, REAL, CONFLICT)]
    labels = ["planned the day before", "changed while it ran", "came", "conflict"]
    axes.legend(handles, labels, loc="lower right", bbox_to_anchor=(1, 1.02), ncols=4, fontsize=9)
    figure.canvas.draw()
    # SVG is drawn at 72 units an inch, whatever the dots of the figure.
    (left, low), (right, high) = axes.transAxes.transform([(0, 0), (1, 1)]) * 72 / figure.dpi
    box = Box(left, right, 72 * figure.get_figheight() - high, high - low)
    found = run.figure(
        figure,
        "live",
        title="The live day",
        caption=f"{day.turns.day}, a day in {SECONDS} s, over and over. Grey: planned the day before; it fades when the"
        " stand is changed. Orange: where the turn went."
        " Blue: the aircraft has come; pale: how long it will have stayed. Red: two were there at once.",
        alt=f"Animated Gantt chart of {len(airport.stands)} stands with {way.changes} changes of stand in orange",
    )
    moving = run.folder / found.file
    for file in (moving, moving.with_suffix(".png")):
        shutil.copyfile(file, file.with_stem("live-end"))
    _animate(moving, shows, (first, last), box)
    still = {
        "file": "live-end.svg",
        "title": "The live day as it ended",
        "caption": "Grey: all stands planned the day before. Orange: each that a turn was given later, for a while or"
        " for good. Blue: where the aircraft was, and how long. Red: two were there at once.",
        "alt": f"Gantt chart of {len(airport.stands)} stands with {way.changes} changes of stand in orange",
    }
    return [found, found.model_copy(update=still)]


Shows = tuple[float | None, float | None]


@dataclass(frozen=True)
class Box:
    """Where the stands are in the SVG: left and right end, top and height [units of the SVG]."""

    left: float
    right: float
    top: float
    height: float


def _bars(axes: Axes, day: Lived, way: Followed, config: StandsConfig) -> Iterator[tuple[str, Shows]]:
    """Draw the bars; yields the name of each, when it appears and when it fades [min], None: not at all."""
    turns = day.turns
    steps: dict[int, list[tuple[float | None, int]]] = {
        turn: [(None, stand)] for turn, stand in enumerate(way.before.tolist())
    }
    for moved in (one for event in way.moved for one in event):
        steps[moved.turn].append((float(moved.at), moved.after))

    def bar(name: str, stand: int, start: float, end: float, colour: str, height: float = 0.86) -> None:
        axes.barh(stand, end - start, left=start, height=height, color=colour, linewidth=0)[0].set_gid(name)

    for turn, stands in steps.items():
        for number, (since, stand) in enumerate(stands):
            until = stands[number + 1][0] if number + 1 < len(stands) else None
            if stand != UNASSIGNED:
                colour = PLANNED if since is None else CHANGED
                bar(f"plan-{turn}-{number}", stand, turns.sibt[turn], turns.sobt[turn], colour)
                yield f"plan-{turn}-{number}", (since, until)
    on_block, off_block = real_occupation(turns, config.turn)
    for turn in np.flatnonzero(~np.isnan(off_block) & (way.used != UNASSIGNED)).tolist():
        bar(f"real-{turn}", int(way.used[turn]), on_block[turn], off_block[turn], REAL, 0.42)
        yield f"real-{turn}", (float(on_block[turn]), None)
    for number, met in enumerate(way.met):
        bar(f"met-{number}", int(way.used[met.second]), met.start, met.end, CONFLICT)
        yield f"met-{number}", (met.start, None)


def _animate(file: Path, shows: dict[str, Shows], span: tuple[int, int], box: Box) -> None:
    """Tell each named group of an SVG when to show. span: the day [min], from end to end of the box."""
    timing = f'dur="{SECONDS}s" repeatCount="indefinite"'

    def at(minute: float) -> float:
        return round((1 - HELD) * min(max((minute - span[0]) / (span[1] - span[0]), 0.0), 1.0), 4)

    def steps(values: list[tuple[float, float]]) -> str:
        moments, shown = zip(*values, strict=True)
        return (
            f'<animate attributeName="opacity" calcMode="discrete" {timing}'
            f' values="{";".join(f"{value:g}" for value in shown)}" keyTimes="{";".join(map(str, moments))}"/>'
        )

    def moved(name: str) -> str:
        if name == "clock":
            across = f"0 0;{box.right - box.left:.1f} 0;{box.right - box.left:.1f} 0"
            move = f'<animateTransform attributeName="transform" type="translate" {timing} values="{across}"'
            return f'{move} keyTimes="0;{1 - HELD};1"/>{_veil(box)}{_quarters(span, box, at, steps)}'
        since, until = shows[name]
        values = [(0.0, 1.0 if since is None else 0.0)]
        values += [(at(since), 1.0)] if since is not None else []
        values += [(at(until), FADED)] if until is not None else []
        return steps(values) if len(values) > 1 else ""

    text = file.read_text(encoding="utf-8")
    names = "|".join(["clock", r"(?:plan|real|met)-[\d-]+"])
    text = re.sub(rf'<g id="({names})">', lambda found: found[0] + moved(found[1]), text)
    file.write_text(text, encoding="utf-8")


def _veil(box: Box) -> str:
    """What lies behind the clock's line is still to come, and pale."""
    place = f'x="{box.left:.1f}" y="{box.top:.1f}" width="{box.right - box.left:.1f}" height="{box.height:.1f}"'
    return f'<rect {place} fill="white" opacity="{VEIL}"/>'


def _quarters(span: tuple[int, int], box: Box, at, steps) -> str:  # type: ignore[no-untyped-def]
    """The time above the clock's line, a quarter of an hour each."""
    found = []
    place = f'x="{box.left:.1f}" y="{box.top - 4:.1f}" text-anchor="middle" style="font: bold 11px sans-serif"'
    for minute in range(span[0], span[1], 15):
        shown = [(0.0, 0.0), (max(at(minute), 1e-4), 1.0), (at(minute + 15), 0.0)]
        if minute + 15 >= span[1]:
            shown = [(0.0, 0.0), (at(minute), 1.0)]
        clock = f"{minute // 60 % 24:02d}:{minute % 60:02d}"
        found.append(f'<text {place} opacity="0">{clock}{steps(shown)}</text>')
    return "".join(found)
