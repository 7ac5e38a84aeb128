"""Numbers as people read them, the same in the terminal and in reports."""

from __future__ import annotations

import math

from shared.result import Headline, Interval, Table

DASH = "–"


def number(value: float | None, digits: int | None = None) -> str:
    """A number with thousands separators: `digits` decimals, or about four significant digits.

    >>> number(336776), number(0.04567), number(12.345), number(3.14159, 2), number(None)
    ('336,776', '0.04567', '12.35', '3.14', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if digits is None:
        if value != 0 and not 1e-4 <= abs(value) < 1e15:
            return f"{value:.3g}".replace("-", "−")
        digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:,.{digits}f}"
    return text.replace("-", "−")


def cell(value: str | float | None, digits: int = 1) -> str:
    """A table cell: text as it is, whole numbers without decimals."""
    if isinstance(value, str):
        return value
    return number(value, 0 if isinstance(value, int) else digits)


def with_unit(value: float | None, unit: str) -> str:
    """`12.35 min`; a percent sign and a times sign keep the same space."""
    return f"{number(value)} {unit}".strip()


def ratio(value: float, peer: float) -> float | None:
    """value / peer, or None where the peer is zero."""
    return value / peer if peer else None


def beside_peer(headline: Headline) -> str:
    """`0.83 × (better)`: how a headline stands to its peer; points, whose zero is a peer already, as a difference."""
    if headline.unit == "points":
        found = f"{headline.value - headline.peer_value:+.2f} points".replace("-", "−")
    else:
        share = ratio(headline.value, headline.peer_value)
        if share is None:
            return DASH
        found = f"{number(share, 2)} ×"
    if headline.direction == "none" or headline.value == headline.peer_value:
        return found
    better = (headline.value < headline.peer_value) == (headline.direction == "lower")
    return f"{found} ({'better' if better else 'worse'})"


def interval_text(interval: Interval | None, unit: str = "") -> str:
    """`[11.2, 13.4] min, 95 %, 31 days` or an empty string."""
    if interval is None:
        return ""
    bounds = f"[{number(interval.low)}, {number(interval.high)}] {unit}".strip()
    return f"{bounds}, {number(100 * interval.level)} % interval over {interval.unit}"


def is_text(table: Table, index: int) -> bool:
    """Whether a column holds words: the first one, and those without any number."""
    return index == 0 or not any(isinstance(row[index], int | float) for row in table.rows)


def best_rows(table: Table, index: int) -> set[int]:
    """Rows that hold the best number of a column; empty when the column has no direction or nothing to choose."""
    column = table.columns[index]
    numbers = {place: row[index] for place, row in enumerate(table.rows) if isinstance(row[index], int | float)}
    values = {place: float(value) for place, value in numbers.items() if not isinstance(value, str | None)}
    if column.direction == "none" or len(values) < 2 or len(set(values.values())) == 1:
        return set()
    best = min(values.values()) if column.direction == "lower" else max(values.values())
    return {place for place, value in values.items() if value == best}
