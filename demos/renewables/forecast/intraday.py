"""Intraday PV, minutes to hours ahead, from the plant's own power and the sun; at a user's plant also from the weather
measured there until then. No weather forecast enters, and at the embedded plant no weather.

The backbone is physics (plant.py): clear-sky power, and the clear-sky index k that power is of it. Holding k is the
reference (clear-sky persistence); the learners learn what it gets wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.chapter import Chapter
from demos.renewables.data import used
from demos.renewables.forecast import horizons
from demos.renewables.forecast.horizons import Case, Scheme
from demos.renewables.forecast.lagged import (
    ETS,
    Array,
    EtsJob,
    Prediction,
    Rows,
    Split,
    ahead,
    blended,
    rolling,
    shift,
    train_all,
)
from demos.renewables.forecast.plant import LIT, LOW_SUN, Plant, latest, make_plant
from demos.renewables.forecast.references import LEAST_ROWS, MIXED, PERSISTENCE, REFERENCE, lit_rows, references
from shared.errors import UserError

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from demos.renewables.forecast.horizons_config import IntradayConfig
    from demos.renewables.forecast.lagged import Mapped
    from demos.renewables.site.config import SiteConfig
    from demos.renewables.site.load import Site
    from shared.demo import Run
    from shared.result import DataUse

LEAST_KNOWN = 0.1  # share of the daylight learned from in which a column of the user's weather must be known
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
    train = usable & (plant.end[issue + steps] <= split.start) & (issue % _every(config.train_every, plant) == 0)
    train &= plant.elevation[issue + steps] > 0
    test = usable & (plant.end[issue] >= split.start) & (plant.end[issue + steps] <= split.end)
    test &= (issue % _every(config.issue_every, plant) == 0) & (plant.elevation[issue + steps] > 0)
    kept = train | test
    issue, train, test = issue[kept], train[kept], test[kept]
    valid, horizon = issue + steps, f"{steps * plant.minutes} min"
    for part, name in ((train, "learn from"), (test, "test on")):
        if part.sum() < LEAST_ROWS:
            _refuse_few(f"{plant.name}: {int(part.sum())} rows to {name} at {horizon}", name, config, split)
    clear, target = plant.clear[valid], plant.power[valid]
    anchor = _held(plant, issue, clear, target, train & lit_rows(plant, issue, valid, config))
    features = known.iloc[issue].reset_index(drop=True)
    k = plant.index
    for days in (1, 2):
        features[f"k_{days}d_before_valid"] = ahead(k, issue, steps - days * plant.per_day)
    features["k_day_before_around"] = ahead(rolling(k, 5), issue, min(steps - plant.per_day + 2, 0))
    features["clear"], features["clear_valid"], features["held"] = plant.clear[issue], clear, anchor
    features["elevation_valid"], features["azimuth_valid"] = plant.elevation[valid], plant.azimuth[valid]
    return Rows(horizon, steps, issue, features, target, anchor, np.maximum(clear, LIT), train, test)


def _every(minutes: int | None, plant: Plant) -> int:
    """Intervals from one to the next, at least 1."""
    return max(1, (minutes or 0) // plant.minutes)


def _refuse_few(found: str, name: str, config: IntradayConfig, split: Split) -> NoReturn:
    every, when = ("issue_every", "earlier") if name == "test on" else ("train_every", "later")
    thinned = getattr(config, every)
    ways = ["give more data", f"set forecast.intraday.test_from {when} (it is {split.start:%Y-%m-%d})"]
    ways += [f"set forecast.intraday.{every}=null (it is {thinned} min)"] if thinned else []
    raise UserError(f"{found}; needed are at least {LEAST_ROWS}: {', or '.join(ways)}")


def dark_rows(plant: Plant, steps: int, config: IntradayConfig, split: Split) -> NDArray[np.int64]:
    """Issue positions of the test whose valid time is in the dark: every method but persistence says 0 there."""
    issue = np.arange(0, len(plant.power) - steps, _every(config.issue_every, plant))
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
        raise UserError(
            f"forecast.intraday: a test from {start:%Y-%m-%d} to {end:%Y-%m-%d} does not lie in the data of"
            f" {site.name}, {first:%Y-%m-%d} to {last:%Y-%m-%d}; set forecast.intraday.test_from and test_until inside"
        )
    return Split(start, min(end, last))


def ets_job(plant: Plant, all_rows: list[Rows], config: IntradayConfig) -> EtsJob:
    """AutoETS on k, at most 1.2, with the nights cut out: a step is an interval that is lit."""
    k = plant.index.clip(0, 1.2)
    place = np.cumsum(np.isfinite(k)) - 1
    lit = np.cumsum((plant.clear > LIT) & (plant.elevation > LOW_SUN))
    origins, steps, scales = [], [], []
    for rows in all_rows:
        issue = rows.issue[rows.test]
        origins.append(place[issue])
        steps.append(np.maximum(lit[issue + rows.steps] - lit[issue], 1))
        scales.append(plant.clear[issue + rows.steps])
    least = min(int(one.min()) for one in origins)
    settings = config.ets.model_copy(update={"window": max(100, min(config.ets.window, least))})
    return EtsJob(k[np.isfinite(k)], origins, steps, scales, settings)


def forecast_site(
    site: Site, config: IntradayConfig, *, own: bool, seed: int, device: str, mapped: Mapped
) -> list[Case]:
    """All methods at all horizons, on the same rows. mapped: `run.map`. Raises UserError for unusable settings."""
    split = make_split(site, config, own)
    plant = make_plant(site, split.start)
    _check_horizons(plant, config)
    known = known_features(plant)
    if site.weather is not None:
        known = known.join(weather_features(site, plant, split))
    every = [make_rows(plant, minutes // plant.minutes, known, config, split) for minutes in config.horizons]
    ets = ets_job(plant, every, config) if ETS in config.learners else None
    learned = train_all("intraday PV: training", every, config, ets, seed, device, mapped)
    return [_case(plant, rows, one, config, split) for rows, one in zip(every, learned, strict=True)]


def _check_horizons(plant: Plant, config: IntradayConfig) -> None:
    step = plant.minutes
    wrong = [minutes for minutes in config.horizons if minutes % step]
    if wrong:
        right = [minutes for minutes in config.horizons if not minutes % step] or [step, 4 * step]
        raise UserError(
            f"forecast.intraday.horizons: {wrong[0]} min is no multiple of the {step} min of {plant.name}; set for"
            f" example 'forecast.intraday.horizons={right}'"
        )


def weather_features(site: Site, plant: Plant, split: Split) -> pd.DataFrame:
    """(T, f) the user's weather as it is known at the end of each interval.

    Raises UserError for a column that is not there when there is something to learn.
    """
    from demos.renewables.site.measured import measured_weather

    found = measured_weather(site, plant.end)
    learned = found[(plant.end <= split.start) & (plant.elevation > LOW_SUN)]
    for name, share in learned.notna().mean().items():
        if share < LEAST_KNOWN:
            raise UserError(
                f"{site.name}: weather, {name}: known in {share:.1%} of the daylight before the test,"
                f" {split.start:%Y-%m-%d}; needed is {LEAST_KNOWN:.0%}; leave that column out, or set"
                " forecast.intraday.test_from later"
            )
    return found


def _case(plant: Plant, rows: Rows, learned: dict[str, Prediction], config: IntradayConfig, split: Split) -> Case:
    """The test rows of one horizon with every method's forecast, the dark ones appended."""
    dark = dark_rows(plant, rows.steps, config, split)
    issue = np.concatenate([rows.issue[rows.test], dark])
    valid = issue + rows.steps
    predictions = {}
    for name, prediction in {**blended(learned), **references(plant, rows, config)}.items():
        at_night = plant.power[dark] if name == PERSISTENCE else np.zeros(len(dark))
        predictions[name] = prediction.then(at_night).within(0.0, ROOM)
    return Case(
        horizon=rows.horizon,
        minutes=rows.steps * plant.minutes,
        issue_time=plant.end[issue],
        valid_time=plant.end[valid],
        y=plant.power[valid],
        block=plant.day[issue],
        masks={"daylight": lit_rows(plant, issue, valid, config), "all hours": np.ones(len(issue), dtype=bool)},
        predictions=predictions,
    )


