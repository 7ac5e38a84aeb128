"""Streams, what is learned from their training part, and the detector's untouched replay of the held-out part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from demos.renewables.data import used
from demos.renewables.faults.alarm import Alarm
from demos.renewables.faults.config import FaultsConfig
from demos.renewables.faults.events import Event, read_events
from demos.renewables.faults.mast_detector import MastDetector, speed_ratios
from demos.renewables.faults.own import own_farm, own_pv
from demos.renewables.faults.own_checks import check_farm, check_pv
from demos.renewables.faults.pv import PvSite
from demos.renewables.faults.pv_fit import fit_site
from demos.renewables.faults.replay import (
    PvRecord,
    Replay,
    TurbineRecord,
    pv_record,
    pv_replay,
    turbine_records,
    turbine_replay,
)
from demos.renewables.faults.streams import MAST_CHANNELS, mast, mended_system_50, turbines
from demos.renewables.faults.wind import TurbineModel, fit_turbines
from shared.errors import UserError
from shared.result import DataUse


@dataclass(frozen=True)
class PvPlant:
    """A PV system: what was learned, its two parts, and the untouched replays of both."""

    site: PvSite
    training: PvRecord
    held_out: PvRecord
    before: Replay
    replay: Replay


@dataclass(frozen=True)
class Farm:
    """A wind farm: by turbine, what was learned, the two parts, and the untouched replays of both."""

    models: dict[str, TurbineModel]
    training: dict[str, TurbineRecord]
    held_out: dict[str, TurbineRecord]
    before: dict[str, Replay]
    replay: dict[str, Replay]


@dataclass(frozen=True)
class Mast:
    """The met mast: its alarms, all of them, and where the held-out months begin and end [s since 1970 UTC]."""

    table: pd.DataFrame
    alarms: list[Alarm]
    start: float
    end: float


@dataclass(frozen=True)
class Prepared:
    """All that is judged."""

    pv: PvPlant | None
    farm: Farm | None
    mast: Mast | None
    events: list[Event]
    data: list[DataUse]


def prepare(config: FaultsConfig) -> Prepared:
    """The embedded streams, or the user's own alone when one of `config.data` is given."""
    own = config.data.pv is not None or config.data.wind is not None
    data: list[DataUse] = []
    pv, farm = None, None
    if config.data.pv is not None:
        stream, use = own_pv(config.data.pv, config.pv.minutes)
        check_pv(config.data.pv, stream, config.pv)
        pv = pv_plant(stream, config, config.data.pv.stem)
        data.append(use)
    elif not own:
        pv = pv_plant(mended_system_50(), config, "system_50")
    if config.data.wind is not None:
        tables, use = own_farm(config.data.wind, config.wind.minutes)
        check_farm(config.data.wind, tables, config.wind)
        farm = wind_farm(tables, config)
        data.append(use)
    elif not own:
        farm = wind_farm(turbines(), config)
    if own:
        return Prepared(pv, farm, None, _own_events(config.data.events), data)
    embedded = ("system_50_ac_power.parquet", "system_50_psm3.parquet", "la_haute_borne.zip", "met_mast.csv")
    return Prepared(pv, farm, watched_mast(config), read_events(), used(*embedded))


def _own_events(file: Path | None) -> list[Event]:
    return read_events(file) if file is not None else []


