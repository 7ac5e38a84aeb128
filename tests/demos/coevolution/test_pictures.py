"""Digits in four scenes, and the loop of the texts on them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from demos.coevolution.config import PicturesSection, TaughtSection, UpSection
from demos.coevolution.pictures.digits import CLASSES, HOME, SHARES, SIDE, digits, seen
from demos.coevolution.pictures.ground import Pictures, Schooling, school
from demos.coevolution.pictures.networks import Large, Small, by_chance
from demos.coevolution.up.evolve import Evolution, Loop
from shared.errors import UserError

FEW = TaughtSection(steps=2, batch=16, rate=1e-3)
UP = UpSection(
    rounds=2, stream=30, uploads=6, replay=8, rehearsed=8, tolerated=100, tolerated_at_home=100, cloud=FEW, device=FEW
)


def ground(wrong: float = 0.1) -> Pictures:
    return Pictures(0, Path("nowhere"), wrong)


def test_each_picture_is_in_one_scene_and_one_part() -> None:
    parts = [part for each in (digits().test, digits().calibration, digits().rest) for part in each.values()]
    places = np.concatenate(parts)
    assert sorted(places.tolist()) == list(range(5000))
    assert [len(digits().test[scene]) for scene in SHARES] == [600, 300, 300, 300]
    assert digits().images.shape == (5000, SIDE, SIDE)
    assert (float(digits().images.min()), float(digits().images.max())) == (0, 1)


def test_scenes_are_what_they_are_called() -> None:
    bar = torch.zeros(1, SIDE, SIDE)
    bar[:, 4:24, 13:15] = 1
    assert torch.equal(seen(bar, HOME), bar)
    assert torch.equal(seen(bar, "negative"), 1 - bar)
    small = seen(bar, "small")[0]
    rows = small.amax(1).nonzero()[:, 0]
    assert int(rows[-1] - rows[0]) == pytest.approx(0.6 * 20, abs=2)
    turned = seen(bar, "turned")[0]
    assert float(turned.sum()) == pytest.approx(float(bar.sum()), rel=0.1)
    # A bar that stood leans: its ink is spread over columns.
    assert int((turned.sum(0) > 0.5).sum()) > 10


def test_a_simulated_person_is_wrong_as_often_as_is_said() -> None:
    places = digits().rest["turned"].tolist()
    said = [ground(0.3).word(place, 1) for place in places]
    assert said == [ground(0.3).word(place, 1) for place in places]
    wrong = np.mean(np.array(said) != digits().labels[places])
    assert wrong == pytest.approx(0.3, abs=0.06)
    assert [ground(0.0).word(place, 1) for place in places] == digits().labels[places].tolist()
    assert set(said) <= set(range(CLASSES))


def test_new_pictures_come_once_and_none_from_home() -> None:
    rounds = ground().arriving(3, UpSection(rounds=4, stream=360))
    places = np.concatenate(rounds)
    assert [len(each) for each in rounds] == [360] * 4
    assert len(set(places.tolist())) == len(places)
    new = set(np.concatenate([part for scene, part in digits().rest.items() if scene != HOME]).tolist())
    assert set(places.tolist()) <= new
    with pytest.raises(UserError, match="are to come of the scene turned, with 550"):
        ground().arriving(3, UpSection(rounds=6, stream=360))


def test_networks_give_what_a_head_is_given() -> None:
    pixels = digits().images[:3]
    for kind in (Large, Small):
        model = by_chance(kind, 1).eval()
        states = model.pooled(pixels, pixels[..., 0])  # type: ignore[operator]
        assert model(pixels, None).shape == (3, CLASSES)
        torch.testing.assert_close(model(pixels, None), model.head(states))  # type: ignore[operator]
        again = by_chance(kind, 1).state_dict()
        assert all(torch.equal(again[name], weight) for name, weight in model.state_dict().items())


def test_the_loop_of_the_texts_runs_on_pictures(tmp_path: Path) -> None:
    section = PicturesSection(labelled=50, cloud=FEW, device=FEW)
    file = school(Schooling(section, 0, tmp_path / "digits.pt", "cpu"))
    job = Evolution("random", 3, Pictures(0, file, 0.1), UP, tmp_path, "cpu")
    loop = Loop(job)
    found = loop.run()
    assert [len(each.sent) for each in found] == [0, 6, 6]
    assert [each.learned and each.taught for each in found] == [False, True, True]
    assert found[0].small is not None
    assert set(found[0].small) == set(SHARES)
    assert sum(each.bytes for each in found) == SIDE * SIDE * len(loop.sent + loop.asked)
    again = Loop(job).run()
    assert [each.sent for each in again] == [each.sent for each in found]
    assert all(np.array_equal(again[-1].small[scene], found[-1].small[scene]) for scene in SHARES)  # type: ignore[index]
