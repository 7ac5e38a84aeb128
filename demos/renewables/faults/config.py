"""Settings of the faults chapter: whose streams, which months are learned from, thresholds, injected faults."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field, model_validator

from shared.config import Section


class DataConfig(Section):
    """Your own streams instead of the embedded ones."""

    pv: Path | None = Field(
        None, description="PV stream, CSV or Parquet: time, power [W], ghi [W/m2], temp_air [degC]; null = system 50"
    )
    wind: Path | None = Field(
        None, description="wind farm, CSV or Parquet: time, turbine, power [kW], wind_speed ...; null = La Haute Borne"
    )
    events: Path | None = Field(
        None, description="your labelled events, a YAML file in the form of events.yaml; null = the embedded list"
    )


class SplitConfig(Section):
    """What is learned from and what is held out, by time. What lies before is training."""

    pv_from: date = Field(date(2013, 1, 1), description="first held-out day of the PV stream, UTC")
    wind_from: date = Field(date(2015, 7, 1), description="first held-out day of the wind farm, UTC")
    mast_from: date = Field(date(2017, 1, 1), description="first held-out day of the met mast, UTC")


class PvConfig(Section):
    """The PV system whose stream is watched. Tilt and azimuth are learned from the training days."""

    latitude: float = Field(39.742, ge=-66, le=66, description="degrees north, -66 to 66")
    longitude: float = Field(-105.173, ge=-180, le=180, description="degrees east, -180 to 180")
    nameplate: float = Field(3400.0, gt=0, description="AC nameplate [W], above 0; that of system 50 is inferred")
    gamma: float = Field(-0.004, ge=-0.01, le=0, description="power per kelvin of cell temperature [1/K], -0.01 to 0")
    minutes: float = Field(15.0, ge=1, le=60, description="length of an interval [min], 1 to 60")


class WindConfig(Section):
    """The wind farm whose stream is watched."""

    rated: float = Field(2050.0, gt=0, description="rated power of a turbine [kW], above 0")
    minutes: float = Field(10.0, ge=1, le=60, description="length of an interval [min], 1 to 60")


class PvDetectorConfig(Section):
    """Thresholds of the PV detector, set on training days (how: README)."""

    least_expected: float = Field(0.1, gt=0, lt=1, description="judged above this share of the nameplate, 0 to 1")
    least_elevation: float = Field(
        15.0, ge=5, le=60, description="sun at least this high in clear samples [deg], 5 to 60"
    )
    clear_index: float = Field(0.93, gt=0, le=1.2, description="clear-sky index of a clear sample, 0 to 1.2")
    cold: float = Field(1.0, ge=-20, le=10, description="air [degC] below which snow is thought of, -20 to 10")
    cold_hours: float = Field(72.0, ge=0, le=480, description="for how long after it [h], 0 to 480")
    rearm_hours: float = Field(20.0, ge=1, le=240, description="a fault is raised anew when away so long [h], 1 to 240")
    dead_power: float = Field(0.001, gt=0, lt=0.1, description="no power: below this share of the nameplate, 0 to 0.1")
    alive_samples: int = Field(6, ge=1, le=100, description="samples of normal power that end a trip, 1 to 100")
    trip_samples: int = Field(3, ge=1, le=20, description="samples in a row without power that are a trip, 1 to 20")
    snow_ratio: float = Field(0.3, gt=0, lt=1, description="measured over expected below which it may be snow, 0 to 1")
    snow_samples: int = Field(10, ge=2, le=100, description="such samples in a row, after frost, 2 to 100")
    stuck_tolerance: float = Field(0.0003, ge=0, lt=0.01, description="relative change that is none, 0 to 0.01")
    stuck_repeats: int = Field(4, ge=2, le=50, description="changes in a row that are none, 2 to 50")
    cap_width: float = Field(0.006, gt=0, lt=0.1, description="relative width of a flat top, 0 to 0.1")
    cap_excess: float = Field(1.06, gt=1, le=2, description="expected power over the flat top, at least, 1 to 2")
    cap_samples: int = Field(4, ge=2, le=50, description="samples on the flat top of a day, 2 to 50")
    string_samples: int = Field(12, ge=4, le=96, description="clear samples in the string window, 4 to 96")
    string_days: float = Field(5.0, gt=0, le=30, description="longest time they may span [days], 0 to 30")
    string_drop: float = Field(0.15, gt=0, lt=1, description="loss of their median against the usual level, 0 to 1")
    string_spread: float = Field(0.06, gt=0, lt=1, description="largest median deviation of their log ratios, 0 to 1")
    steady: float = Field(0.03, gt=0, lt=1, description="largest step of the log ratio in a day's median, 0 to 1")
    day_clear_index: float = Field(0.95, gt=0, le=1.2, description="clear-sky index of a sample for the day's median")
    day_samples: int = Field(2, ge=1, le=96, description="such samples that make a day count, 1 to 96")
    day_full: float = Field(24.0, ge=1, le=96, description="such samples with which it counts fully, 1 to 96")
    day_noise: float = Field(
        0.09, gt=0, le=1, description="spread of one clear sample by weather and haze (log), 0 to 1"
    )
    day_clip: float = Field(2.5, ge=0.5, le=10, description="a day's surprise counts up to so many spreads, 0.5 to 10")
    wander: float = Field(0.012, gt=0, le=0.2, description="slow spread of a healthy system's days (log), 0 to 0.2")
    wander_days: float = Field(22.0, ge=1, le=365, description="over which it forgets itself [days], 1 to 365")
    level_weight: float = Field(0.6, gt=0, le=1, description="weight of a full day in the moving level, 0 to 1")
    level_step: float = Field(0.04, gt=0, le=1, description="how far one day may pull it down (log), 0 to 1")
    level_step_up: float = Field(0.03, gt=0, le=1, description="how far one day may pull it up (log), 0 to 1")
    level_outlier: float = Field(0.2, gt=0, le=2, description="days further from the level are left out (log), 0 to 2")
    soiling_evidence: float = Field(
        1.05, gt=0, le=50, description="log likelihood ratio at which soiling is raised, 0 to 50"
    )
    soiling_window: int = Field(60, ge=5, le=365, description="days on which it may have begun, 5 to 365")
    soiling_slowest: float = Field(0.001, gt=0, le=0.1, description="slowest loss looked for (log a day), 0 to 0.1")
    soiling_fastest: float = Field(0.006, gt=0, le=0.1, description="fastest loss looked for (log a day), 0 to 0.1")
    drift_rise: float = Field(0.05, gt=0, lt=0.5, description="level above which drift is raised (log), 0 to 0.5")


class WindDetectorConfig(Section):
    """Thresholds of the turbine and mast detectors, set on training months (how: README)."""

    least_expected: float = Field(0.1, gt=0, lt=1, description="trips are judged above this share of rated, 0 to 1")
    least_second: float = Field(
        0.05, gt=0, lt=1, description="and the lower of own and neighbours' wind promises this share, 0 to 1"
    )
    rearm_hours: float = Field(8.0, ge=1, le=240, description="a fault is raised anew when away so long [h], 1 to 240")
    dead_power: float = Field(0.01, gt=0, lt=0.1, description="no power: below this share of rated, 0 to 0.1")
    alive_samples: int = Field(6, ge=1, le=100, description="samples of normal power that end a trip, 1 to 100")
    trip_samples: int = Field(2, ge=1, le=20, description="samples in a row without power that are a trip, 1 to 20")
    stuck_repeats: int = Field(3, ge=2, le=50, description="equal steps in a row of a stuck channel, 2 to 50")
    temp_repeats: int = Field(6, ge=2, le=500, description="the same for temperature, whose steps are 0.1 K, 2 to 500")
    temp_moved: float = Field(1.0, ge=0, le=20, description="while the neighbours' moved so far [K], 0 to 20")
    cap_width: float = Field(0.01, gt=0, lt=0.1, description="half width of a flat top, share of rated, 0 to 0.1")
    cap_excess: float = Field(1.15, gt=1, le=3, description="expected power over the flat top, at least, 1 to 3")
    cap_samples: int = Field(4, ge=2, le=50, description="samples in a row on the flat top, 2 to 50")
    day_samples: int = Field(24, ge=3, le=150, description="samples in wind that make a day count, 3 to 150")
    level_step: float = Field(0.06, gt=0, le=1, description="how far one day may pull the level (log), 0 to 1")
    level_weight: float = Field(0.3, gt=0, le=1, description="weight of a day in the moving level, 0 to 1")
    drift: float = Field(0.04, gt=0, lt=0.5, description="level at which anemometer drift is raised (log), 0 to 0.5")


class FaultsConfig(Section):
    """All of the faults chapter."""

    data: DataConfig = Field(DataConfig(), description="your own streams")
    split: SplitConfig = Field(SplitConfig(), description="training and held-out time")
    pv: PvConfig = Field(PvConfig(), description="the PV system")
    wind: WindConfig = Field(WindConfig(), description="the wind farm")
    pv_detector: PvDetectorConfig = Field(PvDetectorConfig(), description="thresholds of the PV detector")
    wind_detector: WindDetectorConfig = Field(WindDetectorConfig(), description="thresholds of turbines and mast")
    injections: int = Field(200, ge=8, le=5000, description="injected faults of each kind and plant, 8 to 5000")
    training_days: int | None = Field(
        None,
        ge=60,
        le=5000,
        description="last training days, replayed and used to set the peers, 60 to 5000; null = all",
    )
    budget: float = Field(
        1.0, gt=0, le=100, description="false alarms a peer may raise on training [1/system-month], above 0 to 100"
    )
    trees: int = Field(100, ge=10, le=1000, description="trees of the peers' IsolationForest, 10 to 1000")
    timed_samples: int = Field(20000, ge=500, le=10**6, description="samples whose update is timed, 500 to 1e6")

    @model_validator(mode="after")
    def _own_data_own_events(self) -> FaultsConfig:
        own = self.data.pv is not None or self.data.wind is not None
        if self.data.events is not None and not own:
            raise ValueError("faults.data.events is for your own streams: give faults.data.pv or faults.data.wind too")
        return self
