"""A plant with its power and weather, checked: the user's own, or the embedded one.

load_site(SiteConfig(power="mine.csv", latitude=52.5, longitude=13.4, capacity=9.8, timezone="Europe/Berlin"))
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from demos.renewables.site import system_50
from demos.renewables.site.against_sun import Clock, Declared, find_clock
from demos.renewables.site.checks import check_rows
from demos.renewables.site.config import SiteConfig
from demos.renewables.site.finding import Finding, refuse, when
from demos.renewables.site.grid import regular
from demos.renewables.site.table import read_power, read_weather

# What weather can be on Earth, in pvlib's units; outside it is another unit or another column.
PLAUSIBLE = {
    "ghi": (-20.0, 1700.0),
    "dni": (-20.0, 1500.0),
    "dhi": (-20.0, 1100.0),
    "poa_global": (-20.0, 1900.0),
    "temp_air": (-70.0, 60.0),
    "wind_speed": (0.0, 90.0),
}
MOST_APART = 0.01  # share of stamps: a clock set back in autumn writes an hour twice, and weather has no dark
LEAST_LIGHT = 20.0  # W/m2: any day is brighter
IRRADIANCE = ("ghi", "poa_global", "dni", "dhi")


@dataclass(frozen=True)
class Site:
    """One plant.

    latitude, longitude, surface_tilt, surface_azimuth: [deg]; capacity_kw: AC [kW]; power: [kW], UTC, regular grid;
    weather: measured at the plant, pvlib names and units, UTC, regular grid of its own step, None where there is none;
    interval_label: of both, "left" (the start of the interval; "right" was turned into it) or "center"; findings: what
    was mended or noted.
    """

    name: str
    latitude: float
    longitude: float
    surface_tilt: float
    surface_azimuth: float
    capacity_kw: float
    power: pd.Series
    weather: pd.DataFrame | None
    interval_label: str
    findings: list[Finding]

    @property
    def step(self) -> pd.Timedelta:
        """Length of an interval of `power`."""
        return self.power.index[1] - self.power.index[0]

    @property
    def to_middle(self) -> pd.Timedelta:
        """From a stamp of `power` to the middle of its interval, where the sun's position is taken."""
        return self.step / 2 if self.interval_label == "left" else pd.Timedelta(0)


def load_site(config: SiteConfig) -> Site:
    """The user's plant, or the embedded PVDAQ system 50 when config.power is null. Raises UserError in one line."""
    if config.power is None:
        return _embedded()
    # The config holds these three whenever it holds `power`.
    assert config.latitude is not None
    assert config.longitude is not None
    assert config.capacity is not None
    rows, findings = read_power(config.power, config.timezone)
    declared = Declared(
        config.latitude,
        config.longitude,
        config.interval_label,
        config.timezone,
        config.mend_offset,
        str(config.power),
    )
    power, more, clock = check_rows(rows["power_kw"], config.capacity, declared)
    findings += more
    tilt, azimuth, assumed = _orientation(config, config.latitude)
    weather = None
    if config.weather is not None:
        same = config.weather.expanduser().resolve() == config.power.expanduser().resolve()
        # What is wrong with the clock of one file is wrong in all its columns, and is said once.
        weather, of_weather = _weather(config.weather, declared, clock if same else Clock())
        findings += [replace(one, message=f"weather: {one.message}") for one in of_weather if one not in findings]
    return Site(
        name=config.name,
        latitude=config.latitude,
        longitude=config.longitude,
        surface_tilt=tilt,
        surface_azimuth=azimuth,
        capacity_kw=config.capacity,
        power=_left(power, config.interval_label),
        weather=None if weather is None else _left(weather, config.interval_label),
        interval_label="center" if config.interval_label == "center" else "left",
        findings=findings + assumed,
    )


def _embedded() -> Site:
    power, findings = system_50.mended_system_50()
    return Site(
        name=system_50.NAME,
        latitude=system_50.LATITUDE,
        longitude=system_50.LONGITUDE,
        surface_tilt=system_50.TILT,
        surface_azimuth=system_50.AZIMUTH,
        capacity_kw=system_50.CAPACITY_KW,
        power=power,
        weather=None,
        interval_label=system_50.INTERVAL_LABEL,
        findings=findings,
    )


def _orientation(config: SiteConfig, latitude: float) -> tuple[float, float, list[Finding]]:
    """As given; else facing the equator, tilted by the latitude but at most 35 deg, and a note that says so."""
    tilt = min(abs(latitude), 35.0) if config.tilt is None else config.tilt
    azimuth = (180.0 if latitude >= 0 else 0.0) if config.azimuth is None else config.azimuth
    missing = [name for name in ("tilt", "azimuth") if getattr(config, name) is None]
    if not missing:
        return tilt, azimuth, []
    text = f"{' and '.join(missing)} not given; assumed tilt {tilt:g}, azimuth {azimuth:g} deg"
    return tilt, azimuth, [Finding("assumed orientation", text, "noted", len(missing))]


def _weather(path: Path, declared: Declared, clock: Clock) -> tuple[pd.DataFrame, list[Finding]]:
    """The weather, checked; clock: what is already known to put its stamps right. Raises UserError."""
    declared = replace(declared, source=str(path))
    rows, findings = read_weather(path, declared.timezone)
    _refuse_implausible(rows, declared.source)
    table, more = regular(rows, declared.interval_label, declared.source, most_apart=MOST_APART)
    findings += more
    table = clock.mended(table)
    light = [name for name in IRRADIANCE if name in table]
    table[light] = table[light].clip(lower=0.0)
    if light:
        found, more = find_clock(table[light[0]], declared)
        table = found.mended(table)
        findings += more
    if table.isna().any(axis=None):
        shares = ", ".join(f"{name} {share:.1%}" for name, share in table.isna().mean().items() if share)
        text = f"not known: {shares} of the time; kept as unknown"
        findings.append(Finding("gaps", text, "noted", int(table.isna().any(axis=1).sum())))
    return table, findings


def _refuse_implausible(rows: pd.DataFrame, source: str) -> None:
    for name in rows:
        low, high = PLAUSIBLE[str(name)]
        values = rows[name]
        wrong = (values < low) | (values > high)
        if not values.notna().any():
            refuse(source, "no values", f"every value of {name} is empty; leave the column out", len(values))
        if wrong.any():
            at = int(wrong.to_numpy().argmax())
            text = f"{name} is {values.iloc[at]:g} at {when(rows.index[at])}, outside {low:g} to {high:g}"
            hint = "; pvlib's unit is C, not K" if name == "temp_air" and values.median() > 150 else "; check the unit"
            refuse(source, "implausible weather", text + hint, int(wrong.sum()), when(rows.index[at]))
        if name in IRRADIANCE and values.max() < LEAST_LIGHT:
            text = f"{name} never exceeds {values.max():g}; its unit is W/m2, not kW/m2, or the sensor is dead"
            refuse(source, "implausible weather", text, len(values))


def _left(table: Any, interval_label: str) -> Any:
    """Stamps at the start of the interval, from stamps at its end."""
    if interval_label != "right":
        return table
    return table.set_axis(table.index - (table.index[1] - table.index[0]))
