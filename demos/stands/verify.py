"""An independent check of a plan: plain Python integers and the airport file, none of the solver's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demos.stands.airport import Airport

ORDER = "ABCDEF"


@dataclass(frozen=True)
class Stay:
    """One turn as the verifier sees it: flight, ICAO code, scheduled on-block and off-block [min after midnight]."""

    flight: str
    code: str
    sibt: int
    sobt: int


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
    for closure in airport.closures:
        start, end = (60 * int(clock[:2]) + int(clock[3:]) for clock in (closure.start, closure.end))
        if start < day_start:
            start += 24 * 60
        while end <= start:
            end += 24 * 60
        found += [
            f"{stay.flight}: stand {closure.stand} is closed {closure.start}-{closure.end}"
            for stay in occupants[closure.stand]
            if stay.sibt < end and start < stay.sobt
        ]
    return found


def _overlapping(first: list[Stay], second: list[Stay]) -> list[tuple[Stay, Stay]]:
    """Pairs whose half-open intervals [sibt, sobt) intersect, each unordered pair once when both lists are the same."""
    same = first is second
    return [
        (a, b)
        for index, a in enumerate(first)
        for b in (second[index + 1 :] if same else second)
        if a.sibt < b.sobt and b.sibt < a.sobt
    ]
