"""All methods at all budgets, tuned on public digits and tuned on the private ones at a charge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from demos.private_training.budget.accountant import multiplier_for
from demos.private_training.config import MethodName, Tuning
from demos.private_training.data import Pictures, mnist, public_digits, split
from demos.private_training.learn.features import shifted
from demos.private_training.learn.jobs import Job, Outcome, Table, train
from demos.private_training.learn.methods import METHODS, Eyes, candidates
from demos.private_training.learn.tune import multiplier_for_search
from shared import device as devices

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run

PUBLIC_TEST = 397  # of the 1,797 public digits: these choose


@dataclass(frozen=True)
class Scores:
    """accuracies: (method, tuning, epsilon) -> one of each seed, 0 to 1; tuning None: without noise, at the public
    recipe of the largest budget. recipes: chosen on public digits."""

    accuracies: dict[tuple[MethodName, Tuning | None, float], list[float]]
    recipes: dict[tuple[MethodName, float], int]


def compare(config: PrivateTrainingConfig, run: Run) -> Scores:
    """Train everything. Raises UserError, before anything is trained, for a budget that no noise keeps."""
    learn = config.learn
    for name in learn.methods:
        for epsilon in learn.epsilons:
            for way in learn.tuning:
                _multiplier(name, epsilon, way, config)
    seen = run.map("features", partial(_tables, config=config), learn.methods)
    tables = dict(zip(learn.methods, seen, strict=True))
    public = [
        Job(
            name,
            tables[name][1],
            config.seed + number,
            _public_multiplier(name, epsilon, config),
            recipe,
            label=f"{epsilon}",
            # Else a recipe would be chosen under the very noise of the first seed's training.
            purpose="public digits",
        )
        for name in learn.methods
        for epsilon in learn.epsilons
        for recipe in candidates(name, learn.recipes)
        for number in range(learn.public_seeds)
    ]
    found: dict[tuple[MethodName, float], dict[int, float]] = {}
    device = devices.resolve(config.device)
    for job, outcome in _done(run, "recipes on public digits", public, device):
        sums = found.setdefault((job.method, float(job.label)), {})
        if outcome.recipe is not None:
            sums[outcome.recipe] = sums.get(outcome.recipe, 0.0) + outcome.accuracy
    recipes = {key: max(sums, key=lambda recipe: sums[recipe]) for key, sums in found.items()}
    jobs = [job for name in learn.methods for job in _jobs(name, tables[name][0], recipes, config)]
    scores = Scores({}, recipes)
    for job, outcome in _done(run, "private training", jobs, device):
        epsilon = float(job.label)
        scores.accuracies.setdefault((job.method, job.tuning, epsilon), []).append(outcome.accuracy)
    return scores


def _done(run: Run, label: str, jobs: list[Job], device: str) -> Iterable[tuple[Job, Outcome]]:
    return zip(jobs, run.map(label, train, [replace(job, device=device) for job in jobs]), strict=True)


def _tables(name: MethodName, config: PrivateTrainingConfig) -> tuple[list[Table], Table]:
    """Of each seed, on the private pictures, and one on the public ones."""
    learn, method = config.learn, METHODS[name]
    private, public = mnist(), public_digits()
    eyes = method.eyes(public_images(config), learn.axes)
    splits = [split(private, learn.train, learn.test, config.seed + number) for number in range(learn.seeds)]
    views = learn.views if method.moved else 1
    (table,) = _seen(public, [_public_split(config)], views, eyes)
    return _seen(private, splits, views, eyes), table


def public_images(config: PrivateTrainingConfig) -> Tensor:
    """(n, 28, 28): the public digits that axes are of: all that recipes are tried on."""
    return public_digits().images[np.sort(np.concatenate(_public_split(config)))]


def _public_split(config: PrivateTrainingConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return split(public_digits(), config.learn.public, PUBLIC_TEST, config.seed)


def _seen(
    pictures: Pictures, splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]], count: int, eyes: Eyes
) -> list[Table]:
    """A table of each split, all of one array of what is fed of the pictures that any of them has."""
    places = np.unique(np.concatenate([part for both in splits for part in both]))
    moved = shifted(pictures.images[places], count)
    with torch.inference_mode():
        views = eyes(moved.flatten(0, 1)).unflatten(0, moved.shape[:2]).numpy()
    labels = pictures.labels[places].numpy()
    return [Table(views, labels, *(np.searchsorted(places, part) for part in both)) for both in splits]


def _public_multiplier(name: MethodName, epsilon: float, config: PrivateTrainingConfig) -> float:
    """Of the noise on public digits that is to their mean gradient what it will be to that of the private units."""
    return _multiplier(name, epsilon, "public", config) * config.learn.public / config.learn.train


def _multiplier(name: MethodName, epsilon: float, way: Tuning, config: PrivateTrainingConfig) -> float:
    """Of the noise of one training, or of each try of a search that is charged."""
    learn, recipe = config.learn, METHODS[name].recipes[0]
    if way == "public":
        return multiplier_for(epsilon, learn.delta, recipe.rate, recipe.steps)
    return multiplier_for_search(epsilon, learn.delta, recipe.rate, recipe.steps, learn.tries)


def _jobs(
    name: MethodName, tables: list[Table], recipes: dict[tuple[MethodName, float], int], config: PrivateTrainingConfig
) -> Iterable[Job]:
    learn = config.learn
    for number, table in enumerate(tables):
        seed = config.seed + number
        for epsilon in learn.epsilons:
            label, recipe = f"{epsilon}", recipes[name, epsilon]
            if "public" in learn.tuning:
                multiplier = _multiplier(name, epsilon, "public", config)
                yield Job(name, table, seed, multiplier, recipe, label=label, tuning="public")
            if "charged" in learn.tuning:
                noise = _multiplier(name, epsilon, "charged", config)
                among = tuple(candidates(name, learn.recipes))
                yield Job(name, table, seed, noise, None, learn.tries, among, label, "charged")
        top = max(learn.epsilons)
        yield Job(name, table, seed, 0.0, recipes[name, top], label="inf")
