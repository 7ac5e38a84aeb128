"""The parts of an answer are judged one by one, and identical pictures are one answer."""

import numpy as np
import pytest

from demos.clip_retrieval.judging.compositional import PARTS, compose, gallery_of, right_parts
from shared.openmoji.families import identities
from shared.openmoji.splits import compositional_split
from shared.seed import generator

SAME = identities()[:, 1]


@pytest.mark.parametrize(("which", "size"), [("all", 1422), ("held", 237)])
def test_the_picture_itself_is_right_in_every_part(which: str, size: int) -> None:
    split = compositional_split()
    gallery = gallery_of(split, which)  # type: ignore[arg-type]
    assert len(gallery) == size
    found = compose((split.held[:, None] == gallery[None]).astype(float), split, gallery, SAME)
    assert {part: right.mean() for part, right in found.right.items()} == dict.fromkeys(PARTS, 1.0)


def test_parts_are_judged_apart() -> None:
    split = compositional_split()
    gallery = gallery_of(split, "all")
    for part, column in zip(PARTS[:3], (split.role, split.gender, split.tone), strict=True):
        # An oracle that knows one part alone, and prefers wrong values of the others.
        others = [other for other in (split.role, split.gender, split.tone) if other is not column]
        wrong = np.logical_and.reduce([other[split.held][:, None] != other[gallery][None] for other in others])
        scores = (column[split.held][:, None] == column[gallery][None]) + 0.5 * wrong
        found = compose(scores + 1e-3 * generator(0, part).random(scores.shape), split, gallery, SAME)
        assert found.right[part].mean() == 1
        assert found.right["all three"].mean() < 0.05


def test_a_person_drawn_as_a_man_is_right_by_the_man() -> None:
    split = compositional_split()
    gallery = gallery_of(split, "all")
    identical = SAME[split.held][:, None] == SAME[gallery][None]
    twin = np.flatnonzero(identical.sum(1) > 1)
    assert len(twin) >= 24
    itself = split.held[:, None] == gallery[None]
    scores = np.where(identical & ~itself, 1.0, 0.0)
    found = compose(scores, split, gallery, SAME)
    assert all(found.right[part][twin].all() for part in PARTS)
    # Of pictures that differ, none is forgiven.
    distinct = right_parts(split, gallery, np.arange(len(SAME)))
    assert (distinct["all three"].sum(1) == 1).all()


def test_ties_are_as_bad_as_their_worst() -> None:
    split = compositional_split()
    gallery = gallery_of(split, "all")
    found = compose(np.zeros((237, len(gallery))), split, gallery, SAME)
    assert all(right.sum() == 0 for right in found.right.values())


def test_random_scores_are_at_chance() -> None:
    split = compositional_split()
    gallery = gallery_of(split, "all")
    scores = generator(1, "composition").random((40, 237, len(gallery)))
    found = [compose(each, split, gallery, SAME) for each in scores]
    chance = found[0].chance
    assert chance["role"] == pytest.approx(1 / 79, rel=1e-3)
    assert chance["skin tone"] == pytest.approx(1 / 6, rel=1e-3)
    assert 1 / 3 < chance["gender"] < 0.5
    for part in PARTS:
        assert np.mean([each.right[part] for each in found]) == pytest.approx(chance[part], abs=0.015)
