"""Methods side by side: per-unit values of each -> a headline against a peer and a table of all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from shared.evaluation.intervals import bootstrap, paired_ratio
from shared.result import Column, Direction, Headline, Interval, Table


def headline(
    name: str,
    values: Mapping[str, ArrayLike],
    *,
    ours: str,
    peer: str,
    unit: str,
    direction: Direction,
    resampled: str,
    seed: int = 0,
    note: str = "",
) -> Headline:
    """The mean of our method beside its peer's, with the bootstrap interval of our mean.

    values: method -> (n,) one number per unit, the same units in the same order. resampled: plural of the unit, "days".
    Raises KeyError for a method that is not in values, ValueError for fewer than 2 units.
    """
    first, second = np.asarray(values[ours], dtype=float), np.asarray(values[peer], dtype=float)
    return Headline(
        name=name,
        value=float(first.mean()),
        unit=unit,
        direction=direction,
        peer=peer,
        peer_value=float(second.mean()),
        interval=bootstrap(first, seed=seed, unit=resampled),
        note=note,
    )


def comparison(
    title: str,
    values: Mapping[str, ArrayLike],
    *,
    peer: str,
    unit: str,
    direction: Direction,
    resampled: str,
    measure: str = "mean",
    digits: int = 2,
    seed: int = 0,
    caption: str = "",
) -> Table:
    """A table of all methods: mean per unit, its ratio to the peer and the paired interval of that ratio.

    values: method -> (n,) one number per unit, the same units in the same order. Raises as `headline` does.
    """
    columns = [
        Column(name="method"),
        Column(name=measure, unit=unit, direction=direction, digits=digits),
        Column(name=f"ratio to {peer}", digits=3),
        Column(name="95 % interval of the ratio"),
    ]
    base = np.asarray(values[peer], dtype=float)
    rows: list[list[str | float | None]] = []
    for method, numbers in values.items():
        array = np.asarray(numbers, dtype=float)
        if method == peer:
            rows.append([method, float(array.mean()), 1.0, None])
        else:
            interval = paired_ratio(array, base, seed=seed, unit=resampled)
            rows.append([method, float(array.mean()), float(array.sum() / base.sum()), _bounds(interval)])
    explained = f"Intervals: paired bootstrap over {base.size} {resampled}."
    return Table(title=title, columns=columns, rows=rows, caption=f"{caption} {explained}".strip())


def _bounds(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"
