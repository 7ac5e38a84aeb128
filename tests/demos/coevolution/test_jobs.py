"""Trainings that travel to other processes, and what they leave for each other."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.coevolution.config import EdgeSection, ModelsSection, TaughtSection
from demos.coevolution.data import HOME, SCENES, texts
from demos.coevolution.down import peers
from demos.coevolution.models.encoder import fresh
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import (
    MATERIALS,
    Answers,
    Learning,
    Material,
    answer,
    answer_stretches,
    at_home,
    judges,
    learn,
    material,
    opened_cloud,
    opened_student,
    scored,
    students_answers,
    teachers_answers,
    unlabelled,
)
from demos.coevolution.training.stretches import SHORTEST, stretches

SMALL = ModelsSection(
    labelled=60,
    unlabelled=50,
    test=50,
    device=TaughtSection(steps=3, rate=1e-3, batch=8),
    edge=EdgeSection(steps=1, rate=1e-4),
)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a large model left that learned nothing."""
    folder = tmp_path_factory.mktemp("taught")
    cloud = fresh(None, 0)
    answer(cloud, SMALL, 0, folder)
    answer_stretches(cloud, SMALL, 0, folder)
    return folder


def learning(folder: Path, kind: Material, student: str = "device") -> Learning:
    return Learning(student, kind, SMALL, 0, folder, "cpu", blank=student == "device")  # type: ignore[arg-type]


def test_a_large_model_answers_all_that_others_learn_from_and_all_that_judges(taught: Path) -> None:
    answers, states, below = teachers_answers(taught, 0)
    known, others = at_home(SMALL, 0)
    asked = np.concatenate([known, *unlabelled(SMALL, 0).values(), *judges(SMALL)])
    assert set(answers.places.tolist()) == set(asked.tolist())
    assert len(known) == 60
    assert len(others) == 50
    assert len(asked) == 60 + 4 * 50 + 2 * 4 * 50
    assert states.shape == (len(asked), 384)
    assert len(below) == len(asked)
    left = [place for place in frozen().rest[HOME].tolist() if place not in set(asked.tolist())]
    with pytest.raises(KeyError, match="not answered"):
        answers.of(np.array(left[:1]))
    assert torch.equal(opened_cloud(taught, 0).head.weight, fresh(None, 0).head.weight)


def test_each_material_holds_what_its_name_says(taught: Path) -> None:
    found = {kind: material(learning(taught, kind), 2.0) for kind in MATERIALS}
    cut = torch.load(taught / "stretches-0.pt", weights_only=True)
    assert len(cut["rows"]) > 200
    assert [len(lesson.rows) for lesson in found.values()] == [60, 60, 110, 260, 260 + len(cut["rows"])]
    known, _ = at_home(SMALL, 0)
    labels = torch.tensor([texts()[place].label for place in known])
    hard, soft = (found[kind] for kind in MATERIALS[:2])
    # Labels where there are labels alone, and the teacher's answers, right or wrong, elsewhere.
    assert hard.targets.argmax(1).tolist() == labels.tolist()
    assert hard.states is None
    assert [lesson.temperature for lesson in found.values()] == [1.0, 2.0, 2.0, 2.0, 2.0]
    said = teachers_answers(taught, 0)[0].of(known)
    torch.testing.assert_close(soft.targets, torch.softmax(said / 2, dim=1))
    assert [lesson.states is None for lesson in found.values()] == [True, False, False, False, True]


def test_a_plain_model_learns_what_the_large_one_said(taught: Path) -> None:
    answers = teachers_answers(taught, 0)[0]
    scores = peers.taught(peers.Taught(0, SMALL, taught))
    assert set(scores) == set(SCENES)
    # Of texts that it learned from it says what it was told, right or wrong.
    places = peers.everything(SMALL, 0)
    said = answers.of(places).argmax(1).numpy()
    assert 0 < said.mean() < 1
    model = peers.fitted_plain([texts()[place].text for place in places], said.tolist())
    assert (model.predict([texts()[place].text for place in places]) == said).mean() > 0.9


@pytest.mark.parametrize("student", ["device", "edge"])
def test_a_small_model_is_left_with_its_answers(taught: Path, student: str) -> None:
    job = learning(taught, MATERIALS[3], student)
    scores = learn(job)
    assert scores == scored(students_answers(job.file), SMALL)
    assert set(scores) == set(SCENES)
    model = opened_student(job.file, job.student)
    assert not model.training
    assert {place for part in judges(SMALL) for place in part.tolist()} == set(
        students_answers(job.file).places.tolist()
    )


def test_what_is_right_is_counted_in_the_first_texts_of_a_test() -> None:
    places = np.concatenate(judges(SMALL))
    labels = torch.tensor([texts()[place].label for place in places])
    logits = torch.nn.functional.one_hot(labels, 2).float()
    wrong = frozen().test["tweet"][:25]
    answers = Answers(torch.as_tensor(places), logits)
    answers.logits[answers.rows(wrong)] *= -1
    assert scored(answers, SMALL) == {"film": 1, "product": 1, "editorial": 1, "tweet": 0.5}
    assert asdict(answers)["logits"].shape == (400, 2)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=8), copies=st.integers(0, 3), seed=st.integers(0, 99))
def test_stretches_are_parts_of_texts_between_their_signs(lengths: list[int], copies: int, seed: int) -> None:
    rows = [[1, *range(100 * number, 100 * number + length - 2), 2] for number, length in enumerate(lengths, start=1)]
    found = stretches(rows, copies, np.random.default_rng(seed))
    long = [row for row in rows if len(row) - 2 > SHORTEST]
    assert len(found) == copies * len(long)
    for row, whole in zip(found, long * copies, strict=True):
        assert (row[0], row[-1]) == (1, 2)
        assert SHORTEST <= len(row) - 2 < len(whole) - 2
        assert row[1:-1] == list(range(row[1], row[1] + len(row) - 2))
        assert row[1] // 100 == whole[1] // 100
