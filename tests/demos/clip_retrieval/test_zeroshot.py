"""Zero-shot classes: the accuracy is balanced, ties lose, confidence is compared with the truth."""

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demos.clip_retrieval.judging import zeroshot
from demos.clip_retrieval.judging.zeroshot import SMALL_GROUP, ZeroShot, class_scores, prompts
from shared.openmoji.records import records
from shared.seed import generator


def made(scores: list[list[float]], labels: list[int]) -> ZeroShot:
    classes = tuple("abcdefghij"[: len(scores[0])])
    return ZeroShot(classes, np.array(scores, np.float32), np.array(labels))


def test_examples() -> None:
    assert doctest.testmod(zeroshot) == (0, 1)


def test_every_subgroup_speaks_for_one_group() -> None:
    found = prompts()
    texts = [text for words in found.values() for text in words]
    assert len(found) == 12
    assert len(texts) == len(set(texts)) == len({emoji.subgroup for emoji in records()})
    assert all(found.values())
    assert "an icon of food fruit" in found["food-drink"]
    # It lies in two groups, 72 and 11 pictures.
    assert "an icon of symbol other" in found["extras-unicode"]


def test_the_score_of_a_group_is_its_best_subgroup() -> None:
    words = [text for texts in prompts().values() for text in texts]
    at = {text: row for row, text in enumerate(words)}
    vectors = np.eye(len(words), dtype=np.float32)
    found = class_scores(vectors, lambda texts: vectors[[at[text] for text in texts]])
    truth = [group for group, texts in enumerate(prompts().values()) for _ in texts]
    assert found.argmax(1).tolist() == truth
    assert found.sum() == len(words)


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    found = made([[1, 0]] * 9 + [[1, 0]], [0] * 9 + [1])
    assert found.balanced_accuracy() == 0.5
    assert found.confusion().tolist() == [[9, 0], [1, 0]]
    assert found.chance() == 0.5


@given(arrays(np.float32, (20, 4), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_a_tie_is_a_miss(scores: np.ndarray) -> None:
    labels = np.arange(20) % 4
    found = ZeroShot(tuple("abcd"), scores, labels)
    own = scores[np.arange(20), labels]
    alone = (scores >= own[:, None]).sum(1) == 1
    assert (found.predicted() == labels).tolist() == alone.tolist()
    assert found.confusion().sum() == 20
    assert np.diag(found.confusion()).sum() == alone.sum()


def test_random_scores_are_at_chance() -> None:
    random = generator(0, "zero-shot")
    found = ZeroShot(tuple("abcd"), random.normal(size=(800, 4)).astype(np.float32), random.integers(0, 4, 800))
    interval = found.interval(resamples=500)
    assert interval.low <= found.chance() <= interval.high
    assert interval.unit.startswith("800 pictures")


def test_without_a_class_neither_its_pictures_nor_the_answer_remain() -> None:
    found = made([[0, 9, 1], [0, 9, 1], [3, 9, 1]], [2, 1, 0]).without("b")
    assert found.classes == ("a", "c")
    assert found.labels.tolist() == [1, 0]
    assert found.predicted().tolist() == [1, 0]


def test_the_small_group_is_one() -> None:
    counts = [sum(emoji.group == group for emoji in records()) for group in prompts()]
    assert min(counts) == counts[list(prompts()).index(SMALL_GROUP)]


def test_folds_are_pooled() -> None:
    part = made([[1, 0], [0, 1]], [0, 0])
    assert ZeroShot.pooled([part, part]).confusion().tolist() == [[2, 2], [0, 0]]
