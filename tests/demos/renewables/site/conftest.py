"""Fixtures of the tests of bring-your-own-site."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from tests.demos.renewables.site.plants import PLACES, synthetic


@pytest.fixture(scope="session")
def year() -> Callable[[str], pd.Series]:
    """A year of a place in PLACES, made once."""
    made: dict[str, pd.Series] = {}

    def get(name: str) -> pd.Series:
        if name not in made:
            made[name] = synthetic(PLACES[name])
        return made[name].copy()

    return get
