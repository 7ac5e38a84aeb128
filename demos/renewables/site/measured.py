"""Measured weather as it is known at an instant: features for forecasts of the plant's power.

Weather has a step of its own. A value counts from the end of its interval on, never before, and only until the end of
the next one, so that a gap in the file is a gap in the features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from demos.renewables.site.clear_sky import clear_sky

if TYPE_CHECKING:
    from demos.renewables.site.load import Site

# Irradiance is told as a share of what a cloudless sky would give; diffuse light, which clouds make, of all of that.
CLEAR = {"ghi": "ghi", "poa_global": "poa_global", "dni": "dni", "dhi": "ghi"}
LEAST_CLEAR = 20.0  # W/m2: below that clear-sky irradiance the share is only noise
LOW_SUN = 5.0  # deg: so it is below that elevation
MOST = 2.0  # cloud edges lift irradiance above a clear sky, but not by more


def measured_weather(site: Site, known_at: pd.DatetimeIndex) -> pd.DataFrame:
    """(T, f) what the weather of the site says at T instants, NaN where it is unknown or the sun too low.

    Of each irradiance the clear-sky index of the last interval that has ended, 0 to 2, its mean over the last hour and
    its change since an hour before ("ghi_index", "ghi_index_1h", "ghi_trend_1h"); other columns as they are. Nothing
    that ends after the instant enters. site: with weather.
    """
    weather = site.weather
    assert weather is not None
    step = weather.index[1] - weather.index[0]
    middle = weather.index + (step / 2 if site.interval_label == "left" else pd.Timedelta(0))
    sky, sun = clear_sky(site, middle)
    high = sun["apparent_elevation"].to_numpy() > LOW_SUN
    hour = max(1, round(pd.Timedelta(hours=1) / step))
    table = {}
    for name, values in weather.items():
        if name not in CLEAR:
            table[str(name)] = values.to_numpy(dtype=float)
            continue
        clear = sky[CLEAR[str(name)]].to_numpy()
        lit = high & (clear > LEAST_CLEAR)
        index = pd.Series(np.where(lit, values.to_numpy(dtype=float) / np.where(lit, clear, 1.0), np.nan)).clip(0, MOST)
        table[f"{name}_index"] = index.to_numpy()
        table[f"{name}_index_1h"] = index.rolling(hour, min_periods=1).mean().to_numpy()
        table[f"{name}_trend_1h"] = (index - index.shift(hour)).to_numpy()
    return _as_known(pd.DataFrame(table), middle + step / 2, step, known_at)


def _as_known(table: pd.DataFrame, ends: pd.DatetimeIndex, step: pd.Timedelta, at: pd.DatetimeIndex) -> pd.DataFrame:
    """The last row that has ended at each instant; NaN before the first and when the next should have ended too."""
    # Whole nanoseconds: the two indices may have been read in different units.
    end, now = ends.as_unit("ns").asi8, at.as_unit("ns").asi8
    last = np.searchsorted(end, now, side="right") - 1
    fresh = (last >= 0) & (now - end[last.clip(0)] < step.value)
    known = table.iloc[last.clip(0)].reset_index(drop=True)
    known.loc[~fresh] = np.nan
    return known
