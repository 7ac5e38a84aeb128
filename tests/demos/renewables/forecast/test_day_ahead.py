"""Methods of the day-ahead part, what they may see, and how they are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from demos.renewables.config import RenewablesConfig
from demos.renewables.forecast import day_ahead, evaluate, gefcom, peers, trees
from demos.renewables.forecast.chapter import run_chapter
from demos.renewables.forecast.config import DayAheadConfig, ForecastConfig
from demos.renewables.forecast.day_ahead import BOTH, CLIMATE, METHODS, NETWORK, TREES, DayAhead, TaskJob
from demos.renewables.forecast.horizons_config import NgboostConfig
from demos.renewables.forecast.models_config import NetworkConfig, TreesConfig
from shared.demo import Run
from shared.evaluation.metrics import pinball_loss
from shared.result import Figure

Contest = tuple[pd.DataFrame, pd.DataFrame]
QUICK = DayAheadConfig(
    tasks=(1,),
    normal=NgboostConfig(rounds=20, row_share=0.5, column_share=0.5),
    network=NetworkConfig(members=1, hidden=24, layers=2, epochs=6, batch=128, learning_rate=0.01),
    trees=TreesConfig(rounds=30, leaves=8, levels=(0.05, 0.25, 0.5, 0.75, 0.95)),
)
JOB = TaskJob(1, tuple(METHODS), QUICK, 0, "cpu")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_quantiles_better_than_none(contest: Contest, name: str) -> None:
    train, test = contest
    table = METHODS[name](train, test, JOB)
    assert table.shape == (len(test), 99)
    assert np.isfinite(table).all()
    power = test["power"].to_numpy()
    constant = np.tile(np.quantile(train["power"], gefcom.LEVELS), (len(test), 1))
    loss = pinball_loss(power, np.sort(table, axis=1), gefcom.LEVELS)
    assert loss < 0.9 * pinball_loss(power, constant, gefcom.LEVELS)


@pytest.mark.parametrize("name", METHODS)
def test_no_method_sees_the_power_it_forecasts(contest: Contest, name: str) -> None:
    train, test = contest
    blind = test.assign(power=np.linspace(0, 1, len(test)))
    assert np.array_equal(METHODS[name](train, test, JOB), METHODS[name](train, blind, JOB))


def small_rows(contest: Contest) -> pd.DataFrame:
    """The made contest, moved so that its last ten days are those of task 1."""
    rows = pd.concat(contest)
    move = gefcom.task_start(1) - pd.Timestamp("2013-01-31", tz="UTC")
    return rows.assign(issue_time=rows["issue_time"] + move, valid_time=rows["valid_time"] + move)


def test_a_task_forecasts_its_month_and_nights_are_zero(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = small_rows(contest)
    dark = rows.iloc[-50:].assign(ghi_clear=0.0)
    monkeypatch.setattr(day_ahead, "_rows", lambda: pd.concat([rows.iloc[:-50], dark]))
    found = day_ahead.forecast_task(JOB)
    assert list(found.quantiles) == list(METHODS)
    assert (found.rows["issue_time"] >= gefcom.task_start(1)).all()
    assert (found.rows["task"] == 1).all()
    night = (found.rows["ghi_clear"] == 0).to_numpy()
    assert night.sum() == 50
    for table in found.quantiles.values():
        assert (table[night] == 0).all()
        assert (np.diff(table, axis=1) >= 0).all()
        assert table.min() >= 0
        assert table.max() <= 1


class Here(Run):
    """A run that does everything at once, in this process, and keeps its figures in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def say(self, message: str) -> None: ...

    def map(self, label: str, function: Any, items: Any) -> list[Any]:
        return [function(item) for item in items]

    def figure(self, drawing: Any, name: str, *, title: str, caption: str, alt: str) -> Figure:
        drawing.savefig(self.folder / f"{name}.png")
        pyplot.close(drawing)
        return Figure(file=f"{name}.png", title=title, caption=caption, alt=alt)


