"""What is known of a departure at the moment its delay is forecast, and nothing later.

Two decision times: T-24 h, when the day's plan is drawn up, and T-2 h, when the stand is fixed (earlier if the
aircraft is on block by then). Every value carries the time it became known; a test holds each to its decision time,
and another deletes the future and finds the features unchanged to the bit.

Two causal building blocks: the delay so far, min(actual, now) - scheduled, which is known of every departure that is
due, gone or not; and the last weather report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from demos.stands.config import TurnConfig
from demos.stands.turns import scheduled_on_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.data import Flights

Lead = Literal["T-24h", "T-2h"]
LEADS: tuple[Lead, ...] = ("T-24h", "T-2h")
GRID = 15
ALWAYS = np.iinfo(np.int64).min
CATEGORIES = ("carrier", "origin", "dest")
STATES = (
    (("origin",), 2),
    (("origin",), 6),
    (("origin", "carrier"), 3),
    (("carrier",), 4),
    (("dest",), 6),
)
FIX_AHEAD = 30
# A day old, these tell the season, and a model that has seen January to August learns it wrong. Found by a backtest
# inside the training months; at T-2 h they help.
SEASONAL = ("temp", "dewp", "pressure")


@dataclass(frozen=True)
class Features:
    """values: (n, p), one row per departure; decided_at: (n,) and known_at[column]: (n,) minutes since 1970, local."""

    values: pd.DataFrame
    decided_at: NDArray[np.int64]
    known_at: dict[str, NDArray[np.int64]]


def minutes_since_1970(times: pd.Series) -> NDArray[np.int64]:
    """Whole minutes, (n,); a missing time becomes the largest integer, "not yet"."""
    whole = times.to_numpy("datetime64[m]").astype(np.int64)
    return np.where(times.isna().to_numpy(), np.iinfo(np.int64).max, whole)


def decision_times(departures: pd.DataFrame, lead: Lead, rule: TurnConfig) -> NDArray[np.int64]:
    """(n,) minutes since 1970, rounded down to the quarter of an hour."""
    std = minutes_since_1970(departures["std"])
    if lead == "T-24h":
        decided = std - 24 * 60
    else:
        on_block, _ = scheduled_on_block(departures, rule)
        decided = np.minimum(std - 2 * 60, minutes_since_1970(on_block) - FIX_AHEAD)
    return decided // GRID * GRID


def build_features(flights: Flights, lead: Lead, rule: TurnConfig) -> Features:
    """Features of all departures at one lead. Raises nothing: what is unknown is NaN."""
    departures = flights.departures
    decided = decision_times(departures, lead, rule)
    blocks = [_schedule(departures)]
    blocks += [_state(departures, decided, keys, hours) for keys, hours in STATES]
    if lead == "T-2h":
        # The data hold the tail that flew; a day ahead it may still be swapped.
        blocks.append(_rotation(departures, decided))
    blocks.append(_weather(departures, flights.weather, decided))
    values = pd.concat([block for block, _ in blocks], axis=1)
    if lead == "T-24h":
        values = values.drop(columns=list(SEASONAL))
    known_at = {name: known for block, known in blocks for name in block.columns if name in values}
    return Features(values, decided, known_at)


Block = tuple[pd.DataFrame, "NDArray[np.int64]"]


def _schedule(departures: pd.DataFrame) -> Block:
    """The published schedule, aircraft type and destination: known days ahead."""
    std = departures["std"]
    hour, day, origin = std.dt.floor("h"), std.dt.floor("D"), departures["origin"]
    one = pd.Series(1.0, index=departures.index)
    block = pd.DataFrame(
        {
            "minute_of_day": std.dt.hour * 60 + std.dt.minute,
            "day_of_week": std.dt.day_of_week,
            "distance_mi": departures["distance_mi"],
            "seats": departures["seats"],
            "departures_in_hour": one.groupby([origin, hour]).transform("sum"),
            "departures_in_day": one.groupby([origin, day]).transform("sum"),
            "own_departures_in_hour": one.groupby([origin, departures["carrier"], hour]).transform("sum"),
        }
    ).astype("float32")
    for name in CATEGORIES:
        block[name] = departures[name].astype("category")
    return block, np.full(len(block), ALWAYS)


def _state(departures: pd.DataFrame, decided: NDArray[np.int64], keys: tuple[str, ...], hours: int) -> Block:
    """Delay so far of departures due in the last `hours`, by `keys`: mean, share over 15 min, share still waiting."""
    std, atd = minutes_since_1970(departures["std"]), minutes_since_1970(departures["atd"])
    steps = hours * 60 // GRID
    # Each departure counts at the `steps` grid times from its scheduled time on.
    grid = -(-std // GRID)[:, None] + np.arange(steps)
    now = grid * GRID
    so_far = np.clip(np.minimum(atd[:, None], now) - std[:, None], -15, 360)
    late = so_far > 15
    group, _ = pd.MultiIndex.from_frame(departures[list(keys)]).factorize()
    first, last = grid.min(), grid.max()
    span = last - first + 1
    cell = (group[:, None] * span + grid - first).ravel()
    size = (group.max() + 1) * span
    count = np.bincount(cell, minlength=size)
    totals = [so_far, late, late & (atd[:, None] > now)]
    wanted = decided // GRID
    inside = (wanted >= first) & (wanted <= last)
    at = np.where(inside, group * span + wanted - first, 0)
    found = inside & (count[at] > 0)
    name = "_".join(keys)
    columns = {}
    for label, total in zip(("mean", "late", "waiting"), totals, strict=True):
        sums = np.bincount(cell, weights=total.ravel(), minlength=size)
        values = np.where(found, sums[at] / np.maximum(count[at], 1), np.nan)
        columns[f"{name}_{hours}h_{label}"] = values.astype("float32")
    return pd.DataFrame(columns, index=departures.index), decided


def _rotation(departures: pd.DataFrame, decided: NDArray[np.int64]) -> Block:
    """The same tail's last departure from any airport in the data: its delay so far, and how long ago it was due."""
    std, atd = minutes_since_1970(departures["std"]), minutes_since_1970(departures["atd"])
    tail, _ = pd.factorize(departures["tail"])
    order = np.lexsort((std, tail))
    key = tail[order].astype(np.int64) * 2**40 + std[order]
    at = np.searchsorted(key, tail.astype(np.int64) * 2**40 + decided, side="right") - 1
    before = order[np.maximum(at, 0)]
    recent = (at >= 0) & (tail[before] == tail) & (tail >= 0) & (decided - std[before] <= 14 * 60)
    so_far = np.clip(np.minimum(atd[before], decided) - std[before], -15, 600)
    block = pd.DataFrame(
        {
            "rotation_delay": np.where(recent, so_far, np.nan),
            "rotation_ago": np.where(recent, std - std[before], np.nan),
        },
        index=departures.index,
    )
    return block.astype("float32"), decided


def _weather(departures: pd.DataFrame, weather: pd.DataFrame, decided: NDArray[np.int64]) -> Block:
    """The last report of the origin that was out by the decision, at most 6 h old, and rain over its last 3 reports."""
    names = [name for name in weather.columns if name not in ("origin", "known_at")]
    columns = [*names, "precip_3h"]
    known = np.full(len(departures), ALWAYS)
    block = pd.DataFrame(np.nan, index=departures.index, columns=columns, dtype="float32")
    for origin, rows in departures.groupby("origin", sort=False).indices.items():
        reports = weather[weather["origin"] == origin]
        if reports.empty:
            continue
        out = minutes_since_1970(reports["known_at"])
        at = np.searchsorted(out, decided[rows], side="right") - 1
        fresh = (at >= 0) & (decided[rows] - out[np.maximum(at, 0)] <= 6 * 60)
        table = reports[names].assign(precip_3h=reports["precip"].rolling(3, min_periods=1).sum())
        values = table.to_numpy("float32")[np.maximum(at, 0)]
        block.iloc[rows] = np.where(fresh[:, None], values, np.nan)
        known[rows] = np.where(fresh, out[np.maximum(at, 0)], ALWAYS)
    return block, known
