"""All attacks: many short trainings, one crowded one, trainings that are broken on purpose, and shadow models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from demos.private_training.audit.bounds import Guesses, Trials, tried
from demos.private_training.audit.broken import broken, unguarded, with_batch_norm
from demos.private_training.audit.jobs import (
    BOUND,
    Crowded,
    Shadow,
    Short,
    crowded_training,
    shadow,
    short_trainings,
)
from demos.private_training.audit.lira import halves
from demos.private_training.audit.sensitivity import furthest_move
from demos.private_training.budget.accountant import Mechanism, multiplier_for
from demos.private_training.data import CLASSES, mnist
from demos.private_training.learn.compare import public_images
from demos.private_training.learn.features import public_axes, scattered, shifted
from demos.private_training.learn.fit import Recipe, Units
from demos.private_training.learn.networks import small_cnn
from shared.seed import generator

if TYPE_CHECKING:
    from demos.private_training.config import Break, PrivateTrainingConfig
    from shared.demo import Run

SHORT_STEPS, CROWDED_STEPS = 4, 20
CHUNK = 250  # short trainings in one job
BROKEN_EPSILON = 3.0  # that the broken trainings claim
RATE = 0.1  # of Poisson batches
GUESSED = (0.05, 0.2)  # of the canaries: for the bound of Gaussian noise, and for that of any mechanism
LONG = Recipe(steps=400, rate=1.0, learning_rate=20.0, bound=1e9)  # without a bound: learns its pictures by heart
CAREFUL = Recipe(steps=100, rate=1.0, learning_rate=50.0, bound=BOUND)


@dataclass(frozen=True)
class Members:
    """confidences: (models, pictures), of each model in the right class; masks: whether it had the picture.

    mechanism: of the trainings, or None without noise.
    """

    confidences: NDArray[np.float64]
    masks: NDArray[np.bool_]
    mechanism: Mechanism | None


@dataclass(frozen=True)
class Found:
    """short, crowded: by budget; crowded for each of GUESSED. broken: None is the sound training on samples."""

    mechanisms: dict[float, Mechanism]
    short: dict[float, Trials]
    crowded: dict[float, list[Guesses]]
    broken: dict[Break | None, tuple[Mechanism, Trials]]
    members: dict[str, Members]
    moves: dict[str, float]  # of one unit, over the bound


def attack(config: PrivateTrainingConfig, run: Run) -> Found:
    """Train, attack."""
    learn, audit = config.learn, config.audit
    inputs, labels = _features(config)
    mechanisms = {
        epsilon: Mechanism(multiplier_for(epsilon, learn.delta, 1.0, SHORT_STEPS), 1.0, SHORT_STEPS)
        for epsilon in learn.epsilons
    }
    broken = _variants(config)
    asked: list[tuple[Mechanism, int, int, Break | None]] = [
        (mechanism, audit.runs, config.seed, None) for mechanism in mechanisms.values()
    ]
    asked += [(mechanism, audit.broken_runs, config.seed + 1, name) for name, mechanism in broken.items()]
    trials = _short(run, asked)
    short = dict(zip(mechanisms, trials, strict=False))
    made = tuple(2 * round(share * audit.canaries / 2) for share in GUESSED)
    crowded = [
        Crowded(
            Mechanism(multiplier_for(epsilon, learn.delta, 1.0, CROWDED_STEPS), 1.0, CROWDED_STEPS),
            inputs[:1000],
            labels[:1000],
            audit.canaries,
            made,
            config.seed,
        )
        for epsilon in learn.epsilons
    ]
    guesses = run.map("trainings with many canaries", crowded_training, crowded)
    return Found(
        mechanisms,
        short,
        dict(zip(learn.epsilons, guesses, strict=True)),
        {name: (broken[name], found) for name, found in zip(broken, trials[len(short) :], strict=True)},
        _members(inputs, labels, config, run),
        moves(config.seed),
    )


def _features(config: PrivateTrainingConfig) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    pictures = mnist()
    chosen = generator(config.seed, "private_training", "audited").permutation(len(pictures))[: config.audit.pictures]
    with torch.inference_mode():
        features = public_axes(public_images(config), config.learn.axes)(scattered(pictures.images[chosen]))
    return features.numpy(), pictures.labels[chosen].numpy()


def _short(run: Run, asked: list[tuple[Mechanism, int, int, Break | None]]) -> list[Trials]:
    """Trials of short trainings: of each mechanism, a number of them, by a seed, sound or broken."""
    jobs = [
        (place, Short(mechanism, first, min(CHUNK, count - first), seed, broken))
        for place, (mechanism, count, seed, broken) in enumerate(asked)
        for first in range(0, count, CHUNK)
    ]
    parts = run.map("short trainings, in chunks", short_trainings, [job for _, job in jobs])
    found = []
    for place in range(len(asked)):
        mine = [part for (which, _), part in zip(jobs, parts, strict=True) if which == place]
        scores, inside = (np.concatenate(part) for part in zip(*mine, strict=True))
        # Where both are as likely: fixed beforehand, and best for members and others in equal numbers.
        found.append(tried(scores, inside, 0.0))
    return found


def sampled_mechanism(config: PrivateTrainingConfig) -> Mechanism:
    """Steps on Poisson batches, as many as a shuffled training of the same passes has."""
    return Mechanism(config.audit.sampled_noise, RATE, config.audit.sampled_passes * round(1 / RATE))


def _variants(config: PrivateTrainingConfig) -> dict[Break | None, Mechanism]:
    """What is claimed of each training that is broken, and of the sound one on samples (None) beside its like."""
    sampled = sampled_mechanism(config)
    claimed = Mechanism(multiplier_for(BROKEN_EPSILON, config.learn.delta, 1.0, SHORT_STEPS), 1.0, SHORT_STEPS)
    asked = config.audit.broken
    sound: dict[Break | None, Mechanism] = {None: sampled} if "shuffled batches" in asked else {}
    return {**sound, **{name: sampled if name == "shuffled batches" else claimed for name in asked}}


def _members(
    inputs: NDArray[np.float32], labels: NDArray[np.int64], config: PrivateTrainingConfig, run: Run
) -> dict[str, Members]:
    masks = halves(config.audit.shadows, len(labels), generator(config.seed, "private_training", "halves"))
    ways: dict[str, tuple[Recipe, Mechanism | None]] = {
        "no privacy": (LONG, None),
        "clipped, no noise": (CAREFUL, None),
    }
    for epsilon in sorted(config.learn.epsilons, reverse=True):
        noise = multiplier_for(epsilon, config.learn.delta, CAREFUL.rate, CAREFUL.steps)
        ways[f"epsilon {epsilon:g}"] = (CAREFUL, Mechanism(noise, CAREFUL.rate, CAREFUL.steps))
    jobs = [
        job for recipe, mechanism in ways.values() for job in _shadows(inputs, labels, masks, recipe, mechanism, config)
    ]
    found = iter(run.map("shadows", shadow, jobs))
    return {
        name: Members(np.stack([next(found) for _ in masks]), masks, mechanism) for name, (_, mechanism) in ways.items()
    }


def _shadows(
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    masks: NDArray[np.bool_],
    recipe: Recipe,
    mechanism: Mechanism | None,
    config: PrivateTrainingConfig,
) -> list[Shadow]:
    multiplier = mechanism.multiplier if mechanism else 0.0
    return [Shadow(inputs, labels, mask, recipe, multiplier, config.seed, number) for number, mask in enumerate(masks)]


def moves(seed: int) -> dict[str, float]:
    """How far one of 30 pictures moves the clipped sum, over the bound: as it should be, and broken on purpose."""
    # Alike, so that what moves all of them moves the sum far; and one that is 30 times as bright.
    alike = np.flatnonzero(mnist().labels == 3)[:30]
    images, labels = mnist().images[alike].clone(), mnist().labels[alike, None]
    images[0] *= 30
    pixels = Units(images[:, None], labels)
    flat = Units(images.flatten(1)[:, None], labels)
    moved = Units(shifted(images, 5), labels.expand(-1, 5))
    found = {
        "small CNN": furthest_move(small_cnn(seed), pixels, BOUND),
        "small CNN, 5 views": furthest_move(small_cnn(seed), moved, BOUND),
    }
    for name in ("no clipping", "the mean is clipped"):
        with broken(name):
            found[f"small CNN, {name}"] = furthest_move(small_cnn(seed), pixels, BOUND)
    with unguarded(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = with_batch_norm(flat.inputs.shape[-1], CLASSES)
        found["a network with BatchNorm"] = furthest_move(network, flat, BOUND)
    return found
