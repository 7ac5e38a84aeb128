"""Three owners: the airports of New York, each of which holds the departures from its own runways.

A unit is an aircraft, by its tail number: all its departures, wherever they began. Features are known when a flight is
scheduled, and are made of public lists and constants alone: nothing of them was computed from the flights.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from demos.private_training.data import manifest
from demos.private_training.flights.lots import identities, lots, numbered
from demos.private_training.flights.rows import CARRIERS, FILE, LATE, arrived, one_hot
from demos.private_training.learn.fit import Units
from shared.data import uses
from shared.errors import UserError
from shared.names import did_you_mean
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.result import DataUse

MILES = (250, 500, 1000, 1500, 2000)  # between classes of the distance
SIZES = (12, 7, 24, len(CARRIERS) + 1, len(MILES) + 1)  # classes of month, weekday, hour, carrier (0: other), distance
WIDTH = sum(SIZES)


@dataclass(frozen=True)
class Rows:
    """Departures. names: of owners.

    classes: (n, 5) of month, weekday, hour, carrier and distance, from 0; late: (n,) 0 or 1; tails: (n,) numbers of
    aircraft; identities: (n,) of their tail numbers; owners: (n,) places in `names`.
    """

    names: tuple[str, ...]
    classes: NDArray[np.uint8]
    late: NDArray[np.uint8]
    tails: NDArray[np.int32]
    identities: NDArray[np.uint64]
    owners: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.late)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Rows:
        """Those that are chosen."""
        return Rows(
            self.names,
            self.classes[chosen],
            self.late[chosen],
            self.tails[chosen],
            self.identities[chosen],
            self.owners[chosen],
        )

    def of(self, owner: str) -> Rows:
        """An owner's. Raises UserError for one that is not there, or has none."""
        if owner not in self.names:
            raise UserError(f"trust.owners: there is no {owner!r}{did_you_mean(owner, self.names)}")
        found = self.only(self.owners == self.names.index(owner))
        if not len(found):
            raise UserError(f"trust.owners: {owner!r} has no rows")
        return found

    def features(self) -> NDArray[np.float32]:
        """(n, WIDTH): a one for each class, in rows of length 1."""
        return one_hot([(places.astype(np.int64), size) for places, size in zip(self.classes.T, SIZES, strict=True)])


@functools.cache
def departures() -> Rows:
    """All of 2013 that have a tail number and arrived: cancelled and diverted ones have no delay."""
    table = arrived()
    day = np.datetime64("2013-01") + (table["month"].to_numpy() - 1)
    weekday = (day.astype("datetime64[D]") + (table["day"].to_numpy() - 1)).astype(
        np.int64
    ) + 3  # 1970 began a Thursday
    carrier = table["carrier"].map({name: place for place, name in enumerate(CARRIERS, 1)}).fillna(0)
    classes = [table["month"] - 1, weekday % 7, table["hour"], carrier, np.digitize(table["distance"], MILES)]
    origins, names = pd.factorize(table["origin"], sort=True)
    tails, numbers = pd.factorize(table["tailnum"], sort=True)
    return Rows(
        tuple(names),
        np.column_stack(classes).astype(np.uint8),
        (table["arr_delay"] > LATE).to_numpy(np.uint8),
        tails.astype(np.int32),
        identities(numbers)[tails],
        origins.astype(np.uint8),
    )


def used() -> list[DataUse]:
    """Provenance."""
    return uses(manifest(), FILE)


def split(rows: Rows, share: float, seed: int, *names: str) -> tuple[Rows, Rows]:
    """Rows of a `share` of the aircraft, by lot, and those of the others: no aircraft is in both."""
    tails = np.unique(rows.tails)
    chosen = generator(seed, "private_training", *names).permutation(tails)[: round(share * len(tails))]
    first = np.isin(rows.tails, chosen)
    return rows.only(first), rows.only(~first)


def at_most(rows: Rows, most: int, seed: int) -> Rows:
    """`most` rows of each aircraft at each owner, from 1, by lots of its own: another aircraft changes none of them."""
    keys = rows.tails.astype(np.int64) * len(rows.names) + rows.owners
    drawn = lots(rows.identities ^ rows.owners.astype(np.uint64), numbered(keys), seed, "rows of owners")
    order = np.lexsort((drawn, keys))
    return rows.only(np.sort(order[numbered(keys[order]) < most]))


def units(rows: Rows) -> Units:
    """Each aircraft as one unit, all rows of which count the same."""
    tails, numbers = np.unique(rows.tails, return_inverse=True)
    places = numbered(numbers)
    shape = (len(tails), int(places.max(initial=0)) + 1)
    features = np.zeros((*shape, WIDTH), dtype=np.float32)
    late, weights = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    features[numbers, places], late[numbers, places], weights[numbers, places] = rows.features(), rows.late, 1
    weights /= weights.sum(1, keepdims=True)
    return Units(*(torch.from_numpy(part) for part in (features, late, weights)))
