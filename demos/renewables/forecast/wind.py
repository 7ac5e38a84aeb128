"""Wind power of a farm, hours ahead, from its own SCADA alone: the hourly mean of La Haute Borne (farm.py).

The reference is persistence of the last hour; the last 10 minutes mixed in make a stronger one, whose error is learned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.chapter import Chapter
from demos.renewables.data import haute_borne, used
from demos.renewables.forecast import horizons
from demos.renewables.forecast.farm import HOUR, STEP, Farm, fit_curve, hourly, over_turbines, read_farm
from demos.renewables.forecast.horizons import Case, Scheme
from demos.renewables.forecast.lagged import (
    ETS,
    LEVELS,
    MEDIAN,
    Array,
    EtsJob,
    Learning,
    Prediction,
    Rows,
    Split,
    blended,
    in_season,
    point,
    rolling,
    shift,
    train_all,
)
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from demos.renewables.forecast.horizons_config import WindConfig
    from demos.renewables.forecast.lagged import Mapped
    from shared.demo import Run

REFERENCE, TUNED = "persistence, last hour", "persistence, tuned mix"
CEILING = "perfect-weather ceiling (reanalysis), not a forecast"
LOWEST, HIGHEST = -0.02, 1.02  # share of capacity: own consumption, and a little over rated power
SCHEME = Scheme(
    part="wind",
    measure="MAE",
    reference=REFERENCE,
    stricter=TUNED,
    mask="all hours",
    unit="blocks of days",
    asked={60: 0.15, 180: 0.08, 360: 0.10},
    not_forecasts=(CEILING,),
)


def known_features(farm: Farm) -> pd.DataFrame:
    """(T, f): what is known at the end of each interval, from the SCADA up to it and nothing later."""
    power, speed = farm.total, over_turbines(farm.wind_speed)
    angle = np.radians(farm.direction)
    east, north = rolling(over_turbines(np.sin(angle)), HOUR), rolling(over_turbines(np.cos(angle)), HOUR)
    mean, wind = rolling(power, HOUR), rolling(speed, HOUR)
    temperature = rolling(over_turbines(farm.temp_air), HOUR)
    table = {f"power_{lag}": shift(power, lag) for lag in range(4)}
    table |= {f"power_hour_{lag}": shift(mean, lag * HOUR) for lag in (0, 1, 2, 3, 5)}
    table |= {f"wind_{lag}": shift(speed, lag) for lag in range(3)}
    table |= {f"wind_hour_{lag}": shift(wind, lag * HOUR) for lag in (0, 1, 2, 3, 5)}
    table |= {f"power_of_{number + 1}": rolling(one, HOUR) for number, one in enumerate(farm.power.T)}
    for hours in (3, 6, 24):
        table[f"power_{hours}h"], table[f"wind_{hours}h"] = rolling(power, hours * HOUR), rolling(speed, hours * HOUR)
    for hours in (1, 3):
        table[f"power_spread_{hours}h"] = rolling(power, hours * HOUR, "std")
        table[f"wind_spread_{hours}h"] = rolling(speed, hours * HOUR, "std")
        table[f"power_trend_{hours}h"] = mean - shift(mean, hours * HOUR)
        table[f"wind_trend_{hours}h"] = wind - shift(wind, hours * HOUR)
        # Sine of the angle turned: positive when the wind veers.
        table[f"veer_{hours}h"] = east * shift(north, hours * HOUR) - north * shift(east, hours * HOUR)
        table[f"temp_trend_{hours}h"] = temperature - shift(temperature, hours * HOUR)
    table["direction_east"], table["direction_north"], table["temp_air"] = east, north, temperature
    table["pitch"] = rolling(over_turbines(farm.pitch), HOUR)
    stopped = np.where((farm.power < 0.005) & (farm.wind_speed > 5.0), 1.0, 0.0)
    table["stopped"] = rolling(over_turbines(np.where(np.isfinite(farm.power), stopped, np.nan)), HOUR)
    return pd.DataFrame(table)


def make_split(farm: Farm, config: WindConfig) -> Split:
    """Where the test begins and ends. Raises UserError when that is not inside the data."""
    start, end = pd.Timestamp(config.test_from, tz="UTC"), pd.Timestamp(config.test_until, tz="UTC")
    if not farm.start[0] < start < min(end, farm.end[-1]):
        raise UserError(f"forecast.wind: a test from {start:%Y-%m-%d} to {end:%Y-%m-%d} does not lie in 2014 and 2015")
    return Split(start, end)


def make_rows(farm: Farm, hours: int, known: pd.DataFrame, config: WindConfig, split: Split) -> Rows:
    """All rows of one horizon: the mean of the hour that ends `hours` after the issue, known and last hour known."""
    steps, power = hours * HOUR, farm.total
    issue = np.arange(len(power) - steps)
    mean = hourly(power)
    usable = np.isfinite(mean[issue]) & np.isfinite(mean[issue + steps])
    minutes = (farm.end - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(minutes=1)
    clock = np.asarray(minutes, dtype=np.int64)[issue]
    train = usable & (farm.end[issue + steps] <= split.start) & (clock % config.train_every == 0)
    test = usable & (farm.end[issue] >= split.start) & (farm.end[issue + steps] <= split.end)
    test &= clock % (60 * config.issue_every) == 0
    kept = train | test
    issue, train, test = issue[kept], train[kept], test[kept]
    for part, name in ((train, "learn from"), (test, "test on")):
        if part.sum() < 200:
            raise UserError(f"forecast.wind: {int(part.sum())} rows to {name} at {hours} h; needed are at least 200")
    target = mean[issue + steps]
    anchor = _mixed(power[issue], mean[issue], target, train)
    features = known.iloc[issue].reset_index(drop=True)
    middle = farm.end[issue + steps] - pd.Timedelta(minutes=30)
    hour, season = 2 * np.pi * middle.hour / 24, 2 * np.pi * middle.day_of_year / 365.25
    features["hour_cos"], features["hour_sin"] = np.cos(hour), np.sin(hour)
    features["season_cos"], features["season_sin"] = np.cos(season), np.sin(season)
    features["held"] = anchor
    return Rows(f"{hours} h", steps, issue, features, target, anchor, np.ones(len(issue)), train, test)


def _mixed(latest: Array, mean: Array, target: Array, train: NDArray[np.bool_]) -> Array:
    """(n,) the mix of the last 10 minutes and the last hour with the least absolute error on training rows."""
    mixes = [share * latest + (1 - share) * mean for share in np.linspace(0, 1, 11)]
    return min(mixes, key=lambda mix: float(np.abs(mix - target)[train].mean()))


def references(farm: Farm, rows: Rows, split: Split) -> dict[str, Prediction]:
    """What needs no learning machine, for the rows of the test."""
    issue, test = rows.issue, rows.test
    mean, wind = hourly(farm.total), rolling(over_turbines(farm.wind_speed), HOUR)
    before = farm.end <= split.start
    curve = fit_curve(wind[before], mean[before])
    speed = np.where(np.isfinite(wind[issue]), wind[issue], np.nanmean(wind[before]))
    return {
        REFERENCE: point(mean[issue[test]]),
        TUNED: point(rows.anchor[test]),
        "power curve on persisted wind": point(curve.power(speed)[test]),
        "climatology": _climatology(farm.end - STEP, rows),
    }


def _climatology(stamps: pd.DatetimeIndex, rows: Rows) -> Prediction:
    """Hourly power of the training time within an hour of this hour and within 30 days of the season."""
    valid = stamps[rows.valid]
    hour, day = np.asarray(valid.hour), np.asarray(valid.day_of_year)
    target, train = rows.target[rows.train], rows.train
    mean, quantiles = np.empty(rows.test.sum()), np.empty((rows.test.sum(), len(LEVELS)))
    groups = pd.DataFrame({"hour": hour[rows.test], "day": day[rows.test]}).groupby(["hour", "day"]).indices
    for (one, date), at in groups.items():
        near = np.abs((hour[train] - one + 12) % 24 - 12) <= 1
        past = in_season(target[near], day[train][near], date)
        mean[at], quantiles[at] = past.mean(), np.quantile(past, LEVELS)
    return Prediction(mean, quantiles[:, MEDIAN], quantiles)


def with_reanalysis(farm: Farm, rows: Rows, era5: pd.DataFrame) -> Rows:
    """The same rows with ERA5 of the hour that is forecast: what perfect weather forecasts would be worth.

    era5: as `haute_borne("era5")` gives it. It was made years later, from observations of that very hour.
    """
    table = era5.set_index(pd.to_datetime(era5["datetime"], utc=True))[
        ["ws_100m", "u_100", "v_100", "t_2m", "dens_100m"]
    ]
    features = rows.features.copy()
    for name, minutes in (("start", 60), ("end", 0)):
        at = farm.end[rows.valid] - pd.Timedelta(minutes=minutes)
        for column in table:
            features[f"era5_{column}_{name}"] = _at(table[column], at)
    features["era5_now"] = _at(table["ws_100m"], farm.end[rows.issue])
    features["era5_change"] = features["era5_ws_100m_end"] - features["era5_now"]
    return replace(rows, features=features)


def _at(series: pd.Series, times: pd.DatetimeIndex) -> Array:
    zero, second = pd.Timestamp(0, tz="UTC"), pd.Timedelta(seconds=1)
    return np.asarray(np.interp((times - zero) / second, (series.index - zero) / second, series.to_numpy(dtype=float)))


def ets_job(farm: Farm, all_rows: list[Rows], config: WindConfig) -> EtsJob:
    """AutoETS on the 10-minute values that are known, one after the other; a gap is passed over.

    Its forecast of an hour is that of the hour's middle: it is flat or nearly straight over one hour.
    """
    known = np.isfinite(farm.total)
    place = np.cumsum(known) - 1
    origins = [place[rows.issue[rows.test]] for rows in all_rows]
    steps = [np.full(len(one), rows.steps - HOUR // 2 + 1) for one, rows in zip(origins, all_rows, strict=True)]
    least = min(int(one.min()) for one in origins)
    settings = config.ets.model_copy(update={"window": max(100, min(config.ets.window, least))})
    return EtsJob(farm.total[known], origins, steps, [np.ones(len(one)) for one in origins], settings)


def forecast_farm(farm: Farm, config: WindConfig, *, seed: int, device: str, mapped: Mapped) -> list[Case]:
    """All methods at all horizons, on the same rows. mapped: `run.map`. Raises UserError for unusable settings."""
    split, known = make_split(farm, config), known_features(farm)
    every = [make_rows(farm, hours, known, config, split) for hours in config.horizons]
    ets = ets_job(farm, every, config) if ETS in config.learners else None
    extra: list[Learning] = []
    if config.ceiling:
        era5 = haute_borne("era5")
        extra = [Learning("LightGBM", with_reanalysis(farm, rows, era5), config.trees, seed) for rows in every]
    learned = train_all("wind: training", every, config, ets, seed, device, mapped, {CEILING: extra})
    return [_case(farm, rows, one, config, split) for rows, one in zip(every, learned, strict=True)]


def _case(farm: Farm, rows: Rows, learned: dict[str, Prediction], config: WindConfig, split: Split) -> Case:
    """The test rows of one horizon with every method's forecast, the ceiling last."""
    ceiling = {name: one for name, one in learned.items() if name == CEILING}
    forecasts = {name: one for name, one in learned.items() if name != CEILING}
    issue, valid = rows.issue[rows.test], rows.valid[rows.test]
    everything = {**blended(forecasts), **references(farm, rows, split), **ceiling}
    days = np.asarray((farm.end[issue] - split.start) // pd.Timedelta(days=1), dtype=np.int64)
    return Case(
        horizon=rows.horizon,
        minutes=rows.steps * 10,
        issue_time=farm.end[issue],
        valid_time=farm.end[valid],
        y=rows.target[rows.test],
        block=days // config.block_days,
        masks={"all hours": np.ones(len(issue), dtype=bool)},
        predictions={name: one.within(LOWEST, HIGHEST) for name, one in everything.items()},
    )


def run_wind(config: RenewablesConfig, run: Run) -> Chapter:
    """La Haute Borne, hours ahead."""
    from demos.renewables.forecast import horizon_figures

    settings, farm = config.forecast.wind, read_farm()
    cases = forecast_farm(farm, settings, seed=config.seed, device=config.device, mapped=run.map)
    scheme = replace(SCHEME, unit=f"blocks of {settings.block_days} days")
    source = f"La Haute Borne, {farm.capacity_kw / 1000:g} MW, lags alone"
    ceiling = f'The row "{CEILING}" was given ERA5 of the very hour it predicts: what perfect weather would be worth.'
    return Chapter(
        name="forecast",
        title="Wind, hours ahead",
        intro="Measured power of La Haute Borne, four turbines, forecast hours ahead from the farm's own SCADA alone."
        " Retrospective: the test days are on record; models are trained on what came before them.",
        headlines=horizons.headlines(cases, scheme),
        metrics=horizons.metrics(cases, scheme),
        tables=[horizons.skill_table(cases, scheme), horizons.error_table(cases, scheme)],
        figures=[horizon_figures.skills(cases, scheme, run, "wind-skill", source)],
        data=used("la_haute_borne.zip"),
        notes=[
            "Wind (La Haute Borne): hourly means of the four turbines together, known where all of them are; forecasts"
            f" use the farm's own SCADA alone. {farm.doubled} rows whose stamps came twice (the hours around the spring"
            " change of clocks) are left out. The digits of the stamps are taken as UTC: their offsets are wrong.",
            *([ceiling] if settings.ceiling else []),
        ],
        targets=horizons.targets(cases, scheme),
    )
