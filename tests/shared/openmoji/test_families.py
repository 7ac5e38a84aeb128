"""Families hold together what is one thing drawn twice."""

import doctest

import numpy as np

from shared.openmoji import families as module
from shared.openmoji.families import NEAR, families, families_of, role
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.seed import generator


def test_examples() -> None:
    assert doctest.testmod(module) == (0, 1)


def test_a_family_is_named_by_its_first_record() -> None:
    found = families()
    assert (found <= np.arange(len(found))).all()
    assert (found[found] == found).all()
    assert len(set(found.tolist())) == 2214


def test_ties_hold() -> None:
    found, emojis = families(), records()
    by_name = {emoji.name: found[index] for index, emoji in enumerate(emojis)}
    together = [
        ("cook", "man cook", "woman cook: dark skin tone"),  # role, gender and tone
        ("flag: Romania", "flag: Chad"),  # the same picture
        ("flag: Indonesia", "flag: Monaco"),
        ("prince", "princess"),
        ("person walking", "person walking: facing right"),
    ]
    for names in together:
        assert len({by_name[name] for name in names}) == 1, names
    # The same word: two pictures called "brain".
    assert len({found[index] for index, emoji in enumerate(emojis) if emoji.name == "brain"}) == 1
    assert by_name["cook"] != by_name["farmer"]


def test_skin_tones_stay_with_their_base() -> None:
    found, emojis = families(), records()
    at = {emoji.hexcode: index for index, emoji in enumerate(emojis)}
    assert all(found[at[emoji.base]] == found[index] for index, emoji in enumerate(emojis))


def test_families_do_not_depend_on_the_order_of_the_records() -> None:
    emojis, pixels, expected = records(), pictures(module.SIZE), families()
    order = generator(0, "order").permutation(len(emojis))
    shuffled = families_of([emojis[index] for index in order], pixels[order])
    # Family of the first record of the family, wherever the two now lie.
    pairs = set(zip(expected[order].tolist(), shuffled.tolist(), strict=True))
    assert len(pairs) == len(set(expected.tolist())) == len(set(shuffled.tolist()))


def test_how_near_is_near_hardly_matters() -> None:
    counts = [len(set(families_of(records(), pictures(module.SIZE), near).tolist())) for near in (NEAR / 2, 2 * NEAR)]
    assert max(counts) - min(counts) < 0.02 * len(set(families().tolist()))


def test_roles_keep_what_is_not_gender() -> None:
    assert role("1F9D1-200D-1F373") != role("1F9D1-200D-1F33E")
    assert role("1F1E9-1F1EA") == "1F1E9-1F1EA"