def run_intraday(config: RenewablesConfig, run: Run) -> Chapter:
    """Intraday PV of the embedded plant, or of the user's own."""
    from demos.renewables.forecast import horizon_figures
    from demos.renewables.site.load import load_site

    settings, own = config.forecast.intraday, config.site.power is not None
    site = load_site(config.site)
    if own:
        for finding in site.findings:
            run.say(f"{site.name}: {finding}")
        run.say(f"{site.name}: {_entered(site)}")
    cases = forecast_site(site, settings, own=own, seed=config.seed, device=config.device, mapped=run.map)
    scheme = own_scheme(settings) if own else SCHEME
    drawn = replace(scheme, asked={}) if own else SCHEME
    return Chapter(
        name="forecast",
        title="Intraday PV",
        intro=f"Measured power of {site.name}, minutes to hours ahead, from its own past and the sun's position;"
        f" {_entered(site)}. Retrospective: the test days are on record; models are trained on what came before them.",
        headlines=horizons.headlines(cases, scheme),
        metrics=horizons.metrics(cases, scheme),
        tables=[horizons.skill_table(cases, scheme), horizons.error_table(cases, scheme)],
        figures=[
            horizon_figures.skills(cases, drawn, run, "intraday-skill", f"{site.name}; {_entered(site)}"),
            horizon_figures.cloudy_day(cases, scheme, run, site),
        ],
        data=_files(config.site) if own else used("system_50_ac_power.parquet"),
        notes=_notes(site, settings, own),
        # What was asked of this project is nothing that a plant of one's own must reach.
        targets=[] if own else horizons.targets(cases, scheme),
    )


