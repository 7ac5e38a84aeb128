"""Is the plant where it is said to be? The length and the middle of its working days against the sun.

Only what cannot be is refused: a plant that works before sunrise, after sunset or for longer than the sun is up, or one
that another place, a slip of the pen away, fits far better. Hills and clouds shorten days and move their middle: noted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from demos.renewables.site.finding import Finding, Refusal, refuse
from demos.renewables.site.sun import DAY, daylight_minutes, wrapped

FEWEST_DAYS = 10
SEASON = "15D"  # the longest days of each count: clouds only shorten them
LONGEST = 0.8
RISE, BRIGHT = -0.8, 6.0  # deg: plants start while the sun climbs from here to there
TOO_LONG = 75.0  # minutes beyond the sun's day: long intervals and low sun take less
LENGTH_RIGHT = 45.0
LENGTH_DOUBTFUL = 30.0  # minutes: wrong when another place fits much better
MUCH_BETTER = 0.4
OFFSET_WRONG = 40.0  # minutes: tilted modules and clouds move the middle of the day by less than 25
OFFSET_RIGHT = 25.0
IN_THE_DARK = 10.0  # minutes before sunrise or after sunset
ROUND = 30  # minutes: clocks are off by whole zones, rarely by less


@dataclass(frozen=True)
class Fit:
    """How a place fits [min].

    length: by how much working days miss those of the sun; excess: by how much they are too long in the worst season;
    offset: by how much their middle comes after true noon.
    """

    length: float
    excess: float
    offset: float

    @property
    def good(self) -> bool:
        return self.length <= LENGTH_RIGHT and abs(self.offset) <= OFFSET_RIGHT


Slip = tuple[Fit, float, float, str]  # how a place fits, its latitude and longitude, and the slip that leads to it


def fit(days: pd.DataFrame, edged: pd.DataFrame, latitude: float, turn: float = 0.0) -> Fit:
    """The fit of a latitude [deg] and of a longitude that is `turn` degrees east of the declared one.

    days: of `sun.days_of`; edged: those with a sunrise and a sunset (`clock.usable`).
    """
    seasons = _seasons(days, latitude)
    missed = seasons.max(axis=1).clip(lower=0.0)
    middle = float(edged["offset"].median()) if len(edged) else 0.0
    return Fit(float(missed.median()), float(seasons["long"].quantile(LONGEST)), float(wrapped(middle + 4 * turn)))


def _seasons(days: pd.DataFrame, latitude: float) -> pd.DataFrame:
    """Per fortnight, minutes by which the longest working days are too long or too short for the sun."""
    dates = pd.DatetimeIndex(days.index)
    missed = pd.DataFrame(
        {
            "long": days["length"] - daylight_minutes(dates, latitude, RISE),
            "short": days["length"] - daylight_minutes(dates, latitude, BRIGHT),
        }
    )
    bins = missed.resample(SEASON)
    longest = bins.quantile(LONGEST)[bins.size() >= 5]
    if longest.empty:
        longest = missed.quantile(LONGEST).to_frame(missed.index[0]).T
    return longest.assign(short=-longest["short"])


def check_place(
    days: pd.DataFrame, edged: pd.DataFrame, latitude: float, longitude: float, mend_offset: bool, source: str
) -> tuple[int, list[Finding]]:
    """(minutes to take off all stamps, findings). Raises Refusal when sun and power cannot go together."""
    if len(days) < FEWEST_DAYS:
        text = f"{len(days)} complete days are too few to check clock and place against the sun ({FEWEST_DAYS} needed)"
        return 0, [Finding("clock not checked", text, "noted", len(days))]
    here = fit(days, edged, latitude)
    others = _others(days, edged, latitude, longitude)
    much_better = bool(others) and others[0][0].length < MUCH_BETTER * here.length
    length_wrong = here.excess > TOO_LONG or (here.length > LENGTH_DOUBTFUL and much_better)
    if length_wrong:
        _refuse_place(days, latitude, longitude, others, source)
    findings = []
    if here.length > TOO_LONG:
        text = f"the plant works {here.length:.0f} min a day less than the sun allows: shaded, or not at this latitude"
        findings.append(Finding("short days", text, "noted", len(days)))
    if abs(here.offset) < OFFSET_WRONG:
        return 0, findings
    side = "late" if here.offset > 0 else "early"
    clock = f"{abs(here.offset):.0f} min {side} against the sun at longitude {longitude:g}"
    if not others and _in_the_dark(edged, latitude, here.offset) < IN_THE_DARK:
        text = f"the middle of the working day is {clock}, but within daylight: a hill, or the clock"
        return 0, [*findings, Finding("days off centre", text, "noted", len(days))]
    minutes = round(here.offset / ROUND) * ROUND
    if mend_offset:
        text = f"the clock is {clock}; all stamps shifted by {-minutes:+d} min"
        return minutes, [*findings, Finding("wrong offset", text, "mended", len(days))]
    way = (
        "set timezone or interval_label right (site.timezone=..., site.interval_label=...), or site.mend_offset=true to"
        f" shift all stamps by {-minutes:+d} min"
    )
    kind, joint = "wrong offset", "; "
    if others:
        kind, joint = "wrong place", f", but right at {_listed(others)}; correct the place, or "
    raise Refusal(source, Finding(kind, f"the clock is {clock}{joint}{way}", "refused", len(days)))


def _in_the_dark(edged: pd.DataFrame, latitude: float, offset: float) -> float:
    """Minutes by which days that are late end after sunset, or days that are early begin before sunrise."""
    up = daylight_minutes(pd.DatetimeIndex(edged.index), latitude, RISE)
    beyond = np.sign(offset) * edged["offset"] + (edged["length"] - up) / 2
    return float(beyond.quantile(LONGEST))


def _refuse_place(days: pd.DataFrame, latitude: float, longitude: float, others: list[Slip], source: str) -> None:
    worst = _seasons(days, latitude).max(axis=1).idxmax()
    season = days[worst : worst + pd.Timedelta(SEASON)]
    sun = float(np.median(daylight_minutes(pd.DatetimeIndex(season.index), latitude, RISE)))
    works = season["length"].quantile(LONGEST) / 60
    text = (
        f"around {worst:%Y-%m-%d} the plant works {works:.1f} h a day, but at latitude {latitude:g},"
        f" longitude {longitude:g} the sun is up for {sun / 60:.1f} h"
    )
    if others:
        way = f"; latitude and longitude fit as {_listed(others)}"
    elif float(days["length"].median()) > 0.95 * DAY:
        way = "; power that never rests is not PV power, or has an offset"
    else:
        way = "; check latitude and longitude, and that this is PV power"
    refuse(source, "wrong place", text + way, len(days), f"{worst:%Y-%m-%d}")


def _others(days: pd.DataFrame, edged: pd.DataFrame, latitude: float, longitude: float) -> list[Slip]:
    """Places that a slip of the pen makes of the right one, and that fit."""
    slips = [
        (-latitude, longitude, "sign of latitude"),
        (latitude, -longitude, "sign of longitude"),
        (-latitude, -longitude, "both signs"),
    ]
    if abs(longitude) <= 90:
        slips.append((longitude, latitude, "swapped"))
    fits = [(fit(days, edged, north, east - longitude), north, east, why) for north, east, why in slips]
    return [slip for slip in sorted(fits, key=_misfit) if slip[0].good]


def _misfit(slip: Slip) -> float:
    return slip[0].length + abs(slip[0].offset)


def _listed(places: list[Slip]) -> str:
    return " or ".join(f"{north:g}, {east:g} ({why})" for _, north, east, why in places)
