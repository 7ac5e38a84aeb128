"""Long stays in parts: an aircraft arrives on one stand, parks on another, departs from a third, and tugs tow it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.turns import Turns

if TYPE_CHECKING:
    from demos.stands.config import TowConfig


def split_long_stays(turns: Turns, tow: TowConfig) -> Turns:
    """Each stay of more than `tow.stays_over` min as rows of its own: arrive, park, depart, one after the other.

    A night stop of which no arrival is known parks and departs. The new stand is held from the minute a tow begins, the
    old one is free from then on; whoever stays where it is needs no tow. Those who arrive count as half the seats,
    those who depart as the rest, and while it is parked an aircraft has no passengers.
    """
    if tow.stays_over is None:
        return turns
    rows: list[int] = []
    ends: list[int] = []
    seats: list[int] = []
    links: list[tuple[int, int]] = []
    for row, (sibt, sobt, all_seats) in enumerate(
        zip(turns.sibt.tolist(), turns.sobt.tolist(), turns.seats.tolist(), strict=True)
    ):
        parts = [(sobt, all_seats)]
        if sobt - sibt > tow.stays_over:
            parts = [(sobt - tow.depart, 0), *parts]
            if not turns.night_stop[row]:
                half = all_seats // 2
                parts = [(sibt + tow.arrive, half), parts[0], (sobt, all_seats - half)]
        links += [(len(rows) + part, len(rows) + part + 1) for part in range(len(parts) - 1)]
        rows += [row] * len(parts)
        ends += [end for end, _ in parts]
        seats += [some for _, some in parts]
    return _in_order(
        turns, np.array(rows), np.array(ends), np.array(seats), np.array(links, dtype=np.int64).reshape(-1, 2)
    )


def _in_order(turns: Turns, rows, sobt, seats, links) -> Turns:  # type: ignore[no-untyped-def]
    """The parts as turns, in order of on-block; each begins when the one before it ends."""
    sibt = turns.sibt[rows]
    sibt[links[:, 1]] = sobt[links[:, 0]]
    table = turns.table.iloc[rows].assign(seats=seats)
    for column in ("sibt", "aibt"):
        table[column] = table[column].mask(np.isin(np.arange(len(rows)), links[:, 1]))
    order = np.lexsort((table["flight"].to_numpy(str), sobt, sibt))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return replace(
        turns,
        table=table.iloc[order],
        sibt=sibt[order],
        sobt=sobt[order],
        night_stop=turns.night_stop[rows][order],
        reconstructed=turns.reconstructed[rows][order],
        links=place[links],
    )
