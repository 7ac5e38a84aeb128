"""Intraday PV, minutes to hours ahead, from the plant's own power and the sun alone: no weather enters.

The backbone is physics (plant.py): clear-sky power, and the clear-sky index k that power is of it. Holding k is the
reference (clear-sky persistence); the learners learn what it gets wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.chapter import Chapter
from demos.renewables.data import used
from demos.renewables.forecast import horizons
from demos.renewables.forecast.horizons import Case, Scheme
from demos.renewables.forecast.lagged import (
    LEVELS,
    MEDIAN,
    Array,
    EtsJob,
    Prediction,
    Rows,
    Split,
    ahead,
    blended,
    normal,
    point,
    rolling,
    shift,
    train_all,
)
from demos.renewables.forecast.plant import LIT, LOW_SUN, Plant, latest, make_plant
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from demos.renewables.forecast.horizons_config import IntradayConfig
    from demos.renewables.forecast.lagged import Mapped
    from demos.renewables.site.load import Site
    from shared.demo import Run

PERSISTENCE, ETS = "persistence", "AutoETS"
REFERENCE = "clear-sky persistence"
MIXED = "persistence and climatology mixed"
TEST_FROM = pd.Timestamp("2013-01-01", tz="UTC")  # of the embedded plant
CLIPS = (1.0, 1.05, 1.1, 1.2, 2.0)  # highest k that is believed to last; with AVERAGED chosen on training rows
AVERAGED = (1, 2, 4, 8)  # intervals that k is averaged over
ROOM = 1.25  # forecasts stay within 0 and that share of capacity: cloud edges lift power above it
SCHEME = Scheme(
    part="intraday PV",
    measure="RMSE",
    reference=REFERENCE,
    stricter=MIXED,
    mask="daylight",
    unit="days",
    asked={60: 0.10, 240: 0.20},
)


def known_features(plant: Plant) -> pd.DataFrame:
    """(T, f): what is known at the end of each interval, from power up to it and nothing later."""
    k, power, per_hour = plant.index, plant.power, max(1, 60 // plant.minutes)
    table = {f"k_{lag}": shift(k, lag) for lag in range(8)}
    table |= {f"power_{lag}": shift(power, lag) for lag in range(4)}
    for hours in (1, 2, 4):
        table[f"k_mean_{hours}h"] = rolling(k, hours * per_hour)
        table[f"k_spread_{hours}h"] = rolling(k, hours * per_hour, "std")
    table["k_low_2h"], table["k_high_2h"] = (rolling(k, 2 * per_hour, name) for name in ("min", "max"))
    table["k_trend_1h"] = k - shift(k, per_hour)
    table["k_jumps_2h"] = rolling(np.abs(k - shift(k, 1)), 2 * per_hour)
    table["k_today"] = np.asarray(pd.Series(k).groupby(plant.day).expanding().mean().droplevel(0))
    table["k_24h"] = rolling(k, plant.per_day)
    table["k_7d"] = rolling(k, 7 * plant.per_day)
    table["k_latest"] = latest(k, 1, plant.per_day)
    table["elevation"], table["azimuth"] = plant.elevation, plant.azimuth
    table["season_cos"], table["season_sin"] = np.cos(plant.season), np.sin(plant.season)
    return pd.DataFrame(table)


def make_rows(plant: Plant, steps: int, known: pd.DataFrame, config: IntradayConfig, split: Split) -> Rows:
    """All rows of one horizon where both the present and the future power are known and the sun is up at valid time."""
    issue = np.arange(len(plant.power) - steps)
    usable = np.isfinite(plant.power[issue]) & np.isfinite(latest(plant.index, 1, plant.per_day)[issue])
    usable &= np.isfinite(plant.power[issue + steps])
    train = usable & (plant.end[issue + steps] <= split.start) & (issue % config.train_every == 0)
    train &= plant.elevation[issue + steps] > 0
    test = usable & (plant.end[issue] >= split.start) & (plant.end[issue + steps] <= split.end)
    test &= (issue % config.issue_every == 0) & (plant.elevation[issue + steps] > 0)
    kept = train | test
    issue, train, test = issue[kept], train[kept], test[kept]
    valid, horizon = issue + steps, f"{steps * plant.minutes} min"
    for part, name in ((train, "learn from"), (test, "test on")):
        if part.sum() < 200:
            raise UserError(f"{plant.name}: {int(part.sum())} rows to {name} at {horizon}; needed are at least 200")
    clear, target = plant.clear[valid], plant.power[valid]
    lit = train & (plant.elevation[valid] > config.daylight) & (plant.elevation[issue] > config.daylight)
    anchor = _held(plant, issue, clear, target, lit)
    features = known.iloc[issue].reset_index(drop=True)
    k = plant.index
    for days in (1, 2):
        features[f"k_{days}d_before_valid"] = ahead(k, issue, steps - days * plant.per_day)
    features["k_day_before_around"] = ahead(rolling(k, 5), issue, min(steps - plant.per_day + 2, 0))
    features["clear"], features["clear_valid"], features["held"] = plant.clear[issue], clear, anchor
    features["elevation_valid"], features["azimuth_valid"] = plant.elevation[valid], plant.azimuth[valid]
    return Rows(horizon, steps, issue, features, target, anchor, np.maximum(clear, LIT), train, test)


def dark_rows(plant: Plant, steps: int, config: IntradayConfig, split: Split) -> NDArray[np.int64]:
    """Issue positions of the test whose valid time is in the dark: every method but persistence says 0 there."""
    issue = np.arange(0, len(plant.power) - steps, config.issue_every)
    known = np.isfinite(plant.power[issue]) & np.isfinite(plant.power[issue + steps])
    known &= (plant.end[issue] >= split.start) & (plant.end[issue + steps] <= split.end)
    return issue[known & (plant.elevation[issue + steps] <= 0)]


def _held(plant: Plant, issue: NDArray[np.int64], clear: Array, target: Array, lit: NDArray[np.bool_]) -> Array:
    """(n,) clear-sky persistence at its best: the averaging and the highest k that fit the lit training rows best."""
    found: list[tuple[float, Array]] = []
    for averaged in AVERAGED:
        k = latest(plant.index, averaged, plant.per_day)[issue]
        for clip in CLIPS:
            held = k.clip(0, clip) * clear
            found.append((float(np.mean((held - target)[lit] ** 2)), held))
    return min(found, key=lambda pair: pair[0])[1]


def make_split(site: Site, config: IntradayConfig, own: bool) -> Split:
    """Where the test begins and ends. Raises UserError when that is not inside the data."""
    first, last = site.power.index[0], site.power.index[-1] + site.step
    start = (first + (last - first) * 2 / 3).floor("D") if own else TEST_FROM
    if config.test_from:
        start = pd.Timestamp(config.test_from, tz="UTC")
    end = pd.Timestamp(config.test_until, tz="UTC") if config.test_until else last
    if not first < start < min(end, last):
        raise UserError(f"forecast.intraday: a test from {start:%Y-%m-%d} to {end:%Y-%m-%d} does not lie in the data")
    return Split(start, min(end, last))


def references(plant: Plant, rows: Rows) -> dict[str, Prediction]:
    """What needs no learning machine, for the rows of the test."""
    train, test, valid = rows.train, rows.test, rows.valid
    clear = plant.clear[valid]
    mixed = np.column_stack([rows.anchor, clear])
    weights, *_ = np.linalg.lstsq(mixed[train], rows.target[train], rcond=None)
    return {
        PERSISTENCE: point(plant.power[rows.issue[test]]),
        REFERENCE: point(rows.anchor[test]),
        "clear-sky persistence, plain": point(latest(plant.index, 1, plant.per_day)[rows.issue[test]] * clear[test]),
        "climatology": _climatology(plant, valid[train], valid[test]),
        MIXED: point((mixed @ weights)[test]),
        "pvlib clear sky alone": point(clear[test]),
    }


def _climatology(plant: Plant, train: NDArray[np.int64], test: NDArray[np.int64]) -> Prediction:
    """k of the training time at this solar hour, within 30 days of the season, times clear-sky power."""
    k, hour = plant.index, np.floor(plant.hour).astype(int)
    day = np.round(plant.season / (2 * np.pi) * 365.25).astype(int)
    train = train[np.isfinite(k[train])]
    mean, quantiles = np.ones(len(test)), np.ones((len(test), len(LEVELS)))
    past = {one: (k[train[hour[train] == one]], day[train[hour[train] == one]]) for one in np.unique(hour[train])}
    groups = pd.DataFrame({"hour": hour[test], "day": day[test]}).groupby(["hour", "day"]).indices
    for (one, date), at in groups.items():
        values, days = past.get(one, (k[train], day[train]))
        near = np.abs((days - date + 183) % 366 - 183) <= 30
        values = values[near] if near.sum() >= 20 else values
        mean[at], quantiles[at] = values.mean(), np.quantile(values, LEVELS)
    clear = plant.clear[test]
    return Prediction(mean * clear, quantiles[:, MEDIAN] * clear, quantiles * clear[:, None])


def ets_job(plant: Plant, all_rows: list[Rows], config: IntradayConfig) -> EtsJob:
    """AutoETS on k, at most 1.2, with the nights cut out: a step is an interval that is lit."""
    k = plant.index.clip(0, 1.2)
    place = np.cumsum(np.isfinite(k)) - 1
    lit = np.cumsum((plant.clear > LIT) & (plant.elevation > LOW_SUN))
    origins, steps = [], []
    for rows in all_rows:
        issue = rows.issue[rows.test]
        origins.append(place[issue])
        steps.append(np.maximum(lit[issue + rows.steps] - lit[issue], 1))
    least = min(int(one.min()) for one in origins)
    settings = config.ets.model_copy(update={"window": max(100, min(config.ets.window, least))})
    return EtsJob(k[np.isfinite(k)], origins, steps, settings)


def forecast_site(
    site: Site, config: IntradayConfig, *, own: bool, seed: int, device: str, mapped: Mapped
) -> list[Case]:
    """All methods at all horizons, on the same rows. mapped: `run.map`. Raises UserError for unusable settings."""
    split = make_split(site, config, own)
    plant = make_plant(site, split.start)
    wrong = [minutes for minutes in config.horizons if minutes % plant.minutes]
    if wrong:
        raise UserError(
            f"forecast.intraday.horizons: {wrong[0]} min is no multiple of the {plant.minutes} min of {site.name}"
        )
    known = known_features(plant)
    every = [make_rows(plant, minutes // plant.minutes, known, config, split) for minutes in config.horizons]
    ets = ets_job(plant, every, config) if ETS in config.learners else None
    learned, smoothed = train_all("intraday PV: training", every, config, ets, seed, device, mapped)
    for one, rows, (mean, spread) in zip(learned, every, smoothed, strict=bool(smoothed)):
        clear = plant.clear[rows.valid[rows.test]]
        one[ETS] = normal(mean * clear, spread * clear)
    return [_case(plant, rows, one, config, split) for rows, one in zip(every, learned, strict=True)]


def _case(plant: Plant, rows: Rows, learned: dict[str, Prediction], config: IntradayConfig, split: Split) -> Case:
    """The test rows of one horizon with every method's forecast, the dark ones appended."""
    dark = dark_rows(plant, rows.steps, config, split)
    issue = np.concatenate([rows.issue[rows.test], dark])
    valid = issue + rows.steps
    predictions = {}
    for name, prediction in {**blended(learned), **references(plant, rows)}.items():
        at_night = plant.power[dark] if name == PERSISTENCE else np.zeros(len(dark))
        predictions[name] = prediction.then(at_night).within(0.0, ROOM)
    low = np.minimum(plant.elevation[issue], plant.elevation[valid])
    return Case(
        horizon=rows.horizon,
        minutes=rows.steps * plant.minutes,
        issue_time=plant.end[issue],
        valid_time=plant.end[valid],
        y=plant.power[valid],
        block=plant.day[issue],
        masks={"daylight": low > config.daylight, "all hours": np.ones(len(issue), dtype=bool)},
        predictions=predictions,
    )


