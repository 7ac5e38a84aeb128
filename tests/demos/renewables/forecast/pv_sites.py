"""Made-up PV plants, with and without clouds, and settings small enough for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from demos.renewables.forecast import intraday
from demos.renewables.forecast.horizons import Case
from demos.renewables.forecast.horizons_config import LEARNERS, EtsConfig, IntradayConfig, NgboostConfig
from demos.renewables.forecast.models_config import NetworkConfig, TreesConfig
from demos.renewables.forecast.plant import effective_irradiance
from demos.renewables.site.load import Site

CAPACITY = 5.0
SMALL = IntradayConfig(
    horizons=(15, 60),
    test_from=date(2021, 6, 21),
    learners=LEARNERS,
    trees=TreesConfig(rounds=10, leaves=4, min_leaf=20, levels=(0.1, 0.5, 0.9)),
    network=NetworkConfig(members=1, hidden=16, layers=1, epochs=2, batch=64),
    ngboost=NgboostConfig(rounds=5, row_share=1.0),
    ets=EtsConfig(window=200, refit_every=100),
)


def a_site(cloud: Any = 1.0, days: int = 30, label: str = "center", step: str = "15min") -> Site:
    """Power of 0.8 kW for each kW/m2 in the modules, times `cloud`."""
    stamps = pd.date_range(
        "2021-06-01", periods=days * int(pd.Timedelta("1D") / pd.Timedelta(step)), freq=step, tz="UTC"
    )
    dark = Site("made up", 40.0, -105.0, 30.0, 180.0, CAPACITY, pd.Series(0.0, stamps), None, label, [])
    light, _ = effective_irradiance(dark)
    return replace(dark, power=pd.Series(0.8 * CAPACITY * light * cloud, stamps))


def clouds(days: int = 30, seed: int = 3) -> Any:
    """A factor that is often 1 and sometimes wanders below, 15-minute intervals."""
    draws = np.random.default_rng(seed)
    wander = np.zeros(days * 96)
    for at in range(1, len(wander)):
        wander[at] = 0.95 * wander[at - 1] + draws.normal(0, 0.15)
    return np.clip(1 - np.maximum(wander, 0), 0.05, 1.0)


def serial(label: str, function: Any, items: Any) -> list[Any]:
    return [function(item) for item in items]


def forecast(site: Site, config: IntradayConfig = SMALL) -> list[Case]:
    return intraday.forecast_site(site, config, own=True, seed=0, device="cpu", mapped=serial)