@pytest.mark.parametrize("order", [QUICK.methods, (CLIMATE, BOTH), (CLIMATE, NETWORK)])
def test_the_part_of_a_run_judges_ours_wherever_it_stands(
    contest: Contest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, order: tuple[str, ...]
) -> None:
    monkeypatch.setattr(day_ahead, "_rows", lambda: small_rows(contest))
    settings = QUICK.model_copy(update={"methods": order})
    config = RenewablesConfig(forecast=ForecastConfig(parts=("day_ahead",), day_ahead=settings), device="cpu")
    found = day_ahead.forecast_tasks(config, Here(tmp_path))
    assert list(found.quantiles) == list(order)
    assert found.ours == (BOTH if BOTH in order else NETWORK)
    assert not {BOTH, NETWORK, TREES} & set(found.peers)
    if {BOTH, NETWORK, TREES} <= set(order):
        weight = settings.network_weight
        mixed = weight * found.quantiles[NETWORK] + (1 - weight) * found.quantiles[TREES]
        assert found.quantiles[BOTH] == pytest.approx(mixed)
    chapter = run_chapter(config, Here(tmp_path))
    assert chapter.headlines[0].peer in found.peers
    assert chapter.headlines[0].interval is not None
    assert {figure.file for figure in chapter.figures} == {"fan.png", "reliability.png", "tasks.png"}
    assert all((tmp_path / figure.file).stat().st_size > 10_000 for figure in chapter.figures)
    assert found.ours in chapter.tables[-1].columns[1].name


