"""All ways at all budgets, and ours with other bounds on the rows of a unit; recipes are chosen on public owners."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demos.private_training.budget.accountant import checked_delta
from demos.private_training.budget.group import group_epsilon
from demos.private_training.config import EACH, SEVERAL, SPREAD
from demos.private_training.flights.jobs import Job, train, try_publicly
from demos.private_training.flights.methods import PLAIN, Way, mechanism, noise_for, number_of, recipes
from demos.private_training.flights.rows import Rows, Split, split

if TYPE_CHECKING:
    from demos.private_training.budget.accountant import Mechanism
    from demos.private_training.config import PrivateTrainingConfig
    from demos.private_training.learn.fit import Recipe
    from shared.demo import Run

GROUPS = (10, 100)  # rows of an owner, beside the most that one has, for whom a promise to rows is reckoned
NO_NOISE = math.inf
Cell = tuple[Way, int, float]  # a way, the most rows of a unit, and epsilon, which is infinite without noise


@dataclass(frozen=True)
class Found:
    """scores: AUC of each seed, 0 to 1; chosen: recipes, and the rows of a unit that they use; public_scores: AUC of
    those on public owners; mechanisms: of what has noise; groups: (epsilon of a row, rows of an owner) -> epsilon of
    the owner; splits: of each seed."""

    scores: dict[Cell, list[float]]
    chosen: dict[Cell, tuple[Recipe, int]]
    public_scores: dict[Cell, float]
    mechanisms: dict[Cell, Mechanism]
    groups: dict[tuple[float, int], float]
    splits: list[Split]


def most_rows(way: Way, config: PrivateTrainingConfig) -> int:
    """Rows of a unit that a way sees in the table; 0: all, without a bound."""
    return config.flights.rows if way in (SEVERAL, SPREAD) else 0 if way == PLAIN else 1


def cells(config: PrivateTrainingConfig) -> list[Cell]:
    """What is trained with noise, each once."""
    flights = config.flights
    table: list[Cell] = [(way, most_rows(way, config), each) for way in flights.methods for each in flights.epsilons]
    sweep: list[Cell] = [(SEVERAL, most, flights.sweep_epsilon) for most in flights.sweep]
    return list(dict.fromkeys([*table, *sweep]))


def swept(found: Found, epsilon: float) -> list[int]:
    """Bounds on the rows of a unit that were tried at `epsilon`, in order."""
    return sorted(most for way, most, budget in found.scores if way == SEVERAL and budget == epsilon)


def loosest(config: PrivateTrainingConfig) -> dict[tuple[Way, int], float]:
    """The largest epsilon of each way and bound, whose recipe is also that without noise."""
    found: dict[tuple[Way, int], float] = {}
    for way, most, epsilon in cells(config):
        found[way, most] = max(epsilon, found.get((way, most), 0.0))
    return found


def compare(config: PrivateTrainingConfig, rows: Rows, run: Run) -> Found:
    """Train everything. Raises UserError when delta is too large for the number of units."""
    flights = config.flights
    splits = splits_of(config, rows)
    refuse_delta(config, rows, splits)
    mechanisms = {
        cell: mechanism(recipes(cell[0], len(rows.labels), flights.recipes)[0], cell[2], flights.delta)
        for cell in run.track("noise", cells(config))
    }
    chosen, public_scores = _choose(config, rows, splits[0], mechanisms, run)
    jobs: list[tuple[Cell, Job]] = []
    for number, owners in enumerate(splits):
        seed = config.seed + number
        for cell, (recipe, most) in chosen.items():
            noise = noise_for(cell[0], most, mechanisms[cell])
            jobs.append((cell, Job(cell[0], rows, owners, most, cell[2], noise, recipe, seed)))
        for (each, bound), epsilon in loosest(config).items():
            recipe, most = chosen[each, bound, epsilon]
            jobs.append(((each, bound, NO_NOISE), Job(each, rows, owners, most, NO_NOISE, 0.0, recipe, seed)))
        jobs.append(((PLAIN, 0, NO_NOISE), Job(PLAIN, rows, owners, 0, NO_NOISE, 0.0, None, seed)))
    scores: dict[Cell, list[float]] = {}
    found = run.map("private training on owned rows", train, [job for _, job in jobs])
    for (cell, _), score in zip(jobs, found, strict=True):
        scores.setdefault(cell, []).append(score)
    return Found(scores, chosen, public_scores, mechanisms, _groups(config, rows, mechanisms, run), splits)


def refuse_delta(config: PrivateTrainingConfig, rows: Rows, splits: list[Split]) -> None:
    """Raise UserError when delta is too large for the number of units, or of rows where these are promised."""
    flights = config.flights
    for way in flights.methods:
        # Several rows are bounded for the sake of their unit.
        counted = EACH if way == EACH else SEVERAL
        most = max(number_of(counted, rows, owners.train, flights.rows) for owners in splits)
        checked_delta(flights.delta, most)


def splits_of(config: PrivateTrainingConfig, rows: Rows) -> list[Split]:
    """Of each seed."""
    flights = config.flights
    return [split(rows, flights.public, flights.test, config.seed, number) for number in range(flights.seeds)]


def _choose(
    config: PrivateTrainingConfig, rows: Rows, owners: Split, mechanisms: dict[Cell, Mechanism], run: Run
) -> tuple[dict[Cell, tuple[Recipe, int]], dict[Cell, float]]:
    """The best recipe of each cell on the public owners, with its rows of a unit, and its AUC there."""
    jobs = [
        (
            cell,
            Job(cell[0], rows, owners, most, cell[2], noise_for(cell[0], most, mechanisms[cell]), recipe, config.seed),
        )
        for cell in mechanisms
        for most in bounds_of(cell, config)
        for recipe in recipes(cell[0], len(rows.labels), config.flights.recipes)
    ]
    chosen: dict[Cell, tuple[Recipe, int]] = {}
    best: dict[Cell, float] = {}
    scores = run.map("recipes on public owners", try_publicly, [job for _, job in jobs])
    for (cell, job), score in zip(jobs, scores, strict=True):
        if job.recipe is not None and score > best.get(cell, -1.0):
            best[cell], chosen[cell] = score, (job.recipe, job.most)
    return chosen, best


def bounds_of(cell: Cell, config: PrivateTrainingConfig) -> list[int]:
    """Rows of a unit that are tried for a cell. The noise of a library that clips rows grows with them, and how many
    serve it best is for its recipe to choose."""
    way, most, _ = cell
    if way != SPREAD:
        return [most]
    return sorted({each for each in (1, 2, *config.flights.sweep) if each < most} | {most})


def _groups(
    config: PrivateTrainingConfig, rows: Rows, mechanisms: dict[Cell, Mechanism], run: Run
) -> dict[tuple[float, int], float]:
    if EACH not in config.flights.methods:
        return {}
    asked = [
        (mechanisms[EACH, 1, epsilon], count, config.flights.delta)
        for epsilon in config.flights.epsilons
        for count in group_sizes(config, rows)
    ]
    found = run.map("what rows promise an owner", _group, asked)
    keys = [(epsilon, count) for epsilon in config.flights.epsilons for count in group_sizes(config, rows)]
    return dict(zip(keys, found, strict=True))


def group_sizes(config: PrivateTrainingConfig, rows: Rows) -> list[int]:
    """Rows of an owner for whom the promise to a row is reckoned: some, and of the departures the most that one has.

    Of a user's file that would tell of one unit.
    """
    if config.flights.file is not None:
        return list(GROUPS)
    most = int(rows.counts.max())
    return [*(count for count in GROUPS if count < most), most]


def _group(asked: tuple[Mechanism, int, float]) -> float:
    return group_epsilon(*asked)
