"""Nothing that is judged was trained on: not the thing, not its picture, not its name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.openmoji.families import NEAR, SIZE, families
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.openmoji.splits import (
    FOLDS,
    GENDERS,
    base_split,
    compositional_split,
    group_split,
    nearest,
    split_families,
)
from shared.seed import generator

folds = pytest.mark.parametrize("fold", range(FOLDS))


def names_of(rows: np.ndarray) -> set[str]:
    return {records()[row].name.lower() for row in rows}


def leaks(judged: np.ndarray, train: np.ndarray) -> list[str]:
    """How training knows what is judged; the same check for every split."""
    found = []
    if set(families()[judged]) & set(families()[train]):
        found.append("family")
    if names_of(judged) & names_of(train):
        found.append("name")
    if (nearest(pictures(SIZE), judged, train) < NEAR).any():
        found.append("picture")
    return found


@folds
def test_no_fold_leaks(fold: int) -> None:
    split = group_split()
    assert leaks(split.test(fold), split.train(fold)) == []
    assert leaks(split.validation, split.train(fold)) == []
    assert leaks(split.test(fold), split.validation) == []


def test_the_plausible_split_leaks_by_the_same_check() -> None:
    judged, train = base_split()
    assert leaks(judged, train) == ["family", "name", "picture"]
    pixels = pictures(SIZE)
    trained = {pixels[row].tobytes() for row in train}
    assert sum(pixels[row].tobytes() in trained for row in judged) == 11


@folds
def test_every_record_has_one_part_and_every_family_one_gallery_picture(fold: int) -> None:
    split = group_split()
    parts = [split.train(fold), split.validation, split.test(fold)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(records())))
    gallery = split.gallery(fold)
    assert len(gallery) == len(set(families()[gallery])) == 400
    assert set(gallery) <= set(split.test(fold))
    assert set(families()[split.test(fold)]) == set(families()[gallery])
    assert all(records()[row].skin_tone == 0 for row in gallery)
    assert set(split.train(fold, neutral_only=True)) == {
        row for row in split.train(fold) if records()[row].skin_tone == 0
    }


def test_test_folds_are_disjoint_and_validation_is_in_none() -> None:
    split = group_split()
    galleries = [split.gallery(fold) for fold in range(FOLDS)]
    assert len(set(np.concatenate([*galleries, split.gallery("validation")]).tolist())) == 3 * 400 + 214


@folds
def test_every_group_is_judged_and_trained(fold: int) -> None:
    split, groups = group_split(), np.array([emoji.group for emoji in records()])
    every = set(groups)
    assert set(groups[split.gallery(fold)]) == every
    assert set(groups[split.train(fold)]) == every
    assert set(groups[split.gallery("validation")]) == every


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_the_split_does_not_depend_on_the_order_of_the_records(seed: int) -> None:
    emojis, expected = records(), group_split()
    order = generator(seed, "order").permutation(len(emojis))
    found = split_families([emojis[row] for row in order], families()[order], seed=0)
    assert (found.part == expected.part[order]).all()
    assert set(order[found.representative]) == set(expected.representative)


def test_the_split_is_the_one_that_was_tested() -> None:
    assert group_split().digest == "780b111ab8da4c31"
    assert group_split(1).digest != group_split().digest


@pytest.mark.parametrize("fold", [-1, 3])
def test_there_are_three_folds(fold: int) -> None:
    with pytest.raises(ValueError, match="fold must be 0 to 2"):
        group_split().gallery(fold)


def test_every_pair_of_parts_is_in_training_and_no_triple() -> None:
    split = compositional_split()
    assert (len(split.held), len(split.twins), len(split.cells)) == (237, 48, 79 * 18)
    seen = [(split.role[row], split.gender[row], split.tone[row]) for row in split.train if split.role[row]]
    pairs = [{(a, b) for a, b, _ in seen}, {(a, c) for a, _, c in seen}, {(b, c) for _, b, c in seen}]
    for row in split.held:
        role, gender, tone = split.role[row], split.gender[row], split.tone[row]
        assert (role, gender, tone) not in seen
        assert ((role, gender) in pairs[0]) & ((role, tone) in pairs[1]) & ((gender, tone) in pairs[2])


def test_no_held_combination_has_its_picture_or_name_in_training() -> None:
    split, pixels = compositional_split(), pictures(SIZE)
    trained = {pixels[row].tobytes() for row in split.train}
    assert not any(pixels[row].tobytes() in trained for row in split.held)
    assert not names_of(split.held) & names_of(split.train)
    # The twins that were taken out are why.
    assert all(pixels[row].tobytes() in {pixels[held].tobytes() for held in split.held} for row in split.twins)


def test_the_square_is_balanced() -> None:
    split = compositional_split()
    held = [(split.gender[row], split.tone[row]) for row in split.held]
    counts = [held.count((gender, tone)) for gender in GENDERS for tone in range(1, 6)]
    assert sum(counts) == 237
    assert max(counts) - min(counts) <= 1
    assert all(split.tone[row] > 0 for row in split.held)
