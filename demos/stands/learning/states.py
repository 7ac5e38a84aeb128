"""What the airports' own departures tell at a moment: how late they run, who still waits, where the aircraft is.

Each function takes pairs of a departure and a moment: rows (m,), positions in `departures`; decided (m,), minutes since
1970 on the grid. One causal building block: the delay so far, min(actual, now) - scheduled, which is known of every
departure that is due, gone or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 15
# A flight to `miles` away and back to the next departure, roughly: cruise, taxi and climb each way, and a turn there.
MILES_A_MINUTE, GROUND_A_LEG, TURN_AWAY = 7.5, 35, 40

Block = tuple[pd.DataFrame, "NDArray[np.int64]"]


def minutes_since_1970(times: pd.Series) -> NDArray[np.int64]:
    """Whole minutes, (n,); a missing time becomes the largest integer, "not yet"."""
    whole = times.to_numpy("datetime64[m]").astype(np.int64)
    return np.where(times.isna().to_numpy(), np.iinfo(np.int64).max, whole)


def state(
    departures: pd.DataFrame, rows: NDArray[np.int64], decided: NDArray[np.int64], keys: tuple[str, ...], hours: int
) -> Block:
    """Delay so far of departures due in the last `hours`, by `keys`: mean, share over 15 min, share still waiting."""
    std, atd = minutes_since_1970(departures["std"]), minutes_since_1970(departures["atd"])
    steps = hours * 60 // GRID
    # Each departure counts at the `steps` grid times from its scheduled time on.
    grid = -(-std // GRID)[:, None] + np.arange(steps)
    now = grid * GRID
    so_far = np.clip(np.minimum(atd[:, None], now) - std[:, None], -15, 360)
    late = so_far > 15
    group = _groups(departures, keys)
    first, last = grid.min(), grid.max()
    span = last - first + 1
    cell = (group[:, None] * span + grid - first).ravel()
    size = (group.max() + 1) * span
    count = np.bincount(cell, minlength=size)
    totals = [so_far, late, late & (atd[:, None] > now)]
    wanted = decided // GRID
    inside = (wanted >= first) & (wanted <= last)
    at = np.where(inside, group[rows] * span + wanted - first, 0)
    found = inside & (count[at] > 0)
    name = "_".join(keys) or "all"
    columns = {}
    for label, total in zip(("mean", "late", "waiting"), totals, strict=True):
        sums = np.bincount(cell, weights=total.ravel(), minlength=size)
        values = np.where(found, sums[at] / np.maximum(count[at], 1), np.nan)
        columns[f"{name}_{hours}h_{label}"] = values.astype("float32")
    return pd.DataFrame(columns), decided


def _groups(departures: pd.DataFrame, keys: tuple[str, ...]) -> NDArray[np.int64]:
    """(n,) the group of each departure by the values of `keys`; without keys all are one group."""
    if not keys:
        return np.zeros(len(departures), dtype=np.int64)
    return pd.MultiIndex.from_frame(departures[list(keys)]).factorize()[0]


def queue(departures: pd.DataFrame, rows: NDArray[np.int64], decided: NDArray[np.int64], hours: int = 2) -> Block:
    """How many of the origin's departures due in the last `hours` have not left; a cancelled one counts so long."""
    std, atd = minutes_since_1970(departures["std"]), minutes_since_1970(departures["atd"])
    group = _groups(departures, ("origin",))
    starts = -(-std // GRID)
    # Rounded up without a sum that a missing time would overflow.
    ends = np.clip(atd // GRID + (atd % GRID > 0), starts, starts + hours * 60 // GRID)
    first, span = starts.min(), ends.max() - starts.min() + 1
    change = np.zeros((group.max() + 1, span), dtype=np.int64)
    np.add.at(change, (group, starts - first), 1)
    np.add.at(change, (group, ends - first), -1)
    at = np.clip(decided // GRID - first, 0, span - 1)
    waiting = np.where(decided // GRID >= first, change.cumsum(axis=1)[group[rows], at], 0)
    return pd.DataFrame({"origin_queue": waiting.astype("float32")}), decided


def rotation(departures: pd.DataFrame, rows: NDArray[np.int64], decided: NDArray[np.int64]) -> Block:
    """The same tail's last departure from any airport in the data, as known at the moment.

    Its delay so far, how long before this one it was due, whether it has still not left, and from the same airport;
    and the slack: the time between, less what a flight to its destination and back takes.
    """
    std, atd = minutes_since_1970(departures["std"]), minutes_since_1970(departures["atd"])
    tail, _ = pd.factorize(departures["tail"])
    order = np.lexsort((std, tail))
    key = tail[order].astype(np.int64) * 2**40 + std[order]
    until = np.minimum(decided, std[rows] - 1)  # not itself
    at = np.searchsorted(key, tail[rows].astype(np.int64) * 2**40 + until, side="right") - 1
    before = order[np.maximum(at, 0)]
    recent = (at >= 0) & (tail[before] == tail[rows]) & (tail[rows] >= 0) & (decided - std[before] <= 14 * 60)
    so_far = np.clip(np.minimum(atd[before], decided) - std[before], -15, 600)
    ago = std[rows] - std[before]
    origin, miles = departures["origin"].to_numpy(), departures["distance_mi"].to_numpy(np.float64)[before]
    away = 2 * (miles / MILES_A_MINUTE + GROUND_A_LEG) + TURN_AWAY
    columns = {
        "rotation_delay": so_far,
        "rotation_ago": ago,
        "rotation_slack": ago - so_far - away,
        "rotation_waiting": atd[before] > decided,
        "rotation_same_airport": origin[before] == origin[rows],
    }
    block = pd.DataFrame({name: np.where(recent, values, np.nan) for name, values in columns.items()})
    return block.astype("float32"), decided
