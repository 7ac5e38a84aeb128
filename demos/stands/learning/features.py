"""What is known of a departure at the moment its delay is forecast, and nothing later.

Decision times: T-24 h, when the day's plan is drawn up; T-2 h, when the stand is fixed (earlier if the aircraft is on
block by then); and later moments at which a departure still waits, because its stand is then wanted by others. Every
value carries the time it became known; a test holds each to its decision time, and another deletes the future and
finds the features unchanged to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from demos.stands.config import TurnConfig
from demos.stands.learning.states import GRID, Block, minutes_since_1970, queue, rotation, state
from demos.stands.turns import scheduled_on_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.data import Flights

Lead = Literal["T-24h", "T-2h"]
LEADS: tuple[Lead, ...] = ("T-24h", "T-2h")
ALWAYS = np.iinfo(np.int64).min
CATEGORIES = ("carrier", "origin", "dest")
STATES = (
    (("origin",), 2),
    (("origin",), 6),
    (("origin", "carrier"), 3),
    (("carrier",), 4),
    (("dest",), 6),
)
STATES_OF_THE_DAY = (*STATES, (("origin",), 1), ((), 2), (("origin", "carrier"), 1), (("origin", "dest"), 4))
FIX_AHEAD = 30
# A day old, these tell the season, and a model that has seen January to August learns it wrong. Found by a backtest
# inside the training months; at T-2 h they help.
SEASONAL = ("temp", "dewp", "pressure")


@dataclass(frozen=True)
class Features:
    """values: (m, p), one row per departure and moment; decided_at: (m,) and known_at[column]: (m,) minutes since 1970,
    local.
    """

    values: pd.DataFrame
    decided_at: NDArray[np.int64]
    known_at: dict[str, NDArray[np.int64]]


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
    decided, everyone = decision_times(departures, lead, rule), np.arange(len(departures))
    if lead == "T-2h":
        return features_at(flights, everyone, decided)
    blocks = [_schedule(departures, everyone)]
    blocks += [state(departures, everyone, decided, keys, hours) for keys, hours in STATES]
    blocks.append(_weather(departures, flights.weather, everyone, decided))
    found = _joined(blocks, decided)
    return Features(found.values.drop(columns=list(SEASONAL)), decided, {
        name: known for name, known in found.known_at.items() if name not in SEASONAL
    })  # fmt: skip


def features_at(flights: Flights, rows: NDArray[np.int64], decided: NDArray[np.int64]) -> Features:
    """Features of the departures `rows` (m,) at moments of the day `decided` (m,), minutes since 1970 on the grid."""
    departures = flights.departures
    to_go = minutes_since_1970(departures["std"])[rows] - decided
    blocks: list[Block] = [
        _schedule(departures, rows),
        (pd.DataFrame({"minutes_to_go": to_go.astype("float32")}), np.full(len(rows), ALWAYS)),
        *(state(departures, rows, decided, keys, hours) for keys, hours in STATES_OF_THE_DAY),
        queue(departures, rows, decided),
        # The data hold the tail that flew; a day ahead it may still be swapped.
        rotation(departures, rows, decided),
        _weather(departures, flights.weather, rows, decided),
    ]
    return _joined(blocks, decided)


def _joined(blocks: list[Block], decided: NDArray[np.int64]) -> Features:
    values = pd.concat([block for block, _ in blocks], axis=1)
    return Features(values, decided, {name: known for block, known in blocks for name in block.columns})


def _schedule(departures: pd.DataFrame, rows: NDArray[np.int64]) -> Block:
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
    return block.iloc[rows].reset_index(drop=True), np.full(len(rows), ALWAYS)


def _weather(
    departures: pd.DataFrame, weather: pd.DataFrame, rows: NDArray[np.int64], decided: NDArray[np.int64]
) -> Block:
    """The last report of the origin that was out by the decision, at most 6 h old, and rain over its last 3 reports."""
    names = [name for name in weather.columns if name not in ("origin", "known_at")]
    columns = [*names, "precip_3h"]
    known = np.full(len(rows), ALWAYS)
    block = np.full((len(rows), len(columns)), np.nan, dtype=np.float32)
    origins = departures["origin"].iloc[rows].reset_index(drop=True)
    for origin, here in origins.groupby(origins, sort=False).indices.items():
        reports = weather[weather["origin"] == origin]
        if reports.empty:
            continue
        out = minutes_since_1970(reports["known_at"])
        at = np.searchsorted(out, decided[here], side="right") - 1
        fresh = (at >= 0) & (decided[here] - out[np.maximum(at, 0)] <= 6 * 60)
        table = reports[names].assign(precip_3h=reports["precip"].rolling(3, min_periods=1).sum())
        values = table.to_numpy("float32")[np.maximum(at, 0)]
        block[here] = np.where(fresh[:, None], values, np.nan)
        known[here] = np.where(fresh, out[np.maximum(at, 0)], ALWAYS)
    return pd.DataFrame(block, columns=columns), known
