"""One table of numbers for any model: perfect vectors score fully, random ones by chance, folds are pooled."""

import hashlib

import numpy as np
import pytest

from demos.clip_retrieval.judging.scores import FoldScores, estimates, score
from shared.openmoji.records import records
from shared.openmoji.splits import FOLDS, group_split
from shared.seed import generator

DIMENSION = 256


def hashed(texts: list[str]) -> np.ndarray:
    """A vector for each text that has nothing to do with another's."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
    found = np.stack([generator(seed, "text").normal(size=DIMENSION) for seed in seeds]).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def fold(number: int, images: np.ndarray | None = None, every: bool = False) -> FoldScores:
    rows = group_split().gallery(number)
    named = hashed([records()[row].name for row in rows])
    larger = group_split().representative
    beyond = (larger, hashed([records()[row].name for row in larger])) if every else None
    return score(named if images is None else images, hashed, rows, every=beyond)


def test_perfect_vectors_find_everything() -> None:
    found = estimates([fold(number) for number in range(FOLDS)], resamples=200)
    assert found["R@1"].value == found["image to text R@1"].value == found["MRR"].value == 1
    assert found["R@1"].chance == pytest.approx(1 / 400)
    assert found["median rank"].value == 1
    assert found["R@1"].interval.unit.startswith("1200 families")


def test_random_vectors_are_at_chance() -> None:
    images = [hashed([f"random {number} {row}" for row in range(400)]) for number in range(FOLDS)]
    found = estimates([fold(number, images[number]) for number in range(FOLDS)], resamples=500)
    assert len(found) == 15
    for name, estimate in found.items():
        assert estimate.interval.low <= estimate.value <= estimate.interval.high
        width = estimate.interval.high - estimate.interval.low
        assert estimate.interval.low - width <= estimate.chance <= estimate.interval.high + width, name


def test_image_to_image_can_use_other_vectors() -> None:
    rows = group_split().gallery(0)
    kinds = hashed([records()[row].subgroup for row in rows])
    names = hashed([records()[row].name for row in rows])
    found = score(names, hashed, rows, named=kinds)
    assert found.text_to_image.hits(1).mean() == 1
    # Ties within a subgroup are right answers all: nothing is lost by them.
    assert found.subgroups.precision.mean() == pytest.approx(found.subgroups.best_precision)


def test_more_pictures_are_harder_or_the_same() -> None:
    found = fold(1, every=True)
    assert found.larger is not None
    assert found.larger.gallery == 2214
    assert (found.larger.ranks >= found.text_to_image.ranks).all()
    assert fold(1).larger is None
