"""Tokens, models and their training."""

import numpy as np
import pytest
import torch
from demos.coevolution.down.jobs import MATERIALS, Answers, material
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from demos.coevolution.models.batches import batches, by_length, padded
from demos.coevolution.models.device import WIDTH, Device, by_chance, from_vectors
from demos.coevolution.models.encoder import Encoder, fresh, inherited
from demos.coevolution.models.words import MOST, pieces
from demos.coevolution.training.fit import Course, Lesson, fit, judged, soft, states_of
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
        torch.testing.assert_close(judged(model, known, size=2), alone, rtol=1e-4, atol=1e-5)


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


def test_by_states_a_student_is_drawn_to_its_teacher(cloud: Encoder) -> None:
    rows = pieces(["a fine film", "not good", "the best of the year", "dull"])
    states, targets = states_of(cloud, rows), soft(judged(cloud, rows), 2.0)

    def alike(weight: float) -> float:
        course = Course(steps=6, batch=4, rate=1e-4, temperature=2.0, state_weight=weight)
        student = fit(inherited(cloud), Lesson(rows, targets, states), course, seed=0)
        return float(nn.functional.cosine_similarity(states_of(student, rows), states).mean())

    assert alike(50.0) > alike(0.0) + 0.005


def test_each_material_holds_what_its_name_says() -> None:
    labels, home = torch.tensor([1, 0, -1, -1, -1]), torch.tensor([True, True, True, False, False])
    logits = torch.tensor([[0.0, 2.0], [0.0, 2.0], [2.0, 0.0], [0.0, 4.0], [1.0, 0.0]])
    answers = Answers([[number] for number in range(5)], labels, home, logits, torch.zeros(5, 3))
    course = Course(steps=1, batch=1, rate=1.0, temperature=2.0, state_weight=3.0)
    found = [material(answers, kind, course) for kind in MATERIALS]
    assert [[row[0] for row in lesson.rows] for lesson, _ in found] == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2, 3, 4]]
    # Labels where there are labels alone, and the teacher's answers, right or wrong, elsewhere.
    assert found[0][0].targets.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert found[0][0].states is None
    assert (found[0][1].temperature, found[0][1].state_weight) == (1.0, 0.0)
    torch.testing.assert_close(found[1][0].targets[1], torch.softmax(torch.tensor([0.0, 1.0]), 0))
    assert found[3][1] == course
