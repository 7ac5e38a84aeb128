"""What is learned of a PV system on its training days: tilt, azimuth, size, and the table over the sun's position."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pvlib
from scipy.optimize import least_squares

from demos.renewables.faults.config import PvDetectorConfig
from demos.renewables.faults.days import fit_effects, logged
from demos.renewables.faults.pv import (
    ALBEDO,
    AZIMUTH_STEP,
    COLUMNS,
    ELEVATION_STEP,
    ROWS,
    PvSite,
    expected,
    haurwitz,
    sun,
)
from shared.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.renewables.faults.config import PvConfig

LEAST_CLEAR = 50  # samples under a clear sky, without which tilt and azimuth are guesses
PRIOR = 8.0  # clear samples that a cell of the table needs before its own median counts half


def fit_site(stream: pd.DataFrame, config: PvConfig, detector: PvDetectorConfig | None = None) -> PvSite:
    """Learn a PvSite from training samples alone.

    stream: columns seconds (start of the interval, s since 1970 UTC), power [W], ghi [W/m2], temp_air [deg C], whose
    NaN are left out, and dni [W/m2], NaN where unknown. Tilt, azimuth and power at standard conditions by robust least
    squares on clear samples, with pvlib; then the table over the sun's position; then, by day, the effects of what is
    left of the weather, with `detector` saying what a clear day is.
    Raises UserError when there are too few samples under a clear sky.
    """
    data = stream.dropna(subset=["power", "ghi", "temp_air"])
    if data.empty:
        raise UserError("faults.split.pv_from: no row before it has power, ghi and temp_air all there")
    middle = data.seconds.to_numpy() + 30.0 * config.minutes
    position = np.array([sun(at, config.latitude, config.longitude) for at in middle])
    elevation, azimuth = position[:, 0], position[:, 1]
    clear_sky = np.array([haurwitz(float(value)) for value in np.sin(np.radians(elevation))])
    power, ghi = data.power.to_numpy(), data.ghi.to_numpy()
    up = elevation > 12
    if not up.any():
        raise UserError("faults.split.pv_from: the sun never rises above 12 degrees in the rows before it")
    month = (middle / 86400.0 % 365.2425 / 30.4369).astype(int)
    scale = _clear_scale(ghi[up] / clear_sky[up], month[up])
    clear = up & (ghi / np.maximum(scale[month] * clear_sky, 1) > 0.93) & (power > 0.02 * config.nameplate)
    if clear.sum() < LEAST_CLEAR:
        raise UserError(
            f"faults.split.pv_from: {int(clear.sum())} samples under a clear sky before it; at least {LEAST_CLEAR} are"
            " needed to learn the system's tilt and azimuth"
        )
    used = pd.DataFrame(
        {
            "elevation": elevation,
            "azimuth": azimuth,
            "ghi": ghi,
            "dni": data.dni.to_numpy(),
            "temp_air": data.temp_air.to_numpy(),
            "power": power,
        },
        index=pd.to_datetime(middle, unit="s", utc=True),
    )[clear]
    tilt, facing, size = _geometry(used, config)
    site = PvSite(
        latitude=config.latitude,
        longitude=config.longitude,
        surface_tilt=tilt,
        surface_azimuth=facing,
        nameplate=config.nameplate,
        power_at_stc=size,
        gamma=config.gamma,
        clear_scale=tuple(scale.tolist()),
    )
    site = replace(site, correction=_table(site, used, middle[clear]))
    detector = detector or PvDetectorConfig()
    days = logged(data, site, detector, config.minutes)
    return replace(site, effects=fit_effects(days, detector.day_full))


def _clear_scale(ratio: NDArray[np.float64], month: NDArray[np.int64]) -> NDArray[np.float64]:
    """Clear-sky irradiance over Haurwitz' by month: the 85 % quantile, of all months where one has few samples."""
    usual = float(np.quantile(ratio, 0.85))
    here = [ratio[month == number] for number in range(12)]
    return np.array([float(np.quantile(values, 0.85)) if len(values) >= 200 else usual for values in here])


def _geometry(used: pd.DataFrame, config: PvConfig) -> tuple[float, float, float]:
    zenith, azimuth, ghi = 90 - used.elevation, used.azimuth, used.ghi
    extra = pvlib.irradiance.get_extra_radiation(used.index)
    parts = pvlib.irradiance.erbs(ghi, zenith, used.index)
    dni = used.dni.fillna(parts["dni"])
    dhi = (ghi - dni * np.cos(np.radians(zenith))).clip(lower=0.0)
    power = used.power.to_numpy() / config.nameplate

    def residual(guess: NDArray[np.float64]) -> NDArray[np.float64]:
        tilt, facing, size = guess
        angle = pvlib.irradiance.aoi(tilt, facing, zenith, azimuth)
        sky = pvlib.irradiance.haydavies(tilt, facing, dhi, dni, extra, zenith, azimuth)
        beam = np.maximum(np.cos(np.radians(angle)), 0) * dni.to_numpy()
        poa = (beam + sky + pvlib.irradiance.get_ground_diffuse(tilt, ghi, ALBEDO)).to_numpy()
        cell = used.temp_air.to_numpy() + poa * 0.0375
        return np.asarray(size * poa / 1000 * (1 + config.gamma * (cell - 25)) - power)

    facing = 180.0 if config.latitude >= 0 else 0.0
    found = least_squares(residual, [30.0, facing, 1.0], loss="soft_l1", f_scale=0.02)
    tilt, azimuth_found, size = found.x
    return float(tilt), float(azimuth_found % 360), float(size * config.nameplate)


def _table(site: PvSite, used: pd.DataFrame, middle: NDArray[np.float64]) -> tuple[float, ...]:
    """Median of measured to expected around each node of the table, drawn to 1 where there are few samples."""
    model = np.array(
        [
            expected(site, at, ghi, temp, dni).power
            for at, ghi, temp, dni in zip(middle, used.ghi, used.temp_air, used.dni, strict=True)
        ]
    )
    ratio = used.power.to_numpy() / np.maximum(model, 1.0)
    table = np.ones((ROWS, COLUMNS))
    for row in range(ROWS):
        near_row = np.abs(used.elevation.to_numpy() / ELEVATION_STEP - row) < 1
        for column in range(COLUMNS):
            apart = np.abs(used.azimuth.to_numpy() / AZIMUTH_STEP - column)
            near = near_row & (np.minimum(apart, COLUMNS - apart) < 1)
            if count := int(near.sum()):
                table[row, column] = (count * np.median(ratio[near]) + PRIOR) / (count + PRIOR)
    return tuple(np.clip(table, 0.3, 1.3).ravel().tolist())
