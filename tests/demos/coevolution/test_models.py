"""Tokens, models and their training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from demos.coevolution.models.batches import batches, by_length, padded
from demos.coevolution.models.device import WIDTH, Device, by_chance, from_vectors
from demos.coevolution.models.encoder import Encoder, fresh, inherited
from demos.coevolution.models.top import Top, read_through
from demos.coevolution.models.words import MOST, pieces
from demos.coevolution.training.fit import Course, Lesson, fit, judged, soft, states_of
from demos.coevolution.training.shipped import opened, write
from shared.errors import UserError
from shared.seed import generator

WORDS = 1200


@pytest.fixture(scope="module")
def cloud() -> Encoder:
    return fresh(None, 0).eval()


def small(seed: int = 0) -> Device:
    return by_chance(WORDS, seed)


def test_a_text_is_cut_into_pieces_that_are_opened_and_closed() -> None:
    rows = pieces(["good", "", "not good at all", "word " * 500])
    assert [row[0] for row in rows] == [101] * 4
    assert [row[-1] for row in rows] == [102] * 4
    assert [len(row) for row in rows] == [3, 2, 6, MOST]


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=200), size=st.integers(1, 32))
def test_batches_hold_each_text_once(lengths: list[int], size: int) -> None:
    for found in (batches(lengths, size, generator(1)), list(by_length(lengths, size))):
        assert sorted(place for part in found for place in part) == list(range(len(lengths)))
        assert all(1 <= len(part) <= size for part in found)


def test_padding_changes_no_answer(cloud: Encoder) -> None:
    rows = pieces(["a fine film", "not good", "it is, I must say, the longest and the dullest of all his films"])
    for model in (cloud, small().eval()):
        known = [[piece % WORDS for piece in row] for row in rows] if isinstance(model, Device) else rows
        with torch.inference_mode():
            alone = torch.cat([model(*padded([row])) for row in known])
            together = model(*padded(known))
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(judged(model, known, size=2, exact=True), alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(judged(model, known, size=2), alone, rtol=0.05, atol=0.02)


def test_an_edge_model_has_the_layers_and_the_head_of_the_cloud(cloud: Encoder) -> None:
    edge = inherited(cloud)
    assert len(edge.body.encoder.layer) == 2
    for place, layer in zip((0, 5), edge.body.encoder.layer, strict=True):
        for ours, theirs in zip(layer.parameters(), cloud.body.encoder.layer[place].parameters(), strict=True):
            assert torch.equal(ours, theirs)
    assert torch.equal(edge.head.weight, cloud.head.weight)
    # A copy: to train one is not to train the other.
    assert edge.head.weight.data_ptr() != cloud.head.weight.data_ptr()
    rows = pieces(["a fine film"])
    assert states_of(edge, rows).shape == states_of(cloud, rows).shape == (1, 384)


def toy(count: int = 200) -> tuple[list[list[int]], torch.Tensor]:
    """Texts that are positive when piece 1050 is in them, unless 1060 stands before it."""
    random = np.random.default_rng(0)
    rows, labels = [], []
    for number in range(count):
        words = random.integers(1000, 1040, 6).tolist()
        label = number % 2
        words[3:3] = [1050] if label else [1060, 1050]
        rows.append([101, *words, 102])
        labels.append(label)
    return rows, torch.tensor(labels)


def test_the_device_learns_that_a_word_turns_the_next_one_round() -> None:
    rows, labels = toy()
    targets = nn.functional.one_hot(labels, 2).float()
    start = from_vectors(torch.randn(WORDS, WIDTH, generator=torch.Generator().manual_seed(0)), 0)
    model = fit(start, Lesson(rows, targets), Course(steps=150, batch=20, rate=3e-3), seed=0)
    assert not model.training
    assert (judged(model, rows).argmax(1) == labels).float().mean() > 0.97


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    rows, labels = toy(40)
    lesson = Lesson(rows, nn.functional.one_hot(labels, 2).float())
    course = Course(steps=5, batch=8, rate=1e-3)
    first, again, other = (fit(small(), lesson, course, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_training_has_as_many_steps_as_asked_however_many_texts_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr(torch.optim.SparseAdam, "step", lambda self, *_: steps.append(1))
    rows, labels = toy(30)
    for count in (4, 30):
        lesson = Lesson(rows[:count], nn.functional.one_hot(labels[:count], 2).float())
        fit(small(), lesson, Course(steps=7, batch=8, rate=1e-3), seed=0)
    assert len(steps) == 14


@pytest.mark.parametrize("heat", [1.0, 2.0])
def test_who_rehearses_what_he_says_goes_on_saying_it(heat: float) -> None:
    rows, labels = toy(60)
    model = fit(small(), Lesson(rows, nn.functional.one_hot(labels, 2).float()), Course(60, 20, 3e-3), seed=0)
    said = judged(model, rows)
    assert said.diff(dim=1).abs().mean() > 1
    again = fit(model, Lesson(rows, soft(said, heat), temperature=heat), Course(60, 20, 1e-3), seed=0)
    ratio = judged(again, rows).diff(dim=1).abs().mean() / said.diff(dim=1).abs().mean()
    assert 0.85 < ratio < 1.3


def test_by_states_a_student_is_drawn_to_its_teacher(cloud: Encoder) -> None:
    rows = pieces(["a fine film", "not good", "the best of the year", "dull"])
    states, targets = states_of(cloud, rows), soft(judged(cloud, rows), 2.0)

    def alike(weight: float) -> float:
        course = Course(steps=6, batch=4, rate=1e-4, state_weight=weight)
        student = fit(inherited(cloud), Lesson(rows, targets, states), course, seed=0)
        return float(nn.functional.cosine_similarity(states_of(student, rows), states).mean())

    assert alike(50.0) > alike(0.0) + 0.005


def test_the_upper_layers_alone_say_what_the_whole_says(cloud: Encoder) -> None:
    rows = pieces(["a fine film", "not good", "it is, I must say, the longest and the dullest of all his films"])
    below, pooled = read_through(cloud, rows, layers=2)
    torch.testing.assert_close(pooled, states_of(cloud, rows), rtol=1e-4, atol=1e-5)
    assert [len(below[place]) for place in range(len(below))] == [len(row) for row in rows]
    # In half precision below the cut.
    torch.testing.assert_close(judged(Top(cloud, 2), below.of([0, 1, 2])), judged(cloud, rows), rtol=1e-2, atol=5e-3)


def test_to_train_the_upper_layers_is_to_train_the_model_and_nothing_below() -> None:
    model = fresh(None, 0)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    rows = pieces(["a fine film", "not good"])
    below, _ = read_through(model, rows, layers=2)
    lesson = Lesson(below.of([0, 1]), torch.eye(2))
    fit(Top(model, 2), lesson, Course(steps=2, batch=2, rate=1e-3), seed=0)
    changed = {
        name.split(".")[3]
        for name, weight in model.state_dict().items()
        if "layer." in name and not torch.equal(weight, before[name])
    }
    assert changed == {"4", "5"}
    assert not torch.equal(model.head.weight, before["head.weight"])


def test_the_edge_has_the_word_vectors_of_the_cloud_and_trains_none(cloud: Encoder) -> None:
    rows = pieces(["a fine film", "not good"])
    trained = fit(inherited(cloud), Lesson(rows, torch.eye(2)), Course(steps=2, batch=2, rate=1e-3), seed=0)
    for name, weight in trained.body.embeddings.state_dict().items():
        assert torch.equal(weight, cloud.body.embeddings.state_dict()[name])
    layers = (each.body.encoder.layer[0].output.dense.weight for each in (trained, cloud))
    assert not torch.equal(*layers)


def test_packed_models_say_nearly_the_same(tmp_path: Path) -> None:
    rows = pieces(["a fine film", "not good", "the best of the year", "dull"])
    cloud = fit(fresh(None, 0), Lesson(rows, torch.eye(2)[[1, 0, 1, 0]]), Course(steps=4, batch=4, rate=1e-3), seed=0)
    models = {"cloud": cloud, "edge": inherited(cloud).eval(), "device": by_chance(30522, 0).eval()}
    write(tmp_path, models)
    for kind, again in opened(tmp_path).items():
        torch.testing.assert_close(judged(again, rows), judged(models[kind], rows), atol=0.05, rtol=0.05)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 25e6
    (tmp_path / "edge.safetensors").write_bytes((tmp_path / "edge.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match=r"edge.safetensors cannot be read"):
        opened(tmp_path)
