"""The longer measurements."""

import numpy as np
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
    def streams(*gains: int) -> list[list[Round]]:
        before, *after = (
            {str(scene): np.arange(100) < 70 + gain * (scene != HOME) for scene in SCENES} for gain in (0, *gains)
        )
        return [[Round(before, before), Round(each, each)] for each in after]

    policies: dict[Policy, list[list[Round]]] = {"random": streams(2, 4), "hard": streams(5, 5)}
    random, hard = _pays({"a study": Found(policies)}).rows
    assert [random[0], random[1], random[3]] == ["a study, random", pytest.approx(3), None]
    assert hard[1] == pytest.approx(5)
    assert str(hard[3]).startswith("+2.0 (")
    assert hard[4:] == pytest.approx([5, 5, 5, 5])


@pytest.mark.slow
def test_setfit_learns_from_the_labels() -> None:
    scores = setfit(Pairs(seed=0, labelled=100, test=60, steps=2, pairs=4))
    assert set(scores) == set(SCENES)
    assert scores[HOME] > 0.55
