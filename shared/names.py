"""The nearest valid name, for errors about a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str], most: int = 8) -> str:
    """The tail of an error line: the nearest name, or the first few when none is near.

    >>> did_you_mean("stand", ["stands", "search"])
    '; did you mean "stands"?'
    >>> did_you_mean("xyz", ["stands", "search"])
    '; known: stands, search'
    """
    names = list(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if not near:
        # A key in the wrong section: `buffer` or `plan.buffer` for `forecast.buffer`.
        last = {name.rsplit(".", 1)[-1]: name for name in reversed(names)}
        close = difflib.get_close_matches(given.rsplit(".", 1)[-1], list(last), n=1, cutoff=0.75)
        near = [last[name] for name in close]
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known: {', '.join(names[:most])}{', …' if len(names) > most else ''}" if names else ""
