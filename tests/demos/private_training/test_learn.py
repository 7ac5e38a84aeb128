"""Features, training loops and the search for a recipe."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from demos.private_training.budget.accountant import Mechanism, multiplier_for
from demos.private_training.data import CLASSES, mnist, public_digits, split
from demos.private_training.demo import DEMO
from demos.private_training.learn.compare import _jobs, _public_multiplier, public_images
from demos.private_training.learn.features import public_axes, shifted
from demos.private_training.learn.fit import Recipe, Units, fit
from demos.private_training.learn.jobs import Job, Table, train
from demos.private_training.learn.large import fit_in_pieces
from demos.private_training.learn.methods import METHODS, accuracy
from demos.private_training.learn.networks import deep_cnn, linear, small_cnn
from demos.private_training.learn.peer import fit_with_opacus
from demos.private_training.learn.scattering import CHANNELS, scattering
from demos.private_training.learn.tune import multiplier_for_search, number_of_tries, search_cost, some_of
from demos.private_training.step.bits import SeededBits
from shared.config import load
from shared.errors import UserError


def test_splits_share_no_picture_and_hold_all_digits_alike() -> None:
    pictures = mnist()
    train, test = split(pictures, 4000, 1000, seed=3)
    assert not set(train) & set(test)
    for places, each in ((train, 400), (test, 100)):
        assert torch.bincount(pictures.labels[places]).tolist() == [each] * CLASSES
    assert set(test) != set(split(pictures, 4000, 1000, seed=4)[1])


def test_public_pictures_are_none_of_the_private_ones() -> None:
    private, public = mnist().images.flatten(1), public_digits().images.flatten(1)
    nearest = torch.cdist(public, private).min(1).values
    # Two pictures of one hand differ by far less than this; the nearest private one is as far as any other digit.
    assert float(nearest.min()) > 2.0


def test_scattering_of_a_flat_picture_is_its_grey_alone() -> None:
    found = scattering(torch.full((2, 28, 28), 0.3))
    assert found.shape == (2, CHANNELS, 8, 8)
    torch.testing.assert_close(found[:, 0], torch.full((2, 8, 8), 0.3))
    assert float(found[:, 1:].abs().max()) < 1e-6


def test_scattering_turns_with_the_picture() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(1, 28, 28)
    picture[0, 10:18, 12:16] = 1
    lying, standing = (scattering(image)[0, 1:9].sum((1, 2)) for image in (picture.transpose(1, 2), picture))
    # Angles are counted from one side; turning by a right angle moves them by half of all.
    torch.testing.assert_close(lying, standing.roll(4), rtol=1e-3, atol=1e-4)


def test_scattering_hardly_moves_when_the_picture_does() -> None:
    picture = mnist().images[:1]
    moved = torch.roll(picture, 1, 2)
    here, there = scattering(picture), scattering(moved)
    assert float((here - there).norm() / here.norm()) < 0.5 * float((picture - moved).norm() / picture.norm())


def test_axes_are_of_public_pictures_alone_and_rows_have_length_one() -> None:
    from demos.private_training.learn.features import scattered

    axes = public_axes(public_digits().images[:60], 20)
    found = axes(scattered(mnist().images[:5]))
    assert found.shape == (5, 20)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(axes.axes.T @ axes.axes, torch.eye(20), atol=1e-4, rtol=0)


def test_axes_are_of_the_digits_that_recipes_are_tried_on() -> None:
    everything = public_digits().images
    assert torch.equal(public_images(load(DEMO.config, DEMO.slug, "cpu")), everything)
    some = public_images(load(DEMO.config, DEMO.slug, "cpu", overrides=["learn.public=300"]))
    assert len(some) == 697
    # All of them public, and none twice.
    known = {image.numpy().tobytes() for image in everything}
    assert len({image.numpy().tobytes() for image in some} & known) == 697


def test_views_are_the_picture_and_its_four_shifts() -> None:
    image = torch.arange(28 * 28.0).view(1, 28, 28)
    views = shifted(image, 5)
    assert torch.equal(views[:, 0], image)
    assert torch.equal(views[0, 1, 1:], image[0, :-1])
    assert shifted(image, 1).shape == (1, 1, 28, 28)


def toy(units: int = 200, views: int = 1) -> Units:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (units,))
    inputs = nn.functional.one_hot(labels, 3).float()[:, None] + 0.3 * torch.randn(units, views, 3)
    return Units(inputs, labels[:, None].expand(-1, views))


def test_training_learns_and_repeats_itself() -> None:
    units = toy(views=2)
    recipe = Recipe(steps=30, rate=0.5, learning_rate=5.0, bound=0.1)
    noise = multiplier_for(3.0, 1e-4, recipe.rate, recipe.steps)
    first, again, other = (fit(linear(3, 3), units, recipe, noise, SeededBits(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert accuracy(first, units.inputs[:, 0], units.labels[:, 0]) > 0.9


def test_what_is_given_is_not_changed_and_the_last_weights_are_averaged() -> None:
    start, seen = linear(3, 3), []
    recipe = Recipe(steps=10, rate=1.0, learning_rate=1.0, bound=0.1, averaged=0.3)
    model = fit(start, toy(), recipe, 1.0, SeededBits(0), lambda step, now: seen.append(now.weight.detach().clone()))
    assert torch.count_nonzero(start.weight) == 0
    torch.testing.assert_close(model.weight, torch.stack(seen[-3:]).mean(0))


def test_weights_of_views_count_as_often_as_they_say() -> None:
    once = toy(views=1)
    twice = Units(
        torch.cat([once.inputs, torch.full_like(once.inputs, 9.0)], dim=1),
        once.labels.expand(-1, 2),
        torch.tensor([1.0, 0.0]).expand(len(once), 2),
    )
    recipe = Recipe(steps=5, rate=1.0, learning_rate=1.0, bound=0.1)
    plain, padded = (fit(linear(3, 3), units, recipe, 0.0, SeededBits(0)) for units in (once, twice))
    torch.testing.assert_close(plain.weight, padded.weight)


@pytest.mark.parametrize("rate", [0.01, 1.5])
def test_a_batch_of_less_than_a_unit_or_of_more_than_all_is_refused(rate: float) -> None:
    recipe = Recipe(steps=1, rate=rate, learning_rate=1.0, bound=1.0)
    with pytest.raises(UserError, match="a batch must be 1 to 50 units"):
        fit(linear(3, 3), toy(50), recipe, 1.0, SeededBits(0))


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_is_no_class_is_refused_with_its_unit(label: int) -> None:
    units = toy(5)
    labels = units.labels.clone()
    labels[3] = label
    with pytest.raises(UserError, match=r"unit 4 has labels .*; the model's classes are 0 to 2"):
        fit(linear(3, 3), Units(units.inputs, labels), Recipe(1, 1.0, 1.0, 1.0), 1.0, SeededBits(0))


def test_the_peer_trains_as_we_do_where_both_do_the_same() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(40, 1, 28, 28)
    units = Units(pictures, torch.randint(0, 10, (40, 1)))
    recipe = Recipe(steps=3, rate=1.0, learning_rate=0.1, bound=0.5, averaged=0.0)
    ours, theirs = (way(small_cnn(0), units, recipe, 0.0, SeededBits(0)) for way in (fit, fit_with_opacus))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)


def test_all_methods_have_as_many_recipes_of_one_price() -> None:
    assert len({len(method.recipes) for method in METHODS.values()}) == 1
    for method in METHODS.values():
        assert len({(recipe.steps, recipe.rate) for recipe in method.recipes}) == 1


def test_tries_have_the_distribution_that_is_paid_for() -> None:
    bits = SeededBits(0)
    drawn = np.array([number_of_tries(bits, 5.0) for _ in range(20_000)])
    assert abs(drawn.mean() - 5.0) < 5 * drawn.std() / math.sqrt(len(drawn))
    assert drawn.var() == pytest.approx(5.0, rel=0.05)
    assert (drawn == 0).mean() == pytest.approx(math.exp(-5), rel=0.3)
    assert set(some_of(bits, 4, 500)) == {0, 1, 2, 3}


def table(units: int = 60, tests: int = 30) -> Table:
    torch.manual_seed(1)
    labels = torch.randint(0, 10, (units + tests,))
    views = nn.functional.one_hot(labels, 10).float()[:, None] + 0.8 * torch.randn(units + tests, 1, 10)
    places = np.arange(units + tests)
    return Table(views.numpy(), labels.numpy(), places[:units], places[units:])


def search(of: Table, monkeypatch: pytest.MonkeyPatch) -> tuple[int | None, list[float]]:
    """The recipe that a search on `of` keeps, and the standard deviations it scored with."""
    noises = []
    monkeypatch.setattr("demos.private_training.learn.jobs.SCORE_NOISE", Noted(noises))
    job = Job("scattering on public axes, linear", of, 3, 5.0, None, 8.0, (0, 2, 5), "1.0", "charged")
    return train(job).recipe, noises


class Noted(float):
    def __new__(cls, noted: list[float]) -> "Noted":
        made = super().__new__(cls, 20.0)
        made.noted = noted
        return made

    noted: list[float]

    def __mul__(self, other: float) -> float:
        self.noted.append(other)
        return float(self) * other


def test_a_search_never_looks_at_test_pictures_and_scores_with_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table()
    scrambled = replace(whole, labels=np.concatenate([whole.labels[:60], 9 - whole.labels[60:]]))
    (one, noises), (other, _) = (search(of, monkeypatch) for of in (whole, scrambled))
    assert one == other
    assert len(set(noises)) == len(noises) > 1


def test_each_training_has_the_noise_that_its_way_of_tuning_asks_for() -> None:
    config = load(DEMO.config, DEMO.slug, "cpu", overrides=["learn.epsilons=[2.0]", "learn.seeds=2"])
    name, recipe = "scattering, linear", METHODS["scattering, linear"].recipes[0]
    price = (2.0, config.learn.delta, recipe.rate, recipe.steps)
    jobs = list(_jobs(name, [table()] * 2, {(name, 2.0): 1}, config))
    assert [(job.tuning, job.multiplier) for job in jobs[:3]] == [
        ("public", multiplier_for(*price)),
        ("charged", multiplier_for_search(*price, config.learn.tries)),
        (None, 0.0),
    ]
    assert [job.recipe for job in jobs[:3]] == [1, None, 1]
    # On public digits, which are fewer, noise is to the mean gradient what it will be.
    assert _public_multiplier(name, 2.0, config) / config.learn.public == pytest.approx(
        multiplier_for(*price) / config.learn.train
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("rate", 0.0),
        ("rate", math.nan),
        ("bound", -1.0),
        ("bound", math.nan),
        ("learning_rate", math.inf),
        ("averaged", 2.0),
    ],
)
def test_a_recipe_that_trains_nothing_is_refused(field: str, value: float) -> None:
    sound = {"steps": 1, "rate": 1.0, "learning_rate": 1.0, "bound": 1.0}
    with pytest.raises(UserError, match=f"no training has {field} = "):
        Recipe(**{**sound, field: value})


def test_a_budget_that_no_noise_keeps_is_refused_with_what_can_be_had() -> None:
    with pytest.raises(UserError, match=r"no noise makes that cost at most epsilon 0\.3: .* it is 0\.316"):
        multiplier_for_search(0.3, 1e-5, 1.0, 100, 5.0)


def test_a_search_is_dearer_than_a_try_and_within_its_budget() -> None:
    noise = multiplier_for_search(3.0, 1e-5, 1.0, 60, 5.0)
    assert search_cost(Mechanism(noise, 1.0, 60), 1e-5, 5.0) <= 3.0
    assert noise > multiplier_for(3.0, 1e-5, 1.0, 60)
    assert search_cost(Mechanism(noise * 0.99, 1.0, 60), 1e-5, 5.0) > 3.0
    # More tries cost more.
    assert search_cost(Mechanism(20.0, 1.0, 60), 1e-5, 1.01) < search_cost(Mechanism(20.0, 1.0, 60), 1e-5, 2.0)


def test_a_large_network_learns_the_same_in_pieces_of_any_size() -> None:
    torch.manual_seed(0)
    units = Units(torch.rand(40, 1, 28, 28), torch.randint(0, 10, (40, 1)))
    recipe = Recipe(steps=5, rate=0.5, learning_rate=0.1, bound=0.5, averaged=0.4)
    whole, parts = (fit_in_pieces(deep_cnn(0), units, recipe, 1.0, SeededBits(3), size) for size in (40, 7))
    start = deep_cnn(0)
    for one, other, first in zip(whole.parameters(), parts.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
        assert not torch.equal(one, first)


def test_a_rate_that_pieces_cannot_keep_is_refused() -> None:
    units = Units(torch.rand(6, 1, 28, 28), torch.zeros(6, 1, dtype=torch.long))
    recipe = Recipe(steps=1, rate=0.25, learning_rate=0.1, bound=0.5)
    with pytest.raises(UserError, match=r"6 units in 3 batches are not sampled at a rate of 0\.25"):
        fit_in_pieces(deep_cnn(0), units, recipe, 1.0, SeededBits(0))


@pytest.mark.gpu
def test_a_gpu_trains_what_the_cpu_trains() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    torch.manual_seed(0)
    units = Units(torch.rand(200, 1, 28, 28), torch.randint(0, 10, (200, 1)))
    recipe = Recipe(steps=10, rate=0.5, learning_rate=0.1, bound=0.5)
    # The peer's noise is of the device's own generator, and differs from one to the other.
    assert next(fit_with_opacus(small_cnn(0), units.to("cuda"), recipe, 1.0, SeededBits(0)).parameters()).is_cuda
    for network, way in ((small_cnn, fit), (deep_cnn, fit_in_pieces)):
        here, there = (way(network(0), units.to(device), recipe, 1.0, SeededBits(0)) for device in ("cpu", "cuda"))
        assert next(there.parameters()).is_cuda
        flat = [torch.cat([part.detach().cpu().flatten() for part in model.parameters()]) for model in (here, there)]
        assert float(nn.functional.cosine_similarity(*flat, dim=0)) > 0.999
