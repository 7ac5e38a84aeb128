"""Additive shares and sealed letters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.private_training.step.bits import SeededBits, SystemBits
from demos.private_training.trust.sealed import private_key, public_key, seal, unseal
from demos.private_training.trust.shares import LARGEST, added, joined, split
from shared.errors import UserError


class Given:
    """A source that gives the words it was given."""

    seeded = True

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self._words = words

    def words(self, count: int) -> NDArray[np.uint64]:
        assert count == len(self._words)
        return self._words


@st.composite
def secrets(draw: st.DrawFn) -> list[NDArray[np.int64]]:
    """Of 2 to 6 owners, as many numbers of each, up to what is allowed."""
    owners, size = draw(st.integers(2, 6)), draw(st.integers(0, 5))
    whole = st.integers(-(LARGEST // owners), LARGEST // owners)
    return [np.array(draw(st.lists(whole, min_size=size, max_size=size)), dtype=np.int64) for _ in range(owners)]


@given(secrets(), st.integers(0, 2**32))
def test_the_sum_is_exact_to_the_bit(numbers: list[NDArray[np.int64]], seed: int) -> None:
    shares = [split(secret, len(numbers), SeededBits(seed, place)) for place, secret in enumerate(numbers)]
    published = [added([of[place] for of in shares]) for place in range(len(numbers))]
    assert joined(published).tolist() == [
        sum(column) for column in zip(*(part.tolist() for part in numbers), strict=True)
    ]


@given(st.integers(2, 6), st.lists(st.integers(-1000, 1000), max_size=5), st.integers(0, 2**32))
def test_all_but_one_share_are_the_words_of_the_source(owners: int, secret: list[int], seed: int) -> None:
    shares = split(np.array(secret, dtype=np.int64), owners, SeededBits(seed))
    words = SeededBits(seed).words((owners - 1) * len(secret)).reshape(owners - 1, -1)
    np.testing.assert_array_equal(shares[:-1], words)


@given(st.integers(2, 5), st.integers(0, 4), st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(0, 2**32))
def test_whichever_share_is_missing_the_others_fit_every_secret(
    owners: int, missing: int, secret: int, other: int, seed: int
) -> None:
    # Of the same number of equally likely words, exactly one choice gives what was seen, whatever the secret is.
    missing %= owners
    seen = split(np.array([secret]), owners, SeededBits(seed))
    words = seen[:-1, 0].copy()
    if missing < owners - 1:
        rest = sum(int(share) for place, share in enumerate(seen[:, 0]) if place != missing)
        words[missing] = np.uint64((other - rest) % 2**64)
    again = split(np.array([other]), owners, Given(words))
    assert [place for place in range(owners) if again[place, 0] != seen[place, 0]] in ([], [missing])


def test_shares_of_the_same_secret_look_like_nothing() -> None:
    shares = split(np.full(20_000, 7), 3, SystemBits())
    for share in shares:
        ones = np.unpackbits(share.view(np.uint8)).mean()
        assert abs(ones - 0.5) < 5 * 0.5 / np.sqrt(64 * len(share))


def test_wrapping_around_is_no_harm_and_overflow_is_refused() -> None:
    limit = LARGEST // 2
    both = [np.array([limit, -limit]), np.array([limit, -limit])]
    shares = [split(secret, 2, SeededBits(place)) for place, secret in enumerate(both)]
    assert joined([added([of[place] for of in shares]) for place in (0, 1)]).tolist() == [2 * limit, -2 * limit]
    for number in (limit + 1, -limit - 1, np.iinfo(np.int64).min):
        with pytest.raises(UserError, match=f"at most {limit} on either side of 0"):
            split(np.array([number]), 2, SystemBits())
    with pytest.raises(UserError, match="must be whole"):
        split(np.array([0.5]), 2, SystemBits())  # type: ignore[arg-type]


def test_one_owner_has_nothing_to_hide_behind() -> None:
    with pytest.raises(UserError, match="at least 2 owners, got 1"):
        split(np.array([1]), 1, SystemBits())


def test_a_letter_opens_for_its_receiver_alone() -> None:
    mine, yours, third = private_key(), private_key(), private_key()
    sealed = seal(b"share", mine, public_key(yours), "round 1, from 0 to 1")
    assert b"share" not in sealed
    assert unseal(sealed, yours, public_key(mine), "round 1, from 0 to 1") == b"share"
    assert seal(b"share", mine, public_key(yours), "round 1, from 0 to 1") != sealed
    wrong = [
        (sealed, third, public_key(mine), "round 1, from 0 to 1"),
        (sealed, yours, public_key(third), "round 1, from 0 to 1"),
        (sealed, yours, public_key(mine), "round 2, from 0 to 1"),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), yours, public_key(mine), "round 1, from 0 to 1"),
    ]
    for letter in wrong:
        with pytest.raises(UserError, match="was changed on its way"):
            unseal(*letter)
