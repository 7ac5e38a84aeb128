"""Units that own several rows: who is in which part, how much of a unit is seen, and what a user's file may not be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import optimize, stats

from demos.private_training.budget.accountant import Mechanism, epsilon_of
from demos.private_training.budget.group import group_epsilon
from demos.private_training.config import EACH, ONE, SEVERAL, SPREAD, FlightsSection
from demos.private_training.data import manifest
from demos.private_training.demo import DEMO
from demos.private_training.flights.jobs import Job, _scaled
from demos.private_training.flights.lots import identities
from demos.private_training.flights.methods import noise_for, number_of, recipes, units
from demos.private_training.flights.own import read
from demos.private_training.flights.rows import (
    CARRIERS,
    FILE,
    Rows,
    bounded,
    departures,
    load,
    scheduled,
    single_rows,
    split,
)
from demos.private_training.learn.fit import Recipe, Units, fit
from demos.private_training.learn.networks import linear
from demos.private_training.step.bits import SeededBits
from shared.config import load as load_config
from shared.data import fetch_member
from shared.errors import UserError
from shared.execute import Options, execute

DELTA = 1e-5
ONE_STEP = Recipe(steps=1, rate=1.0, learning_rate=1.0, bound=0.1, momentum=0.0, averaged=0.0)


@pytest.fixture(scope="module")
def year() -> Rows:
    """All departures."""
    return departures()


def owned(counts: list[int]) -> Rows:
    """Owners with so many rows; the last two inputs of a row tell its owner and its number among all."""
    random = np.random.default_rng(0)
    owners = np.repeat(np.arange(len(counts)), counts)
    inputs = random.normal(size=(len(owners), 5)).astype(np.float32)
    inputs[:, 3], inputs[:, 4] = owners, np.arange(len(owners))
    return Rows(owners, random.integers(0, 2, len(owners)), inputs, identities(map(str, range(len(counts)))))


def without(rows: Rows, owner: int) -> Rows:
    """As the same file would be read if that owner had never been."""
    kept = rows.owners != owner
    owners = np.unique(rows.owners[kept], return_inverse=True)[1]
    return Rows(owners, rows.labels[kept], rows.inputs[kept], np.delete(rows.identities, owner))


def test_no_aircraft_is_in_two_parts(year: Rows) -> None:
    raw = pd.read_csv(fetch_member(manifest(), FILE), usecols=["tailnum", "arr_delay"])
    tails = raw.loc[raw["arr_delay"].notna() & raw["tailnum"].notna(), "tailnum"].to_numpy(dtype=str)
    first, second = (split(year, 0.1, 0.2, seed=0, number=number) for number in (0, 1))
    parts = [set(tails[year.of(part)]) for part in (first.public, first.train, first.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(set(tails)) == 4037
    # Public units choose recipes for all seeds, and so may be private for none of them.
    assert np.array_equal(first.public, second.public)
    assert not np.array_equal(first.test, second.test)


def test_the_departures_are_those_of_the_card(year: Rows) -> None:
    assert len(year.labels) == 327_346
    assert (year.counts.min(), np.median(year.counts), year.counts.max()) == (1, 53, 544)
    assert round(float(year.labels.mean()), 2) == 0.24


def test_what_a_row_is_fed_does_not_depend_on_other_rows() -> None:
    raw = pd.read_csv(fetch_member(manifest(), FILE), nrows=300)
    alone, among = scheduled(raw.iloc[5:6]), scheduled(raw)[5:6]
    assert np.array_equal(alone, among)
    np.testing.assert_allclose(np.linalg.norm(among, axis=1), 1, rtol=1e-6)
    unknown = raw.iloc[5:6].assign(carrier="ZZ")
    assert np.count_nonzero(scheduled(unknown)) == np.count_nonzero(alone) - 1


def test_the_public_list_of_carriers_is_in_order_and_complete() -> None:
    # Complete as it happens: a carrier that is missing would be none of them, and not an error.
    raw = pd.read_csv(fetch_member(manifest(), FILE), usecols=["carrier"])
    assert list(CARRIERS) == sorted(set(raw["carrier"]))


def test_no_unit_shows_more_than_its_bound_and_only_its_own_rows() -> None:
    rows = owned([1, 3, 10, 4, 7])
    owners = np.array([0, 2, 3])
    units = bounded(rows, owners, 4, 0)
    assert units.weights is not None
    seen = units.weights > 0
    assert seen.sum(1).tolist() == [1, 4, 4]
    torch.testing.assert_close(units.weights.sum(1), torch.ones(3))
    for place, owner in enumerate(owners):
        rows_seen = units.inputs[place][seen[place]]
        assert set(rows_seen[:, 3].tolist()) == {float(owner)}
        assert len(set(rows_seen[:, 4].tolist())) == len(rows_seen)
        numbers = rows_seen[:, 4].long().numpy()
        assert np.array_equal(units.labels[place][seen[place]].numpy(), rows.labels[numbers])
    other = bounded(rows, owners, 4, 1)
    assert not torch.equal(units.inputs[1], other.inputs[1])


def test_rows_are_drawn_alike() -> None:
    rows = owned([5, 2])
    drawn = [bounded(rows, np.array([0]), 2, seed).inputs[0, :, 4] for seed in range(500)]
    shares = torch.bincount(torch.cat(drawn).long(), minlength=5) / 500
    assert float((shares - 2 / 5).abs().max()) < 5 * (0.4 * 0.6 / 500) ** 0.5


def step_of(units: Units) -> torch.Tensor:
    """The sum of clipped gradients, read off a step without noise."""
    model = fit(linear(5, 2), units, ONE_STEP, 0.0, SeededBits(0))
    return torch.cat([model.weight.detach().flatten(), model.bias.detach()]) * -len(units)


def test_a_unit_moves_the_sum_by_the_bound_at_most_however_many_rows_it_has() -> None:
    rows = owned([1, 300, 5, 100])
    everyone = bounded(rows, np.arange(4), 64, 0)
    for unit in range(4):
        # Drawn anew without it: no other unit may show other rows then.
        others = bounded(without(rows, unit), np.arange(3), 64, 0)
        moved = float((step_of(everyone) - step_of(others)).norm())
        assert moved <= ONE_STEP.bound * (1 + 1e-5)
        # Their numbers make these gradients long, so that the bound is reached, and the test could fail.
        assert moved == pytest.approx(ONE_STEP.bound, rel=1e-3)
    # The same owner as rows of its own is not bounded so.
    assert len(single_rows(rows, np.array([1]))) == 300


def test_what_is_in_the_padding_changes_nothing() -> None:
    units = bounded(owned([1, 3, 10]), np.arange(3), 8, 0)
    assert units.weights is not None
    padding = units.weights == 0
    assert padding.any()
    inputs = torch.where(padding[..., None], torch.full_like(units.inputs, 77.0), units.inputs)
    other = Units(inputs, torch.where(padding, 1 - units.labels, units.labels), units.weights)
    torch.testing.assert_close(step_of(units), step_of(other))


def test_a_row_of_ones_own_costs_what_the_plain_accountant_says() -> None:
    mechanism = Mechanism(3.0, 0.1, 50)
    assert group_epsilon(mechanism, 1, DELTA) == pytest.approx(epsilon_of(mechanism, DELTA), abs=2e-2)


def test_a_promise_to_rows_is_worth_less_the_more_of_them_one_has() -> None:
    mechanism = Mechanism(5.0, 0.1, 10)
    bounds = [group_epsilon(mechanism, rows, DELTA) for rows in (1, 2, 5, 20, 60)]
    assert bounds == sorted(bounds)
    assert bounds[1] > 1.5 * bounds[0]
    # All rows at every step would be the worst case.
    assert bounds[-1] < group_epsilon(Mechanism(5.0, 1.0, 10), 60, DELTA)
    assert group_epsilon(Mechanism(1.0, 1.0, 100), 100, DELTA) == float("inf")


@pytest.mark.parametrize(("multiplier", "rate", "rows"), [(2.0, 0.1, 20), (5.0, 0.3, 10), (1.0, 0.5, 2)])
def test_of_one_step_it_is_what_the_mixture_of_an_owners_rows_comes_to(
    multiplier: float, rate: float, rows: int
) -> None:
    # By integration on a fine grid, both ways, of N(0, s) and the mixture of N(j, s) by how many rows are drawn.
    grid = np.linspace(-12 * multiplier, rows + 12 * multiplier, 40_001)
    shifts = np.arange(rows + 1)
    mixed = stats.norm.pdf(grid[:, None] - shifts, scale=multiplier) @ stats.binom.pmf(shifts, rows, rate)
    plain = stats.norm.pdf(grid, scale=multiplier)

    def delta_at(epsilon: float) -> float:
        ways = (mixed - np.exp(epsilon) * plain, plain - np.exp(epsilon) * mixed)
        return max(float(np.clip(way, 0, None).sum()) for way in ways) * float(grid[1] - grid[0])

    exact = optimize.brentq(lambda epsilon: delta_at(epsilon) - DELTA, 0.0, 60.0)
    bound = group_epsilon(Mechanism(multiplier, rate, 1), rows, DELTA)
    assert exact - 1e-3 <= bound <= exact + 3e-2


def test_with_all_rows_at_every_step_noise_counts_for_as_much_less() -> None:
    assert group_epsilon(Mechanism(40.0, 1.0, 30), 5, DELTA) == pytest.approx(
        epsilon_of(Mechanism(8.0, 1.0, 30), DELTA), rel=1e-2
    )
    with pytest.raises(UserError, match="at least one row"):
        group_epsilon(Mechanism(1.0, 1.0, 1), 0, DELTA)


@pytest.mark.parametrize("way", [SEVERAL, SPREAD, ONE, EACH])
def test_recipes_are_of_one_price_and_noise_on_few_units_is_to_the_mean_what_it_will_be(way: str) -> None:
    rows = owned([40] * 200)
    tried = recipes(way, len(rows.labels), 8)
    assert len(tried) == 8
    assert len({(recipe.steps, recipe.rate) for recipe in tried}) == 1
    owners = split(rows, 0.1, 0.2, seed=0, number=0)
    job = Job(way, rows, owners, 4, 3.0, 2.0, tried[0], 0)
    recipe, multiplier = _scaled(job, tried[0], owners.public)
    few, many = (number_of(way, rows, part, 4) for part in (owners.public, owners.train))
    assert recipe.rate <= 1
    assert many == len(units(way, rows, owners.train, 4, 0))
    assert multiplier / (recipe.rate * few) == pytest.approx(job.multiplier / (tried[0].rate * many))


def test_rows_that_are_clipped_one_by_one_take_as_many_times_the_noise() -> None:
    mechanism = Mechanism(8.0, 1.0, 30)
    told = Mechanism(noise_for(SPREAD, 5, mechanism), 1.0, 30)
    assert group_epsilon(told, 5, DELTA) == pytest.approx(epsilon_of(mechanism, DELTA), rel=1e-2)
    assert noise_for(SEVERAL, 5, mechanism) == mechanism.multiplier


def own_table() -> pd.DataFrame:
    """120 owners, the first of them of three rows."""
    owners = [f"owner {number:03}" for number in range(120)] + ["owner 000"] * 2
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "who": owners,
            "late": random.integers(0, 2, len(owners)),
            "hour": random.integers(0, 24, len(owners)),
            "where": random.choice(["here", "there"], len(owners)),
            "unused": "x",
        }
    )


def section(path: Path) -> FlightsSection:
    return FlightsSection(
        file=path, unit="who", label="late", ranges={"hour": (0, 24)}, categories={"where": ["here", "there"]}
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_ones_own_is_read_by_its_stated_ranges(tmp_path: Path, suffix: str) -> None:
    table = own_table()
    table.loc[0, "hour"], table.loc[1, "hour"] = 30, 12
    table.loc[2, "where"] = "elsewhere"
    path = tmp_path / f"own.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    rows = load(section(path), seed=0)
    assert rows.counts.tolist() == [3] + [1] * 119
    assert rows.inputs.shape == (122, 3)
    # Of two columns, so that no row is longer than 1.
    np.testing.assert_allclose(rows.inputs[:2, 0], [2**-0.5, 0], atol=1e-6)
    assert rows.inputs[2, 1:].tolist() == [0, 0]
    assert float(np.linalg.norm(rows.inputs, axis=1).max()) <= 1 + 1e-6


def put(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Write a value into a row that counts from 1."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        table.loc[row - 1, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns="late"), "column 'late' is missing"),
        (lambda table: table.rename(columns={"hour": "hours"}), r"column 'hour' is missing.*hours"),
        (lambda table: table.iloc[:0], "no rows"),
        (lambda table: table.iloc[:50], "column 'who' names 50 units; 100 are needed"),
        (lambda table: table.assign(late=1), "column 'late' is 1 in all rows"),
        (put("late", 7, 2), "row 7, column 'late': got '2', must be 0 or 1"),
        (put("late", 7, None), "row 7, column 'late': got nothing, must be 0 or 1"),
        (put("hour", 9, "noon"), "row 9, column 'hour': got 'noon', must be a number"),
        (put("hour", 9, np.nan), "row 9, column 'hour': got nothing, must be a number"),
        (put("hour", 9, np.inf), "row 9, column 'hour': got 'inf', must be a number"),
        (put("who", 11, " "), "row 11, column 'who': got ' ', must not be empty"),
        (put("where", 4, None), "row 4, column 'where': got nothing, must not be empty"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_row(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    path = tmp_path / "own.csv"
    change(own_table()).to_csv(path, index=False)
    with pytest.raises(UserError, match=words) as error:
        read(section(path))
    assert "\n" not in str(error.value)


def test_columns_that_hold_no_single_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    own_table().assign(hour=pd.Timestamp("2013-01-01")).to_parquet(path)
    with pytest.raises(UserError, match=r"column 'hour' is of the type datetime64.*must be a number"):
        read(section(path))
    own_table().assign(hour=[[1, 2]] * 122).to_parquet(path)
    with pytest.raises(UserError, match=r"row 1, column 'hour': got .*, must be a number"):
        read(section(path))
    (tmp_path / "own.csv.zip").write_text("no archive")
    with pytest.raises(UserError, match=r"cannot be read as \.zip"):
        read(section(tmp_path / "own.csv.zip"))


def test_a_file_that_is_not_there_or_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read(section(tmp_path / "none.csv"))
    (tmp_path / "own.parquet").write_text("no table")
    with pytest.raises(UserError, match=r"cannot be read as \.parquet"):
        read(section(tmp_path / "own.parquet"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["flights.file=own.csv"], "read from private rows they would tell"),
        (["flights.ranges={hour: [5, 5]}"], "the first below the second"),
        (["flights.ranges={hour: [0, 24]}", "flights.categories={hour: [a]}"], "in ranges and in categories"),
        (["flights.ranges={label: [0, 1]}"], "is the unit or the label"),
        (["flights.methods=[several rows]"], "which are compared"),
        (["flights.rows=0"], "flights.rows"),
        (["flights.categories={where: [north, ' north']}"], "must be different words"),
        (["flights.categories={where: []}"], "at least one"),
        (["flights.epsilons=[0]"], "flights.epsilons"),
    ],
)
def test_settings_that_cannot_be_are_one_line(overrides: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_config(DEMO.config, DEMO.slug, "cpu", overrides=overrides)


FEW = [
    "chapters=[flights]",
    "flights.epsilons=[3.0]",
    "flights.seeds=2",
    "flights.recipes=2",
    "flights.rows=4",
    "flights.sweep=[1]",
]


def test_a_delta_that_would_allow_to_publish_a_unit_is_refused(tmp_path: Path) -> None:
    overrides = [*FEW, "flights.units=200", "flights.delta=0.01"]
    config = load_config(DEMO.config, DEMO.slug, "smoke", overrides=overrides)
    with pytest.raises(UserError, match=r"delta = 0.01 is not below 1/N"):
        execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))


@pytest.mark.slow
def test_the_chapter_tells_of_units_beside_rows(tmp_path: Path) -> None:
    overrides = [*FEW, "flights.units=300", f"flights.methods=['{SEVERAL}', '{SPREAD}', '{ONE}', '{EACH}']"]
    config = load_config(DEMO.config, DEMO.slug, "smoke", overrides=overrides)
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    result = envelope.result
    assert [headline.peer for headline in result.headlines] == ["Opacus, at most 4 rows of a unit"]
    promises = next(table for table in result.tables if table.title.startswith("Epsilon of a unit"))
    assert [row[0] for row in promises.rows] == ["each row a unit, epsilon 3", "whole units, epsilon 3"]
    assert [float(str(cell)) > 3 for cell in promises.rows[0][1:2]] == [True]
    assert all(0 <= metric.value <= 100 for metric in result.metrics)
    assert (folder / "report.html").is_file()


@pytest.mark.slow
def test_the_chapter_runs_on_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    table = own_table().drop_duplicates("who")
    table.to_csv(path, index=False)
    overrides = [
        *FEW,
        f"flights.file={path}",
        "flights.unit=who",
        "flights.label=late",
        "flights.ranges={hour: [0, 24]}",
        f"flights.methods=['{SEVERAL}', '{SPREAD}', '{ONE}', '{EACH}']",
    ]
    config = load_config(DEMO.config, DEMO.slug, "smoke", overrides=overrides)
    _, envelope = execute(DEMO, config, "smoke", Options(tmp_path / "runs", quiet=True))
    assert [use.name for use in envelope.result.data] == ["own.csv"]
    (part,) = envelope.result.parts
    assert any("No unit has more than one row" in note for note in part.notes)