def _parts(stream: pd.DataFrame, start: date, field: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    split = pd.Timestamp(start, tz="UTC")
    early, late = stream[stream.index < split], stream[stream.index >= split]
    if len(early) < 500 or len(late) < 500:
        raise UserError(
            f"{field}={start}: the stream runs from {stream.index[0].date()} to {stream.index[-1].date()};"
            " choose a day with at least 500 samples before and after it"
        )
    return early, late


def _last(early: pd.DataFrame, config: FaultsConfig) -> pd.DataFrame:
    """The last `training_days` of a training part; models are learned from all of it all the same."""
    if config.training_days is None:
        return early
    return early[early.index >= early.index[-1] - pd.Timedelta(days=config.training_days)]


def pv_plant(stream: pd.DataFrame, config: FaultsConfig, system: str) -> PvPlant:
    """Learn from the days before `split.pv_from`, replay both parts. stream: as `mended_system_50` gives it."""
    early, late = _parts(stream, config.split.pv_from, "faults.split.pv_from")
    site = fit_site(early, config.pv, config.pv_detector)
    training = pv_record(system, _last(early, config), site, config.pv.minutes)
    held_out = pv_record(system, late, site, config.pv.minutes)
    before = pv_replay(training, site, config.pv_detector)
    return PvPlant(site, training, held_out, before, pv_replay(held_out, site, config.pv_detector))


def wind_farm(tables: dict[str, pd.DataFrame], config: FaultsConfig) -> Farm:
    """Learn from the months before `split.wind_from`, replay both parts. tables: as `turbines` gives them."""
    parts = {name: _parts(table, config.split.wind_from, "faults.split.wind_from") for name, table in tables.items()}
    early, late = {n: part[0] for n, part in parts.items()}, {n: part[1] for n, part in parts.items()}
    models = fit_turbines(early, config.wind.rated)
    recent = {name: _last(table, config) for name, table in early.items()}
    training = turbine_records(recent, models, config.wind.minutes)
    held_out = turbine_records(late, models, config.wind.minutes)
    detector = config.wind_detector
    before = {name: turbine_replay(record, models[name], detector) for name, record in training.items()}
    after = {name: turbine_replay(record, models[name], detector) for name, record in held_out.items()}
    return Farm(models, training, held_out, before, after)


def watched_mast(config: FaultsConfig) -> Mast:
    """The met mast, watched over training and held-out time, with ratios learned before `split.mast_from`."""
    table = mast()
    split = pd.Timestamp(config.split.mast_from, tz="UTC")
    detector = MastDetector("mast", speed_ratios(table[table.index < split]), config.wind_detector)
    alarms: list[Alarm] = []
    first = split - pd.Timedelta(days=config.training_days or 10**5)
    for row in table[table.index >= first].itertuples(index=False):
        alarms += detector.update(float(row[0]), dict(zip(MAST_CHANNELS, row[1:], strict=True)))
    return Mast(table[table.index >= first], alarms, split.timestamp(), float(table.seconds.iloc[-1]) + 600.0)


def held_out_days(start: date, end: float) -> list[float]:
    """Starts of the calendar months [s since 1970 UTC] from a day to a moment: what the bootstrap draws."""
    found: list[float] = []
    day = start
    # A last month of less than a day is part of the one before.
    while not found or pd.Timestamp(day, tz="UTC").timestamp() + 86400.0 < end:
        found.append(pd.Timestamp(day, tz="UTC").timestamp())
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return found


def replayed_from(prepared: Prepared) -> dict[str, float]:
    """By source, when the replay of its training part begins [s since 1970 UTC]."""
    found: dict[str, float] = {}
    if prepared.pv is not None:
        found[prepared.pv.training.system] = float(prepared.pv.training.seconds[0])
    if prepared.farm is not None:
        found |= {name: float(record.seconds[0]) for name, record in prepared.farm.training.items()}
    if prepared.mast is not None:
        found["mast"] = float(prepared.mast.table.seconds.iloc[0])
    return found


def all_alarms(prepared: Prepared, training: bool = False) -> Sequence[Alarm]:
    """Alarms of the untouched streams in order of time: of the held-out part, or of the training part."""
    found: list[Alarm] = []
    if prepared.pv is not None:
        found += (prepared.pv.before if training else prepared.pv.replay).alarms
    if prepared.farm is not None:
        replays = prepared.farm.before if training else prepared.farm.replay
        found += [alarm for replay in replays.values() for alarm in replay.alarms]
    if prepared.mast is not None:
        start = prepared.mast.start
        found += [alarm for alarm in prepared.mast.alarms if (alarm.raised < start) == training]
    return sorted(found, key=lambda alarm: alarm.raised)
