"""All policies on the same streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.config import Policy, UpSection
from demos.coevolution.data import HOME
from demos.coevolution.training.jobs import MATERIALS
from demos.coevolution.up.evolve import Evolution, Round, evolve
from demos.coevolution.up.ground import Sentences
from shared import device as devices

if TYPE_CHECKING:
    from demos.coevolution.training.jobs import Scores
    from demos.coevolution.training.trained import Trained

AT_HOME = MATERIALS[2]  # what the device has learned from before a new scene comes


@dataclass(frozen=True)
class Found:
    """Of each policy the rounds of each stream, from before the first; home: the scene that is not new."""

    streams: dict[Policy, list[list[Round]]]
    home: str = HOME

    def gains(self, policy: Policy, model: str) -> list[float]:
        """What each stream brought in the new scenes, their mean [points]. model: "cloud" or "small"."""
        return [self._new(last) - self._new(first) for first, last in self._ends(policy, model)]

    def at_home(self, policy: Policy, model: str) -> list[float]:
        """What each stream brought at home [points]."""
        return [100 * (last[self.home] - first[self.home]) for first, last in self._ends(policy, model)]

    def ends(self, policy: Policy, model: str, scene: str) -> tuple[list[float], list[float]]:
        """Accuracy in a scene before the first round of each stream and after the last [%]."""
        pairs = self._ends(policy, model)
        return [100 * first[scene] for first, _ in pairs], [100 * last[scene] for _, last in pairs]

    @property
    def scenes(self) -> list[str]:
        """All, home first."""
        (rounds, *_), *_ = self.streams.values()
        tested = rounds[0].cloud
        assert tested is not None
        return sorted(tested, key=lambda scene: scene != self.home)

    def _new(self, scores: Scores) -> float:
        return 100 * float(np.mean([share for scene, share in scores.items() if scene != self.home]))

    def _ends(self, policy: Policy, model: str) -> list[tuple[Scores, Scores]]:
        found = []
        for rounds in self.streams[policy]:
            first, last = (getattr(rounds[place], model) for place in (0, -1))
            found.append((first, last))
        return found


def evolution(trained: Trained, number: int, up: UpSection, policy: Policy = "random") -> Evolution:
    """Stream number i begins with the models of home number i, over and over."""
    files = trained.lying("device", AT_HOME)
    home = number % len(trained.seeds)
    return Evolution(
        policy,
        trained.config.seed + number,
        Sentences(trained.config.models, trained.seeds[home], trained.folder, files[home]),
        up,
        trained.folder,
        devices.resolve(trained.config.device),
        whole=number < up.whole,
    )


def compare(trained: Trained, up: UpSection) -> Found:
    """Each policy on each stream."""
    jobs = [evolution(trained, number, up, policy) for policy in up.policies for number in range(up.seeds)]
    jobs[0] = replace(jobs[0], kept=True)
    streams: dict[Policy, list[list[Round]]] = {}
    for job, rounds in zip(jobs, trained.run.map("streams", evolve, jobs), strict=True):
        streams.setdefault(job.policy, []).append(rounds)
    return Found(streams)
