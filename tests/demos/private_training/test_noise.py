"""Random words, Poisson samples and noise on a lattice."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from demos.private_training.step.bits import SeededBits, SystemBits, gaussian, included
from demos.private_training.step.noise import SLACK, lattice_step, noisy


def test_a_seed_gives_its_words_again_and_names_tell_streams_apart() -> None:
    first, again, other = (SeededBits(3, name).words(8).tolist() for name in ("noise", "noise", "sampling"))
    assert first == again
    assert first != other


def test_the_systems_words_never_come_again() -> None:
    bits = SystemBits()
    assert not bits.seeded
    words = np.concatenate([bits.words(1000), bits.words(1000), SystemBits().words(1000)])
    assert len(set(words.tolist())) == 3000


def _words(bits: SystemBits, queue: Any) -> None:
    queue.put(bits.words(4).tolist())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # threads and fork: the child draws words only
def test_a_fork_does_not_draw_its_parents_noise() -> None:
    bits = SystemBits()
    bits.words(1)
    fork = multiprocessing.get_context("fork")
    queue: Any = fork.Queue()
    child = fork.Process(target=_words, args=(bits, queue))
    child.start()
    theirs = queue.get(timeout=60)
    child.join()
    assert theirs != bits.words(4).tolist()


@pytest.mark.parametrize("source", [lambda: SeededBits(0), SystemBits])
def test_noise_is_standard_normal(source: Callable[[], Any]) -> None:
    numbers = gaussian(source(), 100_001).numpy()
    # A right generator fails this once in a million runs.
    assert stats.kstest(numbers, "norm").pvalue > 1e-6
    assert abs(numbers.var() - 1) < 5 * np.sqrt(2 / len(numbers))
    assert abs(np.corrcoef(numbers[:50_000], numbers[-50_000:])[0, 1]) < 5 / np.sqrt(50_000)


def test_every_unit_has_a_coin_of_its_own() -> None:
    bits = SeededBits(1)
    taken = np.array([np.isin(np.arange(50), included(bits, 50, 0.3)) for _ in range(4000)])
    assert np.abs(taken.mean(0) - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 4000)
    # The number taken varies as a binomial does, which that of shuffled batches would not.
    assert taken.sum(1).var() == pytest.approx(50 * 0.3 * 0.7, rel=0.15)
    assert included(bits, 7, 1.0).tolist() == list(range(7))
    assert any(len(included(bits, 3, 0.05)) == 0 for _ in range(20))
    with pytest.raises(ValueError, match="rate"):
        included(bits, 3, 0.0)


def test_noise_has_the_size_that_is_accounted_for() -> None:
    sums = [torch.zeros(300, 100), torch.ones(20_000)]
    released = noisy(sums, bound=0.5, multiplier=3.0, bits=SeededBits(0))
    assert [part.shape for part in released] == [part.shape for part in sums]
    noise = torch.cat([part.flatten() for part in released]) - torch.cat([part.flatten() for part in sums])
    assert float(noise.std()) == pytest.approx(3.0 * 0.5 * (1 + SLACK), rel=5 / np.sqrt(2 * 50_000))


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 50), bound=st.floats(1e-3, 1e3), seed=st.integers(0, 2**31))
def test_what_is_released_lies_on_the_lattice(size: int, bound: float, seed: int) -> None:
    torch.manual_seed(seed)
    sums = torch.randn(size)
    (released,) = noisy([sums], bound, 1.0, SeededBits(seed))
    step = lattice_step(bound, size)
    places = released.double() / step
    # float32 keeps 24 bits of a place.
    torch.testing.assert_close(places, places.round(), rtol=2.0**-23, atol=1e-4)
    # All roundings together move a sum no further than the slack that pays for them.
    assert step * np.sqrt(size) <= SLACK * bound * (1 + 1e-9)


def test_how_a_sum_was_added_up_hardly_shows() -> None:
    torch.manual_seed(0)
    parts = torch.randn(1000, 300)
    forth, back = (noisy([order.sum(0)], 1.0, 1.0, SeededBits(5))[0].double() for order in (parts, parts.flip(0)))
    apart = (forth - back) / lattice_step(1.0, 300)
    # Sums that differ by rounding fall on the same place of the lattice, or, a few, on the next one.
    assert set(apart.round().abs().tolist()) <= {0.0, 1.0}
    assert float((apart.round() != 0).double().mean()) < 0.3
    assert float((parts.sum(0) != parts.flip(0).sum(0)).double().mean()) > 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sum_keeps_its_type_and_is_not_changed(dtype: torch.dtype) -> None:
    sums = [torch.ones(3, dtype=dtype)]
    (released,) = noisy(sums, 1.0, 1.0, SeededBits(0))
    assert released.dtype == dtype
    assert torch.equal(sums[0], torch.ones(3, dtype=dtype))


def test_no_noise_changes_nothing() -> None:
    sums = [torch.randn(3, 2)]
    assert torch.equal(noisy(sums, 1.0, 0.0, SeededBits(0))[0], sums[0])