def own_scheme(config: IntradayConfig) -> Scheme:
    """What leads at a plant of one's own: the usual horizons, or the first and the last of others."""
    usual = [minutes for minutes in config.horizons if minutes in SCHEME.asked]
    return replace(SCHEME, asked=dict.fromkeys(usual or [config.horizons[0], config.horizons[-1]], 0.0))


def _entered(site: Site) -> str:
    if site.weather is None:
        return "no weather enters"
    return f"with {', '.join(map(str, site.weather))} measured there up to each issue time"


def _files(config: SiteConfig) -> list[DataUse]:
    """Provenance of the user's power, and of the weather where that is another file."""
    assert config.power is not None
    files = [horizons.own_file(config.power)]
    if config.weather is not None:
        weather = horizons.own_file(config.weather)
        # Two files may have one name, and a name is listed once.
        files += [weather.model_copy(update={"name": f"weather: {weather.name}"})] if weather != files[0] else []
    return files


def _notes(site: Site, config: IntradayConfig, own: bool) -> list[str]:
    weather = (
        "no weather"
        if site.weather is None
        else f"the weather measured at the plant until then ({', '.join(map(str, site.weather))}), no weather forecast"
    )
    return [
        f"Intraday PV ({site.name}): forecasts use the plant's own power and the sun's position, {weather}."
        f" Daylight: the sun is above {config.daylight:g} deg at issue and at valid time. The reference,"
        " clear-sky persistence, has its averaging and its highest index chosen on training data for each horizon;"
        " the plain one (last interval, no limit) is weaker and stands beside it. The stricter one mixes it with"
        " climatology and clear sky, chosen and weighted on training data.",
        *([] if own else ["Nothing was tuned on its test year 2013."]),
        *(f"{site.name}: {finding}" for finding in site.findings),
    ]
