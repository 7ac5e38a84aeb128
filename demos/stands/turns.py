"""Turns of one operating day: scheduled and real stand occupation, rebuilt from departures where arrivals are missing.

A turn is one aircraft's stay on a stand, from on-block to off-block. The embedded data hold departures alone, so
off-block is real and on-block is reconstructed by the stated rule of `TurnConfig`; a user's file that has on-block
times is used as it is. Minutes count from midnight of the operating day, so 01:30 of the next night is 1530.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.stands.config import TurnConfig, clock_minutes
from demos.stands.units import MINUTES_PER_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Turns:
    """The turns of one airport and operating day, in order of scheduled on-block. Arrays have length n [min].

    day_start: when the operating day begins [min after midnight]. links: (k, 2) parts of one aircraft's stay, one after
    the other, between which it may be towed.

    The index of `table` is that of the departures, so that what was predicted for a departure is found again.
    """

    day: date
    table: pd.DataFrame
    sibt: NDArray[np.int64]
    sobt: NDArray[np.int64]
    night_stop: NDArray[np.bool_]
    reconstructed: NDArray[np.bool_]
    day_start: int = 240
    links: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def codes(self) -> list[str]:
        """ICAO code letter of each turn."""
        return self.table["code"].tolist()

    @property
    def seats(self) -> NDArray[np.int64]:
        """Seats of each turn, the stand-in for its passengers."""
        return self.table["seats"].to_numpy(np.int64)

    @property
    def aircraft(self) -> NDArray[np.int64]:
        """(n,) a number for each aircraft's stay, the same for all its parts."""
        found = np.arange(len(self))
        for before, after in self.links[np.argsort(self.sibt[self.links[:, 0]], kind="stable")]:
            found[after] = found[before]
        return found

    @property
    def leaves_by_tow(self) -> NDArray[np.bool_]:
        """(n,) whether a turn ends when its aircraft is towed on, or could be."""
        return np.isin(np.arange(len(self)), self.links[:, 0])

    @property
    def comes_by_tow(self) -> NDArray[np.bool_]:
        """(n,) whether a turn begins so."""
        return np.isin(np.arange(len(self)), self.links[:, 1])

    @property
    def parked(self) -> NDArray[np.bool_]:
        """(n,) whether nobody boards or leaves the aircraft meanwhile: the part just before the last one."""
        last = ~np.isin(self.links[:, 1], self.links[:, 0])
        return np.isin(np.arange(len(self)), self.links[last, 0])

    @property
    def over_night(self) -> NDArray[np.bool_]:
        """(n,) whether a turn is there when an operating day begins or ends."""
        return (self.sibt < self.day_start) | (self.sobt > self.day_start + MINUTES_PER_DAY)


def scheduled_on_block(departures: pd.DataFrame, rule: TurnConfig) -> tuple[pd.Series, pd.Series]:
    """Scheduled on-block of each departure, given or reconstructed, and whether it is a reconstructed night stop."""
    minute = pd.Timedelta(minutes=1)
    std, given = departures["std"], departures["sibt"].notna()
    clock = std.dt.hour * 60 + std.dt.minute
    start = clock_minutes(rule.day_start)
    night = ~given & (clock >= start) & (clock < clock_minutes(rule.night_stop_before))
    on_since = std - rule.tow_on * minute if rule.night_stop == "towed" else std - (clock - start + 1) * minute
    stay = departures["code"].map(rule.minutes).astype(float) * minute
    return departures["sibt"].where(given, (std - stay).where(~night, on_since)), night


def operating_day(departures: pd.DataFrame, origin: str, day: date, rule: TurnConfig) -> Turns:
    """The turns that depart `origin` in the operating day that starts at `rule.day_start` of `day`."""
    midnight = pd.Timestamp(day)
    start = midnight + pd.Timedelta(minutes=clock_minutes(rule.day_start))
    today = (departures["std"] >= start) & (departures["std"] < start + timedelta(days=1))
    table = departures[today & (departures["origin"] == origin)]
    on_block, night = scheduled_on_block(table, rule)
    sibt, sobt = _minutes(on_block, midnight), _minutes(table["std"], midnight)
    order = np.lexsort((table["flight"].to_numpy(str), sobt, sibt))
    return Turns(
        day,
        table.iloc[order],
        sibt[order],
        sobt[order],
        night.to_numpy()[order],
        table["sibt"].isna().to_numpy()[order],
        clock_minutes(rule.day_start),
    )


def _minutes(times: pd.Series, midnight: pd.Timestamp) -> NDArray[np.int64]:
    return ((times - midnight) // pd.Timedelta(minutes=1)).to_numpy(np.int64)


def occupation(
    turns: Turns, delay: NDArray[np.float64], rule: TurnConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """On-block and off-block [min after midnight] if each turn departs `delay` minutes late, same shape as `delay`.

    delay: (n,) or (n, scenarios) [min]; negative is early. The first `inbound_share` of a positive delay, and whatever
    exceeds `max_hold`, moved the on-block time; an aircraft that is towed on or off is so on schedule.
    """
    column = (slice(None),) + (None,) * (delay.ndim - 1)
    delay = np.where(turns.leaves_by_tow[column], 0.0 * delay, delay)  # cancelled stays NaN
    late = np.maximum(delay, 0.0)
    share = np.where(turns.night_stop | turns.comes_by_tow, 0.0, rule.inbound_share)[column]
    inbound = np.maximum(share * late, late - rule.max_hold)
    off_block = turns.sobt[column] + delay
    # A very early departure cannot leave before it came.
    return np.minimum(turns.sibt[column] + inbound, off_block - 1), off_block


def real_delays(turns: Turns) -> NDArray[np.float64]:
    """(n,) minutes from scheduled to actual off-block; NaN for a cancelled turn."""
    return ((turns.table["atd"] - turns.table["std"]) / pd.Timedelta(minutes=1)).to_numpy(np.float64)


def real_occupation(turns: Turns, rule: TurnConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What happened: on-block and off-block [min after midnight]; NaN for a cancelled turn."""
    midnight = pd.Timestamp(turns.day)
    delay = real_delays(turns)
    on_block, off_block = occupation(turns, delay, rule)
    given = turns.table["aibt"].notna().to_numpy()
    known = ((turns.table["aibt"] - midnight) / pd.Timedelta(minutes=1)).to_numpy(np.float64)
    # Who comes after the tow of the first part of its stay goes straight on.
    return np.where(given & ~np.isnan(delay), np.fmin(known, off_block), on_block), off_block
