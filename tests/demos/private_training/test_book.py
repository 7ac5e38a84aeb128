"""Sums of clipped gradients, beside those that torch.func makes one by one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.nn.utils import prune

from demos.private_training.learn.networks import linear
from demos.private_training.step.book import Book
from shared.errors import UserError

NETWORKS = {
    "linear": lambda: nn.Linear(6, 3),
    "mlp": lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3, bias=False)),
    "wide positions": lambda: nn.Sequential(nn.Unflatten(1, (3, 2)), nn.Linear(2, 40), nn.Flatten(), nn.Linear(120, 3)),
    "conv": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)),
        nn.Conv2d(1, 4, 2, padding=1),
        nn.GroupNorm(2, 4),
        nn.Tanh(),
        nn.Conv2d(4, 3, 2, stride=2, dilation=1),
        nn.Flatten(),
        nn.Linear(3 * 1 * 2, 3),
    ),
}


def one_by_one(model: nn.Module, inputs: Tensor, labels: Tensor, bound: float, views: int) -> tuple[Tensor, Tensor]:
    """Norms (B,) and the flat clipped sum, from a gradient of every unit."""
    parameters = dict(model.named_parameters())

    def loss(values: dict[str, Tensor], unit: Tensor, classes: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, values, (unit,)), classes)

    each = vmap(grad(loss), (None, 0, 0))(
        parameters, inputs.unflatten(0, (-1, views)), labels.unflatten(0, (-1, views))
    )
    flat = torch.cat([part.flatten(1) for part in each.values()], dim=1)
    norms = flat.norm(dim=1)
    return norms, (flat * (bound / norms).clamp_max(1)[:, None]).sum(0)


def booked(model: nn.Module, inputs: Tensor, labels: Tensor, bound: float, views: int) -> tuple[Tensor, Tensor]:
    book = Book(model)
    norms = book.clipped_sum(functional.cross_entropy(model(inputs), labels, reduction="none"), bound, views)
    book.close()
    return norms, torch.cat([part.grad.flatten() for part in model.parameters() if part.requires_grad])


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    units=st.integers(1, 6),
    views=st.integers(1, 3),
    bound=st.floats(0.01, 10),
    seed=st.integers(0, 2**31),
)
def test_the_sum_is_that_of_gradients_made_and_clipped_one_by_one(
    name: str, units: int, views: int, bound: float, seed: int
) -> None:
    torch.manual_seed(seed)
    model = NETWORKS[name]().double()
    inputs, labels = torch.randn(units * views, 6).double(), torch.randint(0, 3, (units * views,))
    norms, sums = booked(model, inputs, labels, bound, views)
    wanted_norms, wanted = one_by_one(model, inputs, labels, bound, views)
    torch.testing.assert_close(norms, wanted_norms, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(sums, wanted, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), bound=st.floats(0.01, 10), scale=st.sampled_from([1.0, 1e3]))
def test_a_unit_more_moves_the_sum_by_the_bound_at_most(seed: int, bound: float, scale: float) -> None:
    torch.manual_seed(seed)
    model = NETWORKS["conv"]()
    inputs, labels = scale * torch.randn(9, 6), torch.randint(0, 3, (9,))
    _, with_it = booked(model, inputs, labels, bound, 1)
    _, without = booked(model, inputs[:-1], labels[:-1], bound, 1)
    assert float((with_it - without).norm()) <= bound * (1 + 1e-4)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("apart", [0.1, 1.0, 2.0])
def test_a_unit_whose_views_cancel_moves_the_sum_by_the_bound_at_most(scale: float, apart: float) -> None:
    # Two views, nearly alike and with opposite labels: their gradients cancel, and so would their Gram matrices.
    torch.manual_seed(0)
    views = scale * (torch.randn(1, 100) + apart / scale * torch.stack([torch.zeros(100), torch.randn(100)]))
    _, sums = booked(linear(100, 2), views, torch.tensor([0, 1]), 0.1, 2)
    assert float(sums.norm()) <= 0.1 * (1 + 1e-3)


@pytest.mark.parametrize("width", [3, 30, 300])
def test_a_word_whose_two_uses_cancel_moves_the_sum_by_the_bound_at_most(width: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(2, width), nn.Flatten(), nn.Linear(2 * width, 2))
    half = 1e4 * torch.randn(2, width)
    with torch.no_grad():
        model[0].weight.zero_()
        model[2].weight.copy_(torch.cat([half, -half + torch.randn_like(half)], dim=1))
    model[2].requires_grad_(False)
    _, sums = booked(model, torch.tensor([[1, 1]]), torch.tensor([0]), 0.1, 1)
    assert float(sums.norm()) <= 0.1 * (1 + 1e-3)


def test_an_activation_in_place_changes_no_sum() -> None:
    found = []
    for inplace in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace), nn.Linear(8, 3))
        found.append(booked(model, torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1]), 0.3, 1)[1])
    torch.testing.assert_close(*found)


def test_embeddings_sum_what_a_word_that_comes_twice_does() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 4, padding_idx=0), nn.Flatten(), nn.Linear(12, 3)).double()
    words, labels = torch.tensor([[1, 1, 2], [3, 0, 0], [4, 4, 4], [2, 1, 0]]), torch.tensor([0, 1, 2, 0])
    norms, sums = booked(model, words, labels, 0.3, 1)
    each = []
    for row in range(4):
        model.zero_grad()
        functional.cross_entropy(model(words[row : row + 1]), labels[row : row + 1]).backward()
        each.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    flat = torch.stack(each)
    torch.testing.assert_close(norms, flat.norm(dim=1))
    torch.testing.assert_close(sums, (flat * (0.3 / norms).clamp_max(1)[:, None]).sum(0))


def test_an_empty_batch_sums_to_zero() -> None:
    model = NETWORKS["conv"]()
    norms, sums = booked(model, torch.zeros(0, 6), torch.zeros(0, dtype=torch.long), 1.0, 1)
    assert len(norms) == 0
    assert torch.count_nonzero(sums) == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 3e38])
def test_a_unit_that_is_not_a_number_counts_as_none(bad: float) -> None:
    torch.manual_seed(0)
    model = NETWORKS["mlp"]()
    inputs, labels = torch.randn(4, 6), torch.randint(0, 3, (4,))
    spoilt = inputs.clone()
    spoilt[2, 1] = bad
    _, sums = booked(model, spoilt, labels, 0.5, 1)
    others = [0, 1, 3]
    _, wanted = booked(model, inputs[others], labels[others], 0.5, 1)
    torch.testing.assert_close(sums, wanted)


def test_what_does_not_train_has_no_part_in_the_norm() -> None:
    torch.manual_seed(0)
    model = NETWORKS["mlp"]().double()
    model[0].requires_grad_(False)
    book = Book(model)
    inputs, labels = torch.randn(3, 6).double(), torch.randint(0, 3, (3,))
    norms = book.clipped_sum(functional.cross_entropy(model(inputs), labels, reduction="none"), 1.0)
    head = model[1:]
    wanted, _ = one_by_one(head, model[0](inputs).detach(), labels, 1.0, 1)
    torch.testing.assert_close(norms, wanted)
    assert model[0].weight.grad is None


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.BatchNorm1d(4), "1 is a BatchNorm1d, through which units see each other; put GroupNorm"),
        (nn.BatchNorm1d(4, affine=False), "1 is a BatchNorm1d, through which units see each other"),
        (nn.BatchNorm1d(4).requires_grad_(False), "1 is a BatchNorm1d, through which units see each other"),
        (nn.InstanceNorm1d(4, track_running_stats=True), "1 is a InstanceNorm1d, through which units see each other"),
        (nn.Conv2d(4, 4, 3, groups=2), "1 is a Conv2d, with groups"),
        (nn.Conv2d(4, 4, 3, padding="same"), "1 is a Conv2d, with groups, or with padding that is named"),
        (nn.Linear(4, 4).bfloat16(), "1 is a Linear, with weights of 16 bits"),
        (prune.identity(nn.Linear(4, 4), "weight"), "1 is a Linear, which makes its weights of weight_orig"),
        (nn.Embedding(4, 4, max_norm=1.0), "1 is a Embedding, whose max_norm changes"),
        (nn.Embedding(4, 4, max_norm=1.0).requires_grad_(False), "1 is a Embedding, whose max_norm changes"),
        (nn.Embedding(4, 4, sparse=True), "1 is a Embedding, with sparse"),
        (nn.LSTM(4, 4), "1 is a LSTM, which cannot be trained privately here; known: Linear, Conv2d"),
    ],
)
def test_a_layer_that_cannot_be_private_is_named(layer: nn.Module, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Book(nn.Sequential(nn.Linear(4, 4), layer))


def test_weights_that_two_layers_share_are_refused() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    with pytest.raises(UserError, match="1 is a Linear, which shares its weights with 0"):
        Book(nn.Sequential(first, second))


def test_a_layer_used_twice_is_refused() -> None:
    layer = nn.Linear(4, 4)
    Book(layer)
    layer(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="twice"):
        layer(torch.zeros(1, 4))


def test_a_layer_that_was_not_called_gets_a_sum_of_zero() -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(6, 3), nn.Linear(6, 3)])
    book = Book(layers)
    book.clipped_sum(functional.cross_entropy(layers[0](torch.randn(4, 6)), torch.zeros(4).long(), reduction="none"), 1)
    assert float(layers[0].weight.grad.abs().sum()) > 0
    assert torch.count_nonzero(layers[1].weight.grad) == 0


def test_a_layer_whose_output_is_not_used_gets_a_sum_of_zero() -> None:
    layers = nn.ModuleList([nn.Linear(6, 3), nn.Linear(6, 3)])
    book, inputs = Book(layers), torch.randn(4, 6)
    used, _ = (layer(inputs) for layer in layers)
    book.clipped_sum(functional.cross_entropy(used, torch.zeros(4).long(), reduction="none"), 1)
    assert torch.count_nonzero(layers[0].weight.grad) > 0
    assert torch.count_nonzero(layers[1].weight.grad) == 0


@pytest.mark.parametrize("what", ["evaluation", "later", "in place"])
def test_what_would_train_on_noise_or_on_other_inputs_is_refused(what: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    model[0].requires_grad_(what != "later")
    book, inputs = Book(model), torch.randn(4, 6)
    if what == "evaluation":
        model[0].eval()
    losses = functional.cross_entropy(model(inputs), torch.zeros(4).long(), reduction="none")
    if what == "later":
        model[0].requires_grad_()
    if what == "in place":
        inputs.add_(1)
    words = {"evaluation": "0 is in evaluation mode", "later": "0.weight did not train", "in place": "what 0 was fed"}
    with pytest.raises(ValueError, match=words[what]):
        book.clipped_sum(losses, 1.0)


def test_a_sum_without_a_pass_in_training_mode_is_refused() -> None:
    model = NETWORKS["linear"]()
    book = Book(model)
    with torch.no_grad():
        losses = functional.cross_entropy(model(torch.randn(2, 6)), torch.zeros(2).long(), reduction="none")
    with pytest.raises(ValueError, match="training mode"):
        book.clipped_sum(losses, 1.0)


def test_under_autocast_norms_and_sums_are_taken_in_32_bits() -> None:
    torch.manual_seed(0)
    model = nn.Linear(1000, 3)
    inputs, labels = torch.randn(5, 1000), torch.randint(0, 3, (5,))
    book = Book(model)
    with torch.autocast("cpu", torch.bfloat16):
        losses = functional.cross_entropy(model(inputs), labels, reduction="none")
    assert book.clipped_sum(losses, 1.0).dtype == torch.float32
    assert model.weight.grad is not None
    assert model.weight.grad.dtype == torch.float32


def test_rows_that_are_not_units_are_refused() -> None:
    # Words of a text as rows of their own would be clipped one by one, and the text be protected by nothing.
    model = nn.Linear(6, 3)
    book = Book(model)
    losses = functional.cross_entropy(
        model(torch.randn(4, 2, 6).flatten(0, 1)), torch.zeros(8).long(), reduction="none"
    )
    with pytest.raises(ValueError, match="rows must be units"):
        book.clipped_sum(losses.view(4, 2).mean(1), 1.0)
