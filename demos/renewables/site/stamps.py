"""Stamps of a table to UTC: zones, the hour that autumn repeats and the hour that spring skips."""

from __future__ import annotations

import numpy as np
import pandas as pd

from demos.renewables.site.clock import zone_of
from demos.renewables.site.finding import Finding, refuse


def to_utc(
    times: pd.DatetimeIndex, values: pd.DataFrame, timezone: str | None, source: str
) -> tuple[pd.DatetimeIndex, list[Finding]]:
    """UTC stamps in the order of the file; NaT marks a row that must be left out.

    times: stamps as read, with or without a zone; values: the rows beside them, to see what a doubtful row holds;
    timezone: IANA name or fixed offset for stamps without a zone.
    Raises Refusal when stamps have no zone and none is given, when a repeated hour cannot be told apart, and when the
    hour that spring skips holds values.
    """
    if times.tz is not None:
        return times.tz_convert("UTC"), []
    if timezone is None:
        refuse(
            source,
            "no time zone",
            f"stamps have no time zone (row 1: {times[0]}); write them with an offset, such as {times[0]}+00:00,"
            " or set timezone, such as site.timezone=Europe/Berlin or site.timezone=-07:00",
            len(times),
            "row 1",
        )
    zone = zone_of(timezone)
    placed = times.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if not placed.isna().any():
        return placed.tz_convert("UTC"), []
    twice = np.asarray(times.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna())
    findings = _skipped(times, values, np.asarray(placed.isna()) & ~twice, timezone, source)
    summer, keep, more = _repeated(times, values, twice, timezone, source)
    resolved = times.tz_localize(zone, ambiguous=summer, nonexistent="NaT").tz_convert("UTC")
    return pd.DatetimeIndex(resolved.where(keep)), findings + more


def _skipped(
    times: pd.DatetimeIndex, values: pd.DataFrame, rows: np.ndarray, timezone: str, source: str
) -> list[Finding]:
    if not rows.any():
        return []
    held = rows & values.notna().any(axis=1).to_numpy()
    if held.any():
        at = int(held.argmax())
        refuse(
            source,
            "hour that does not exist",
            f"row {at + 1}: {times[at]} does not exist in {timezone}, where clocks skip that hour, but holds values"
            f" (such rows: {int(held.sum())}); if the clock keeps standard time, set timezone to a fixed offset, such"
            " as site.timezone=+01:00",
            int(held.sum()),
            f"row {at + 1}",
        )
    at = int(rows.argmax())
    text = f"empty rows in the hour that {timezone} skips in spring left out: {int(rows.sum())}, first row {at + 1}"
    return [Finding("hour that does not exist", text, "mended", int(rows.sum()), f"row {at + 1}")]


def _repeated(
    times: pd.DatetimeIndex, values: pd.DataFrame, twice: np.ndarray, timezone: str, source: str
) -> tuple[np.ndarray, np.ndarray, list[Finding]]:
    """(which rows are summer time, which rows stay, findings) for the hour that autumn repeats."""
    summer, keep = np.zeros(len(times), dtype=bool), np.ones(len(times), dtype=bool)
    if not twice.any():
        return summer, keep, []
    in_order = bool(times[~twice].is_monotonic_increasing)
    once, resolved = 0, 0
    rows = pd.Series(np.flatnonzero(twice), index=times[twice])
    for stamp, group in rows.groupby(level=0):
        at = group.to_numpy()
        alike = len(values.iloc[at].drop_duplicates()) == 1
        if len(at) == 1:
            keep[at], once = False, once + 1
        elif alike or (len(at) == 2 and in_order):
            # The first of two is summer time, whether the file lists the hour twice or each stamp twice.
            summer[at[0]], keep[at[2:]], resolved = True, False, resolved + 1
        else:
            refuse(
                source,
                "hour that occurs twice",
                f"row {at[0] + 1}: {stamp} occurs twice in {timezone} at the end of daylight saving and the order of"
                f" the {len(at)} rows does not tell which is which; sort the file by true time or write stamps with"
                " an offset",
                len(at),
                f"row {at[0] + 1}",
            )
    first = f"row {int(twice.argmax()) + 1}"
    where = f"in the hour that {timezone} repeats in autumn"
    found = []
    if resolved:
        found.append(("told apart by their order, summer time first", resolved))
    if once:
        found.append(("there only once and left empty, as nothing tells which pass they are", once))
    return (
        summer,
        keep,
        [
            Finding("hour that occurs twice", f"stamps {where} {text}: {count}, first {first}", "mended", count, first)
            for text, count in found
        ],
    )
