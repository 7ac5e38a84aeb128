"""A small contest: two plants, a few weeks, made by formula, with the columns of the real one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from demos.renewables.forecast import gefcom


@pytest.fixture(scope="session")
def contest() -> tuple[pd.DataFrame, pd.DataFrame]:
    """(train, test): synthetic rows in which power is clearness times clear sky, with noise that grows with cloud."""
    random = np.random.default_rng(0)
    frames = []
    ends = pd.date_range("2013-01-01 01:00", periods=24 * 40, freq="h", tz="UTC")
    sky = gefcom.clear_sky(ends)
    for number, site in enumerate(("North", "South")):
        clearness = np.repeat(random.uniform(0.2, 1.0, 40), 24)
        noise = 0.25 * (1 - clearness) * random.uniform(-1, 1, len(ends))
        frames.append(
            sky.assign(
                site=site,
                issue_time=ends - pd.to_timedelta(np.tile(np.arange(24), 40), unit="h"),
                valid_time=ends,
                ghi=clearness * sky["ghi_clear"],
                clearness=clearness,
                temp_air=20.0,
                is_site_1=float(number == 0),
                power=((clearness + noise).clip(0) * sky["ghi_clear"] / 1100).clip(0, 1),
                scale=np.maximum(sky["ghi_clear"] / 1000, 0.02),
                daylight=sky["elevation"] > 0,
            )
        )
    rows = pd.concat(frames, ignore_index=True)
    cut = rows["issue_time"] < pd.Timestamp("2013-01-31", tz="UTC")
    return rows[cut & (rows["ghi_clear"] > 0)], rows[~cut & (rows["ghi_clear"] > 0)]