def test_power_of_the_month_and_after_changes_nothing(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = small_rows(contest)
    spoiled = rows.assign(power=rows["power"].where(rows["issue_time"] < gefcom.task_start(1), 0.77))
    found = []
    for table in (rows, spoiled):
        monkeypatch.setattr(day_ahead, "_rows", lambda table=table: table)
        found.append(day_ahead.forecast_task(JOB))
    for name in METHODS:
        assert np.array_equal(found[0].quantiles[name], found[1].quantiles[name]), name


def test_trees_hit_their_levels_and_interpolate_between(contest: Contest) -> None:
    train, test = contest
    names = ["ghi", "clearness", "ghi_clear"]
    ask = (0.05, 0.15, 0.25)
    found = trees.quantiles(train[names], train["power"].to_numpy(), test[names], ask, QUICK.trees, seed=0)
    assert found[:, 1] == pytest.approx((found[:, 0] + found[:, 2]) / 2)
    own = trees.quantiles(train[names], train["power"].to_numpy(), train[names], (0.25, 0.75), QUICK.trees, seed=0)
    share = (train["power"].to_numpy()[:, None] <= own).mean(axis=0)
    assert share == pytest.approx([0.25, 0.75], abs=0.08)


def test_the_mean_of_trees_is_a_mean(contest: Contest) -> None:
    train, _ = contest
    skewed = np.where(np.arange(len(train)) % 5 == 0, 1.0, 0.0)
    found = trees.mean(train[["ghi"]], skewed, train[["ghi"]], QUICK.trees, seed=0)
    assert found.mean() == pytest.approx(0.2, abs=0.02)


def test_physics_finds_the_orientation_of_a_plant(contest: Contest) -> None:
    train, _ = contest
    for tilt, azimuth in ((30.0, 330.0), (20.0, 60.0)):
        plant = train[train["site"] == "North"].copy()
        plant["power"] = 0.85 * peers._plane_power(plant, tilt, azimuth)
        assert peers._fitted_orientation(plant) == ((tilt, azimuth), pytest.approx(0.85))


def test_climatology_is_of_the_plant_and_the_hour(contest: Contest) -> None:
    train, test = contest
    train = train.assign(power=np.where(train["site"] == "North", 0.2, 0.6) + train["valid_time"].dt.hour / 1000)
    table = peers.climatology(train, test)
    assert (table.std(axis=1) < 1e-12).all()
    expected = np.where(test["site"] == "North", 0.2, 0.6) + test["valid_time"].dt.hour / 1000
    assert table[:, 50] == pytest.approx(expected.to_numpy())


def judged(shift: float = 0.0) -> DayAhead:
    """Ours are the true quantiles of uniform power, moved by `shift`; the peer is half as wide."""
    random = np.random.default_rng(1)
    days = pd.date_range("2013-07-01 01:00", periods=40, freq="D", tz="UTC")
    rows = pd.DataFrame({"issue_time": np.repeat(days, 24), "power": random.random(960), "site": "One", "task": 4})
    rows["valid_time"] = rows["issue_time"] + pd.to_timedelta(np.tile(np.arange(24), 40), unit="h")
    rows["daylight"] = np.tile(np.arange(24) < 12, 40)
    levels = np.array(gefcom.LEVELS)
    ours = np.tile(levels + shift, (960, 1))
    return DayAhead(
        rows,
        {BOTH: ours, "narrow": np.tile(0.25 + levels / 2, (960, 1))},
        {BOTH: 700.0, "narrow": 1.0},
        wall_seconds=301.0,
    )


def test_losses_are_the_pinball_loss_of_each_row() -> None:
    found = judged()
    loss = evaluate.losses(found, "narrow")
    assert loss.shape == (960,)
    assert loss.mean() == pytest.approx(
        pinball_loss(found.rows["power"], found.quantiles["narrow"], gefcom.LEVELS), rel=1e-9
    )


def test_targets_say_no_when_missed() -> None:
    missed = {target.asked: target for target in evaluate.targets(judged())}
    assert not missed["day-ahead pinball at most 0.0116"].met
    assert missed["P10 to P90 holds 78 to 82 % in daylight"].met
    assert missed["no crossing quantiles"].met
    assert not missed["day-ahead in under 5 minutes on 2 cores"].met
    assert "the target is for 4 to 15" in missed["day-ahead pinball at most 0.0116"].note
    found = judged()
    wide = DayAhead(found.rows, {BOTH: found.quantiles["narrow"]}, {BOTH: 599.0}, 299.0)
    assert not evaluate.targets(wide)[1].met
    assert evaluate.targets(wide)[3].met
    crossed = found.quantiles[BOTH].copy()
    crossed[3, 10] = 0.99
    assert evaluate.targets(DayAhead(found.rows, {BOTH: crossed}, {BOTH: 1.0}))[2].reached == "1 rows"


def test_tables_show_every_method_in_daylight_and_all_hours() -> None:
    found = judged()
    table = evaluate.methods_table(found)
    assert [row[0] for row in table.rows] == [BOTH, "narrow"]
    power, light = found.rows["power"].to_numpy(), found.rows["daylight"].to_numpy()
    for row, name in zip(table.rows, found.quantiles, strict=True):
        quantiles = found.quantiles[name]
        assert row[1] == pytest.approx(pinball_loss(power, quantiles, gefcom.LEVELS))
        assert row[2] == pytest.approx(pinball_loss(power[light], quantiles[light], gefcom.LEVELS))
        inside = (quantiles[light, 9] <= power[light]) & (power[light] <= quantiles[light, 89])
        assert row[4] == pytest.approx(100 * inside.mean())
    assert table.rows[1][4] == pytest.approx(40, abs=5)


def test_the_headline_stands_beside_the_best_peer() -> None:
    found = judged()
    worse = DayAhead(found.rows, {**found.quantiles, "worst": np.ones((960, 99))})
    headline = evaluate.headline(worse)
    assert headline.interval is not None
    assert headline.peer == "narrow"
    assert headline.value < headline.peer_value
    assert "days of issue" in headline.interval.unit


def test_published_scores_stand_beside_ours() -> None:
    found = judged()
    table = evaluate.contest_table(found)
    assert [column.name for column in table.columns][2:4] == ["Gang-gang (1st)", "dmlab (2nd)"]
    assert table.rows[0][0] == "4"
    assert table.rows[0][2:4] == [0.01292, 0.01238]
    assert table.rows[-1][1] == pytest.approx(evaluate.losses(found, BOTH).mean())
