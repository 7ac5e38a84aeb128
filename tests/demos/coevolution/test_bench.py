"""The longer measurements."""

import pytest

from demos.coevolution.bench import STUDIES, _pays
from demos.coevolution.config import Policy, UpSection
from demos.coevolution.data import HOME, SCENES
from demos.coevolution.down.setfit import Pairs, setfit
from demos.coevolution.splits import frozen
from demos.coevolution.up.compare import Found
from demos.coevolution.up.evolve import Round
from demos.coevolution.up.stream import rounds


def test_each_study_is_a_stream_that_there_is() -> None:
    for changes in STUDIES.values():
        up = UpSection(**changes)
        assert sum(up.shares.values()) == pytest.approx(1)
        assert len(rounds(0, up.rounds, up.stream, up.shares, frozen().rest)) == up.rounds


def test_what_pays_is_told_beside_random() -> None:
    def streams(*gains: float) -> list[list[Round]]:
        before = {str(scene): 0.7 for scene in SCENES}
        after = [{str(scene): 0.7 + gain * (scene != HOME) for scene in SCENES} for gain in gains]
        return [[Round(before, before), Round(each, each)] for each in after]

    policies: dict[Policy, list[list[Round]]] = {"random": streams(0.02, 0.04), "hard": streams(0.05, 0.05)}
    random, hard = _pays({"a study": Found(policies)}).rows
    assert random[:4] == ["a study, random", pytest.approx(3), "+2.0 to +4.0", None]
    assert hard[1:4] == [pytest.approx(5), "+5.0 to +5.0", "+2.0 (+1.0 to +3.0)"]
    assert hard[4:] == pytest.approx([5, 5, 5, 5])


@pytest.mark.slow
def test_setfit_learns_from_the_labels() -> None:
    scores = setfit(Pairs(seed=0, labelled=100, test=60, steps=2, pairs=4))
    assert set(scores) == set(SCENES)
    assert scores[HOME] > 0.55