def run_intraday(config: RenewablesConfig, run: Run) -> Chapter:
    """Intraday PV of the embedded plant, or of the user's own."""
    from demos.renewables.forecast import horizon_figures
    from demos.renewables.site.load import load_site

    settings, own = config.forecast.intraday, config.site.power
    site = load_site(config.site)
    cases = forecast_site(site, settings, own=own is not None, seed=config.seed, device=config.device, mapped=run.map)
    source = f"{site.name}; no weather enters"
    return Chapter(
        name="forecast",
        headlines=horizons.headlines(cases, SCHEME),
        metrics=horizons.metrics(cases, SCHEME),
        tables=[horizons.skill_table(cases, SCHEME), horizons.error_table(cases, SCHEME)],
        figures=[
            horizon_figures.skills(cases, SCHEME, run, "intraday-skill", source),
            horizon_figures.cloudy_day(cases, SCHEME, run, site),
        ],
        data=used("system_50_ac_power.parquet") if own is None else [horizons.own_file(own)],
        notes=[
            f"Intraday PV ({site.name}): forecasts use the plant's own power and the sun's position, no weather."
            f" Daylight: the sun is above {settings.daylight:g} deg at issue and at valid time. The reference,"
            " clear-sky persistence, has its averaging and its highest index chosen on training data for each horizon;"
            " the plain one (last interval, no limit) is weaker and stands beside it.",
            *([] if own else ["Intraday PV is retrospective; nothing was tuned on its test year 2013."]),
            *(f"{site.name}: {finding}" for finding in site.findings),
        ],
        targets=horizons.targets(cases, SCHEME),
    )
