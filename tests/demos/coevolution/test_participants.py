"""More devices: who gets what, and what becomes of it."""

import copy
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from demos.coevolution.config import ModelsSection, TaughtSection, UpSection
from demos.coevolution.data import SCENES, texts
from demos.coevolution.models.device import by_chance
from demos.coevolution.models.encoder import fresh
from demos.coevolution.participants.measure import Gathering, _dealt, averaged, gather, scenes_of, shares_of
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import MATERIALS, Learning, answer, course, learn
from demos.coevolution.up.evolve import Evolution
from demos.coevolution.up.ground import Sentences
from shared.seed import generator

MODELS = ModelsSection(labelled=60, unlabelled=60, test=50, device=TaughtSection(steps=2, rate=1e-3, batch=8))


def test_devices_have_scenes_in_turns() -> None:
    assert scenes_of(4) == ["product", "editorial", "tweet", "product"]
    assert shares_of(4) == {"product": 0.5, "editorial": 0.25, "tweet": 0.25}
    assert shares_of(1) == {"product": 1.0, "editorial": 0.0, "tweet": 0.0}


def test_each_device_gets_texts_of_its_own_scene_and_none_twice() -> None:
    arrived = np.concatenate([frozen().rest[scene][:20] for scene in ("product", "editorial", "tweet")])
    scenes = scenes_of(5)
    found = _dealt(arrived, scenes, generator(0))
    assert [{texts()[place].scene for place in part} for part in found] == [{scene} for scene in scenes]
    assert sorted(np.concatenate(found)) == sorted(arrived)
    assert Counter(len(part) for part in found) == {10: 4, 20: 1}


def test_an_average_is_by_how_many_words_each_has() -> None:
    one, other = by_chance(30, 0), by_chance(30, 1)
    found = averaged(copy.deepcopy(one), [one.state_dict(), other.state_dict()], [3, 1])
    torch.testing.assert_close(found.head.weight, 0.75 * one.head.weight + 0.25 * other.head.weight)


@pytest.mark.slow
@pytest.mark.parametrize("way", [False, True])
def test_devices_gather(tmp_path: Path, way: bool) -> None:
    answer(fresh(None, 0), MODELS, 0, tmp_path)
    job = Learning("device", MATERIALS[2], MODELS, 0, tmp_path, "cpu", blank=True)
    learn(job)
    few = TaughtSection(steps=1, batch=8, rate=1e-4)
    up = UpSection(rounds=2, stream=40, uploads=8, shares=shares_of(2), replay=8, rehearsed=8, cloud=few, device=few)  # type: ignore[arg-type]
    up = up.model_copy(update={"tolerated": 100.0, "tolerated_at_home": 100.0})
    loop = Evolution("random", 1, Sentences(MODELS, 0, tmp_path, job.file), up, tmp_path, "cpu")
    found = gather(Gathering(loop, 2, way, course(few)))
    assert set(found.before) == set(found.after) == set(SCENES)
    assert 8 < found.labels <= 16
    assert gather(Gathering(loop, 2, way, course(few))) == found
    other = gather(Gathering(replace(loop, seed=2), 2, way, course(few)))
    assert other.before == found.before
