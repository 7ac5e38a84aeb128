"""Devices that teach a large model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from demos.coevolution.config import ModelsSection, TaughtSection, UpSection, WeakSection
from demos.coevolution.data import SCENES
from demos.coevolution.models.device import by_chance
from demos.coevolution.models.encoder import fresh
from demos.coevolution.training.fit import Course, Lesson, fit, judged
from demos.coevolution.training.jobs import MATERIALS, Learning, answer, learn
from demos.coevolution.up.evolve import Evolution
from demos.coevolution.up.ground import Sentences
from demos.coevolution.weak.measure import Strengthened, Strengthening, strengthen
from demos.coevolution.weak.report import recovered

MODELS = ModelsSection(labelled=60, unlabelled=60, test=50, device=TaughtSection(steps=2, rate=1e-3, batch=8))


def everywhere(share: float) -> dict[str, float]:
    return {str(scene): share for scene in SCENES}


def test_recovered_is_the_part_of_the_gap_that_is_closed() -> None:
    shares = {"device": 0.6, "weak": 0.7, "start": 0.75, "taught": 0.72, "held": 0.8, "ceiling": 0.9}
    found = 2 * [Strengthened(**{name: everywhere(share) for name, share in shares.items()})]
    assert recovered(found, "held") == pytest.approx(50)
    assert recovered(found, "taught") == pytest.approx(10)
    # Nor is a gap that is there in one of two streams.
    none = Strengthened(**{name: everywhere(0.7) for name in shares})
    assert recovered([none, none], "held") is None
    assert recovered([none, found[0]], "held") is None


def test_who_holds_to_itself_learns_less_from_who_is_wrong() -> None:
    rows = [[101, 1000 + number, 102] for number in range(20)]
    start = fit(by_chance(1200, 0), Lesson(rows, torch.eye(2)[[1] * 20]), Course(30, 20, 3e-3), seed=0)
    wrong = torch.eye(2)[[0] * 20] * 0.6 + torch.eye(2)[[1] * 20] * 0.4

    def sure(own_share: float) -> float:
        model = by_chance(1200, 0)
        model.load_state_dict(start.state_dict())
        fit(model, Lesson(rows, wrong), Course(100, 20, 3e-3, own_share=own_share), seed=0)
        return float(torch.softmax(judged(model, rows), dim=1)[:, 1].mean())

    assert sure(0.8) > sure(0.0) + 0.2


@pytest.mark.slow
def test_devices_teach_and_everything_is_judged(tmp_path: Path) -> None:
    answer(fresh(None, 0), MODELS, 0, tmp_path)
    job = Learning("device", MATERIALS[2], MODELS, 0, tmp_path, "cpu", blank=True)
    learn(job)
    few = TaughtSection(steps=1, batch=8, rate=1e-4)
    up = UpSection(rounds=1, stream=60, replay=8)
    loop = Evolution("random", 1, Sentences(MODELS, 0, tmp_path, job.file), up, tmp_path, "cpu")
    found = strengthen(Strengthening(loop, WeakSection(words=8, cloud=few, device=few)))
    for name, scores in vars(found).items():
        assert set(scores) == set(SCENES), name
        assert np.all([0 <= share <= 1 for share in scores.values()]), name
    assert found == strengthen(Strengthening(loop, WeakSection(words=8, cloud=few, device=few)))
