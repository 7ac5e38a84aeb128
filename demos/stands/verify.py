"""An independent check of a plan: plain Python integers and the airport file, none of the solver's arrays.

Physical rules must hold; of the others it lists which do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from demos.stands.airport import Airport
from demos.stands.rules.ranks import FROZEN, LOCKED, NIGHT, PUSHBACK, STAND, TUGS, Broken, lowest_first

ORDER = "ABCDEF"


@dataclass(frozen=True)
class Stay:
    """One turn as the verifier sees it: flight, ICAO code, scheduled on-block and off-block [min after midnight]."""

    flight: str
    code: str
    sibt: int
    sobt: int


@dataclass(frozen=True)
class Orders:
    """The breakable rules of a day as the verifier sees them; stays by their place in the list of stays.

    locked: flight -> stand; held: stay -> stand it must not leave any more; links: stays of one aircraft, one after the
    other, between which it may be towed; pushback, tow_minutes [min].
    """

    locked: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[int, str] = field(default_factory=dict)
    links: Sequence[tuple[int, int]] = ()
    pushback: int = 0
    tow_minutes: int = 0
    tugs: int = 0
    day_start: int = 240


def broken_rules(stays: Sequence[Stay], airport: Airport, stands: Sequence[str | None], orders: Orders) -> list[Broken]:
    """Every breakable rule that a plan breaks, lowest rank first. stands: the stand id of each stay, or None.

    Whoever has no stand breaks no other rule: none is graver.
    """
    found = []
    parked = {first for first, second in orders.links if second not in {one for one, _ in orders.links}}
    for at, (stay, name) in enumerate(zip(stays, stands, strict=True)):
        wished = None if at in parked else orders.locked.get(stay.flight)
        if name is None:
            found.append(
                Broken(STAND, f"{stay.flight} has no stand from {as_clock(stay.sibt)} to {as_clock(stay.sobt)}")
            )
            continue
        if wished not in (None, name):
            found.append(Broken(LOCKED, f"{stay.flight} is on {name}, wished on {wished}"))
        if orders.held.get(at, name) != name:
            found.append(Broken(FROZEN, f"{stay.flight} moves from {orders.held[at]} to {name}, too late"))
        stays_over_night = stay.sibt < orders.day_start or stay.sobt > orders.day_start + 24 * 60
        if stays_over_night and airport.night_parking and name not in airport.night_parking:
            found.append(Broken(NIGHT, f"{stay.flight} spends the night on {name}"))
    found += _push_backs(stays, airport, stands, orders)
    found += _without_tug(stays, stands, orders)
    return lowest_first(found)


def _push_backs(
    stays: Sequence[Stay], airport: Airport, stands: Sequence[str | None], orders: Orders
) -> Iterator[Broken]:
    beside = {frozenset(pair) for row in airport.rows for pair in pairwise(row)}
    towed_off = {first for first, _ in orders.links}
    leaving = [at for at in range(len(stays)) if at not in towed_off and stands[at] is not None]
    leaving.sort(key=lambda at: stays[at].sobt)
    for index, one in enumerate(leaving):
        for two in leaving[index + 1 :]:
            apart = stays[two].sobt - stays[one].sobt
            if apart >= orders.pushback:
                break
            if frozenset((stands[one], stands[two])) in beside:
                text = f"{stays[one].flight} on {stands[one]} and {stays[two].flight} on {stands[two]}"
                yield Broken(PUSHBACK, f"{text} push back within {apart} min, at {as_clock(stays[one].sobt)}")


def _without_tug(stays: Sequence[Stay], stands: Sequence[str | None], orders: Orders) -> Iterator[Broken]:
    begun: list[int] = []
    for first, second in sorted(orders.links, key=lambda link: stays[link[0]].sobt):
        if None in (stands[first], stands[second]) or stands[first] == stands[second]:
            continue
        now = stays[first].sobt
        if sum(now < begin + orders.tow_minutes for begin in begun) >= orders.tugs:
            text = f"{stays[first].flight} from {stands[first]} to {stands[second]} at {as_clock(now)}"
            yield Broken(TUGS, f"no tug is free for the tow of {text}")
        begun.append(now)


def as_clock(minute: int) -> str:
    """HH:MM of a minute after midnight of the operating day, whichever night it falls in."""
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def violations(
    stays: Sequence[Stay], airport: Airport, stands: Sequence[str | None], day_start: int = 240
) -> list[str]:
    """Every broken hard rule of a plan, one sentence each; an empty list means the plan holds.

    stands: the stand id of each stay, or None for a stay left without a stand (a cost, not a violation); day_start:
    minutes after midnight at which the operating day begins, before which a clock time means the night after.
    """
    known = {stand.id: stand for stand in airport.stands}
    found = []
    occupants: dict[str, list[Stay]] = {name: [] for name in known}
    for stay, name in zip(stays, stands, strict=True):
        if name is None:
            continue
        if name not in known:
            found.append(f"{stay.flight}: stand {name} does not exist")
            continue
        if ORDER.index(stay.code) > ORDER.index(known[name].code):
            found.append(f"{stay.flight}: code {stay.code} does not fit stand {name} (code {known[name].code})")
        occupants[name].append(stay)
    for name, guests in occupants.items():
        found += [
            f"{a.flight} and {b.flight}: both on stand {name}" for a, b in _overlapping(guests, guests) if a is not b
        ]
    for shadow in airport.shadows:
        large = [stay for stay in occupants[shadow.stand] if ORDER.index(stay.code) >= ORDER.index(shadow.code)]
        found += [
            f"{a.flight} on {shadow.stand} shadows {shadow.blocks}, where {b.flight} stands"
            for a, b in _overlapping(large, occupants[shadow.blocks])
        ]
    for mars in airport.mars:
        for half in mars.narrow:
            pairs = _overlapping(occupants[mars.wide], occupants[half])
            found += [f"{a.flight} on the wide {mars.wide} of a MARS stand, {b.flight} on {half}" for a, b in pairs]
    found += _in_closures(occupants, airport, day_start)
    return found


def _in_closures(occupants: Mapping[str, Sequence[Stay]], airport: Airport, day_start: int) -> Iterator[str]:
    for closure in airport.closures:
        start, end = (60 * int(clock[:2]) + int(clock[3:]) for clock in (closure.start, closure.end))
        if start < day_start:
            start += 24 * 60
        while end <= start:
            end += 24 * 60
        for stay in occupants[closure.stand]:
            if stay.sibt < end and start < stay.sobt:
                yield f"{stay.flight}: stand {closure.stand} is closed {closure.start}-{closure.end}"


def _overlapping(first: list[Stay], second: list[Stay]) -> list[tuple[Stay, Stay]]:
    """Pairs whose half-open intervals [sibt, sobt) intersect, each unordered pair once when both lists are the same."""
    same = first is second
    return [
        (a, b)
        for index, a in enumerate(first)
        for b in (second[index + 1 :] if same else second)
        if a.sibt < b.sobt and b.sibt < a.sobt
    ]
