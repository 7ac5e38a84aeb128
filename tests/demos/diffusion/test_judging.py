"""The judges: known answers for sets made by hand, and for real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from demos.diffusion.judging.judge import noisy
from demos.diffusion.judging.kid import Distance, kernel_distance
from demos.diffusion.judging.variety import spread
from demos.diffusion.judging.words import AMONG, WordJudge, chance
from shared.seed import generator


def test_the_distance_is_that_of_the_definition() -> None:
    random = generator(0, "kid")
    one, other = random.normal(size=(5, 4)).astype(np.float32), random.normal(1, 1, (6, 4)).astype(np.float32)

    def kernel(left: np.ndarray, right: np.ndarray) -> float:
        return float((left.astype(float) @ right / 4 + 1) ** 3)

    within = np.mean([kernel(one[i], one[j]) for i in range(5) for j in range(5) if i != j])
    beyond = np.mean([kernel(other[i], other[j]) for i in range(6) for j in range(6) if i != j])
    across = np.mean([kernel(a, b) for a in one for b in other])
    assert kernel_distance(one, other, random).value == pytest.approx(within + beyond - 2 * across, rel=1e-6)


def test_the_distance_of_equals_is_near_zero_without_bias() -> None:
    random = generator(0, "kid")
    found = [kernel_distance(*random.normal(size=(2, 40, 8)).astype(np.float32), random).value for _ in range(60)]
    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found)) < 4 * error
    assert min(found) < 0 < max(found)
    far = kernel_distance(
        random.normal(size=(40, 8)).astype(np.float32), random.normal(0.5, 1, (40, 8)).astype(np.float32), random
    )
    assert far.low <= far.value <= far.high
    assert far.value > 5 * np.std(found)


def test_a_ratio_to_what_may_be_nothing_has_no_interval() -> None:
    one, other, near = (
        Distance(value, value * np.linspace(*ends, 200))
        for value, ends in ((2.0, (0.5, 1.5)), (4.0, (0.5, 1.5)), (0.1, (-1.0, 3.0)))
    )
    ratio, middle = one.over(other)
    assert (ratio, middle) == (0.5, pytest.approx((0.5, 0.5)))
    assert one.over(near) == (pytest.approx(20), None)


def test_noise_is_of_so_many_levels_and_stays_in_the_picture() -> None:
    grey, white = (np.full((4, 32, 32, 3), value, np.uint8) for value in (128, 255))
    found = noisy(grey, 3.0, generator(0, "noise")).astype(float)
    assert found.std() == pytest.approx(3.0, rel=0.05)
    assert found.mean() == pytest.approx(128, abs=0.1)
    assert noisy(white, 3.0, generator(0, "noise")).min() < 250  # cut, and not begun at 0 again
    assert noisy(white, 3.0, generator(0, "noise")).min() > 235


def test_the_judge_of_words_knows_what_it_learned_and_guesses_else() -> None:
    random = generator(0, "words")
    features = random.normal(size=(300, 20)).astype(np.float32)
    texts = random.normal(size=(300, 16))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    judge = WordJudge.fit(features, texts)
    assert judge.precision(judge.says(features[:150]), texts[:150]).mean() > 0.95
    # Random words for random pictures: what is not known is guessed.
    assert judge.precision(judge.says(features[:150], np.arange(150)), texts[:150]).mean() < 0.08
    unknown = random.normal(size=(150, 20)).astype(np.float32)
    assert judge.precision(judge.says(unknown), texts[:150]).mean() < 0.08
    assert chance(["a"] * 400) == 1 / AMONG


def test_ties_count_against_the_picture() -> None:
    texts = np.tile(np.array([[1.0, 0.0], [0.0, 1.0]]), (2, 1))
    judge = WordJudge.fit(np.eye(4, dtype=np.float32), texts)
    assert not judge.precision(judge.says(np.eye(4, dtype=np.float32)), texts).any()


def test_a_judge_without_a_picture_is_one_that_never_saw_it() -> None:
    random = generator(1, "words")
    features = random.normal(size=(60, 8)).astype(np.float32)
    texts = random.normal(size=(60, 5))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    judge = WordJudge.fit(features, texts)
    asked, without = random.normal(size=(60, 8)).astype(np.float32), random.permutation(60)
    asked[:5] = features[without[:5]]
    said = judge.says(asked, without)
    units = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (features, asked)]
    for number, left in enumerate(without.tolist()):
        rest = np.delete(np.arange(60), left)
        model = clone(judge.model).fit(units[0][rest], (texts - texts.mean(0))[rest])
        expected = model.predict(units[1][[number]])[0]
        assert said[number] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_precision_is_that_of_many_draws_of_others() -> None:
    random = generator(2, "words")
    prompts, said = random.normal(size=(2, 130, 6))
    prompts /= np.linalg.norm(prompts, axis=1, keepdims=True)
    said = said + 3 * prompts
    judge = WordJudge.fit(random.normal(size=(20, 4)).astype(np.float32), prompts[:20])
    scores = judge.scores(said, prompts)
    better = [(np.delete(scores[row], row) >= scores[row, row]).sum() for row in range(130)]
    assert 3 < len(set(better)) < 130
    # 99 of the 129 others are drawn one after the other, and none of the better ones may be among them.
    expected = [np.prod([(129 - many - drawn) / (129 - drawn) for drawn in range(AMONG - 1)]) for many in better]
    assert judge.precision(said, prompts) == pytest.approx(np.array(expected), abs=1e-9)
    some, row = [], int(np.flatnonzero(np.array(better) == 1)[0])
    for _ in range(2000):
        others = random.permutation(np.delete(np.arange(130), row))[: AMONG - 1]
        some.append((scores[row, others] < scores[row, row]).all())
    assert np.mean(some) == pytest.approx(30 / 129, abs=0.04)


def test_pictures_that_are_the_same_have_no_variety() -> None:
    random = np.random.default_rng(0)
    one = random.normal(size=(3, 1, 8)).astype(np.float32)
    several = np.repeat(one, 4, axis=1)
    assert spread(several) == pytest.approx(0, abs=1e-6)
    # Longer is not different; a right angle is 1: three of six pairs, where one of four is alone.
    several[1, 0] *= 5
    assert spread(several)[1] == pytest.approx(0, abs=1e-6)
    axes = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]][None]
    assert spread(axes)[0] == pytest.approx(3 / 6)
